//! An observer is told what happens, outside of everything.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use common::sight::{a_conflict, fail_over, labelled};
use common::{poll, watched_alone};
use stm_core::diagnostics::{
    Aborted, Committed, FellAsleep, Observer, WakeReason, Woke, set_observer,
};
use stm_core::{Control, Stopped, TVar, Transaction, atomically, check, in_transaction};

/// Notes what it is told, and that it is told outside.
struct Notes {
    told: Mutex<Vec<String>>,
    commits: bool,
    conflict: Control,
}

impl Notes {
    fn new(commits: bool) -> Arc<Self> {
        Arc::new(Self {
            told: Mutex::default(),
            commits,
            conflict: a_conflict(),
        })
    }

    fn note(&self, what: String) {
        assert!(!in_transaction());
        self.told.lock().expect("not poisoned").push(what);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().expect("not poisoned"))
    }
}

impl Observer for Notes {
    fn on_abort(&self, event: &Aborted) {
        // A transaction of its own, with an abort of its own: nobody is told.
        atomically(|tx| {
            if tx.attempt() == 1 {
                Err(self.conflict)
            } else {
                Ok(())
            }
        });
        let over = event.over.as_ref().map(ToString::to_string);
        let (name, attempt) = (event.origin.name(), event.attempt);
        self.note(format!("{name} {attempt}: {} over {over:?}", event.cause));
    }

    fn on_wait(&self, event: &FellAsleep) {
        self.note(format!(
            "{} waits on {:?}",
            event.origin.name(),
            event.variables[0].label()
        ));
    }

    fn on_wake(&self, event: &Woke) {
        assert!(event.slept <= Duration::from_secs(120));
        self.note(format!("{} wakes: {:?}", event.origin.name(), event.reason));
    }

    fn hears_commits(&self) -> bool {
        self.commits
    }

    fn on_commit(&self, event: &Committed) {
        self.note(format!(
            "{} commits with {}",
            event.origin.name(),
            event.attempts
        ));
    }
}

/// Aborts twice, waits, and is woken.
fn eventful(x: &TVar<i64>, own: &TVar<i64>) {
    let order = Transaction::new().named("order");
    order.run(|tx| fail_over(tx, x, own, 2)).expect("no limits");
    let mut task = Transaction::new()
        .named("watch")
        .run_async(|tx| check(own.read(tx)? < 0));
    assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);
    own.store(-1);
    assert_eq!(poll(&mut task, Waker::noop()), Poll::Ready(Ok(())));
}

#[test]
fn an_observer_is_told_what_happens() {
    watched_alone("an_observer_is_told_what_happens", || {
        let (x, own) = (labelled("x"), labelled("own"));
        for commits in [false, true] {
            let notes = Notes::new(commits);
            set_observer(Some(notes.clone()));
            eventful(&x, &own);
            set_observer(None);
            let told = notes.take();
            let expected = [
                (true, "TVar::store commits with 1"),
                (false, "order 1: read changed at commit over Some(\"x\")"),
                (true, "TVar::store commits with 1"),
                (false, "order 2: read changed at commit over Some(\"x\")"),
                (true, "order commits with 3"),
                (false, "watch waits on Some(\"own\")"),
                (true, "TVar::store commits with 1"),
                (false, "watch wakes: Written"),
                (true, "watch commits with 2"),
            ];
            let expected: Vec<_> = expected.iter().filter(|(c, _)| commits || !c).collect();
            assert_eq!(told, expected.iter().map(|e| e.1).collect::<Vec<_>>());
            own.store(0);
            eventful(&x, &own);
            assert!(notes.take().is_empty(), "it does not listen any more");
            own.store(0);
            assert_eq!(Arc::strong_count(&notes), 1, "and is let go");
        }
        let notes = Notes::new(false);
        set_observer(Some(notes.clone()));
        let hasty = Transaction::new()
            .named("hasty")
            .timeout(Duration::from_millis(20));
        let ended = hasty.run(|tx| check(own.read(tx)? < 0));
        set_observer(None);
        assert_eq!(ended, Err(Stopped::TimedOut));
        let wakes = format!("hasty wakes: {:?}", WakeReason::TimeOver);
        let told = notes.take();
        assert!(told.is_empty() || told[1] == wakes, "{told:?}");
    });
}

#[test]
fn an_observer_that_panics_does_no_harm() {
    #[derive(Default)]
    struct Panics(AtomicUsize);
    impl Panics {
        fn panic(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose");
        }
    }
    impl Observer for Panics {
        fn on_abort(&self, _: &Aborted) {
            self.panic();
        }
        fn on_wait(&self, _: &FellAsleep) {
            self.panic();
        }
        fn on_wake(&self, _: &Woke) {
            self.panic();
        }
        fn hears_commits(&self) -> bool {
            true
        }
        fn on_commit(&self, _: &Committed) {
            self.panic();
        }
    }
    watched_alone("an_observer_that_panics_does_no_harm", || {
        let (x, own) = (labelled("x"), labelled("own"));
        let panics = Arc::new(Panics::default());
        set_observer(Some(panics.clone()));
        eventful(&x, &own);
        set_observer(None);
        assert_eq!(
            panics.0.load(Ordering::Relaxed),
            9,
            "it was told everything"
        );
        assert_eq!((x.load(), own.load()), (2, -1));
    });
}

#[cfg(feature = "tracing")]
mod traced {
    use super::*;
    use std::fmt::{Debug, Write};
    use stm_core::diagnostics::TracingObserver;
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    struct Lines(Arc<Mutex<Vec<String>>>);

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            write!(self.0, " {}={value:?}", field.name()).expect("a string");
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "stm_core"
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut line = Line(event.metadata().level().to_string());
            event.record(&mut line);
            self.0.lock().expect("not poisoned").push(line.0);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn the_tracing_observer_passes_everything_on() {
        watched_alone("the_tracing_observer_passes_everything_on", || {
            let (x, own) = (labelled("x"), labelled("own"));
            let lines = Arc::default();
            // For all threads: commits are told on others, too. No other test emits anything.
            tracing::subscriber::set_global_default(Lines(Arc::clone(&lines))).expect("the first");
            set_observer(Some(Arc::new(TracingObserver::new().with_commits(true))));
            eventful(&x, &own);
            set_observer(None);
            let lines = lines.lock().expect("not poisoned");
            let kinds = [
                "commit", "abort", "commit", "abort", "commit", "wait", "commit", "wake", "commit",
            ];
            assert_eq!(lines.len(), kinds.len(), "{lines:#?}");
            for (line, kind) in lines.iter().zip(kinds) {
                assert!(line.contains(&format!("message={kind}")), "{line}");
                assert!(line.contains("sight"), "where: {line}");
            }
            assert!(lines[1].starts_with("DEBUG"));
            for part in [
                "transaction=\"order\"",
                "attempt=1",
                "over=x",
                "read changed at commit",
            ] {
                assert!(lines[1].contains(part), "{}", lines[1]);
            }
        });
    }
}
