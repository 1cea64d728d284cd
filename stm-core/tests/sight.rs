//! What the diagnostics say is what has happened: how often, why, over which variable, to whom.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use common::fire::{Boxed, collect_until, elsewhere, panic_of, tick};
use common::{Value, block_on, poll, wait_until, watched_alone};
use stm_core::diagnostics::{
    Aborted, Cause, Committed, FellAsleep, HotVar, Observer, Sleeper, Stats, WakeReason, Woke,
    clear_hot_vars, hot_vars, set_observer, stats, waiting,
};
use stm_core::{
    Control, Stm, Stopped, TVar, Transaction, Tx, abort, atomically, atomically_async, check,
    in_transaction, snapshot, try_atomically,
};

/// What happens during `work`.
fn during(work: impl FnOnce()) -> Stats {
    let before = stats();
    work();
    stats().since(&before)
}

/// `work` has one attempt thrown away, for this cause, over the variable of this label.
fn aborts_once(cause: Cause, over: Option<&str>, work: impl FnOnce()) {
    clear_hot_vars();
    let between = during(work);
    let causes: Vec<_> = between.causes().collect();
    assert_eq!(causes, [(cause, 1)]);
    assert_eq!(between.aborts(), 1);
    assert!(between.to_string().contains(cause.name()), "{between}");
    let hot = hot_vars(usize::MAX);
    let blamed: Vec<_> = hot.iter().map(|hot| hot.variable.label()).collect();
    assert_eq!(blamed, Vec::from_iter(over.map(Some)));
}

fn labelled<T: Value>(label: &str) -> TVar<T> {
    TVar::new(T::of(0)).named(label)
}

fn set_both<A: Value, B: Value>(a: &TVar<A>, b: &TVar<B>) {
    tick();
    atomically(|tx| {
        a.write(tx, A::of(1))?;
        b.write(tx, B::of(1))
    });
}

/// Runs `meanwhile` while `var` is locked by a commit.
fn while_locked(var: &TVar<i64>, meanwhile: impl FnOnce()) {
    let (locked, is_locked) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Arc::new(Mutex::new(may_go_on));
    std::thread::scope(|s| {
        s.spawn(|| {
            atomically(|tx| {
                let (locked, may_go_on) = (locked.clone(), Arc::clone(&may_go_on));
                var.commute(tx, move |n| {
                    let _ = locked.send(());
                    // Ends when the other side of the channel has gone.
                    let _ = may_go_on.lock().expect("not poisoned").recv();
                    n + 1
                })
            });
        });
        let go_on = go_on;
        is_locked.recv().expect("the function is called");
        meanwhile();
        drop(go_on);
    });
}

#[test]
fn a_read_that_changed_is_counted_and_blamed() {
    watched_alone("a_read_that_changed_is_counted_and_blamed", || {
        let (a, b, own) = (labelled::<i64>("a"), labelled::<i64>("b"), TVar::new(0));
        aborts_once(Cause::ReadChanged, Some("a"), || {
            atomically(|tx| {
                own.write(tx, 1)?; // so that it cannot go on as a snapshot
                a.read(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| set_both(&a, &b));
                }
                b.read(tx)
            });
        });
    });
}

#[test]
fn a_read_that_changed_before_the_commit_is_counted_and_blamed() {
    watched_alone("a_read_that_changed_before_the_commit", || {
        let (a, b) = (labelled::<i64>("a"), labelled::<i64>("b"));
        aborts_once(Cause::CommitChanged, Some("a"), || {
            atomically(|tx| {
                let n = a.read(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| a.store(5));
                }
                b.write(tx, n + 1)
            });
        });
        assert_eq!(b.load(), 6);
    });
}

#[test]
fn a_lock_that_stays_is_counted_and_blamed() {
    watched_alone("a_lock_that_stays_is_counted_and_blamed", || {
        let once = Transaction::new().max_attempts(1);
        let x = labelled::<i64>("x");
        while_locked(&x, || {
            aborts_once(Cause::ReadLocked, Some("x"), || {
                let ended = once.run(|tx| x.read(tx));
                assert_eq!(ended, Err(Stopped::TooManyAttempts));
            });
            aborts_once(Cause::CommitLocked, Some("x"), || {
                let ended = once.run(|tx| x.write(tx, 9));
                assert_eq!(ended, Err(Stopped::TooManyAttempts));
            });
        });
        assert_eq!(x.load(), 1);
    });
}

#[test]
fn an_old_value_that_is_gone_is_counted_and_blamed() {
    watched_alone("an_old_value_that_is_gone_is_counted_and_blamed", || {
        let (boxed, inline) = (labelled::<Boxed>("boxed"), labelled::<i64>("inline"));
        aborts_once(Cause::OldValueGone, Some("inline"), || {
            atomically(|tx| {
                boxed.read(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| set_both(&boxed, &inline));
                }
                inline.read(tx)
            });
        });
    });
}

#[test]
fn a_write_in_a_snapshot_blames_what_made_it_one() {
    watched_alone("a_write_in_a_snapshot_blames_what_made_it_one", || {
        let (a, b) = (labelled::<Boxed>("a"), labelled::<Boxed>("b"));
        aborts_once(Cause::WroteInSnapshot, Some("a"), || {
            atomically(|tx| {
                a.read(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| set_both(&a, &b));
                }
                b.read(tx)?;
                b.write(tx, Boxed::of(2))
            });
        });
    });
}

/// Bodies that go wrong by themselves blame nobody.
#[test]
fn the_bodys_own_doing_is_counted_without_blame() {
    watched_alone("the_bodys_own_doing_is_counted_without_blame", || {
        let x = labelled::<i64>("x");
        aborts_once(Cause::Swallowed, None, || {
            atomically(|tx| {
                if tx.attempt() == 1 {
                    let caught =
                        catch_unwind(AssertUnwindSafe(|| x.modify(tx, |_| panic!("on purpose"))));
                    caught.expect_err("on purpose");
                }
                Ok(())
            });
        });
        aborts_once(Cause::CommutePanicked, None, || {
            panic_of(|| atomically(|tx| x.commute(tx, |_| panic!("on purpose"))));
        });
        let kept = a_conflict();
        aborts_once(Cause::Foreign, None, || {
            atomically(|tx| if tx.attempt() == 1 { Err(kept) } else { Ok(()) });
        });
    });
}

/// The conflict of a transaction that is over.
fn a_conflict() -> Control {
    let (x, y, own) = (TVar::new(0i64), TVar::new(0i64), TVar::new(0));
    let mut kept = None;
    atomically(|tx| {
        own.write(tx, 1)?;
        x.read(tx)?;
        if tx.attempt() == 1 {
            elsewhere(|| set_both(&x, &y));
            kept = y.read(tx).err();
        }
        Ok(())
    });
    kept.expect("the second read is newer than the first is good for")
}

#[test]
fn giving_way_is_counted_and_blamed() {
    watched_alone("giving_way_is_counted_and_blamed", || {
        let x = labelled::<i64>("x");
        let once = Transaction::new().named("rival").max_attempts(1);
        clear_hot_vars();
        let between = during(|| {
            let mut gave_way = false;
            atomically(|tx| {
                let n = x.read(tx)?;
                if !gave_way {
                    // Fails this attempt, until there are so many failures that it is the rival who fails. A lease that runs
                    // out too early on a busy machine is followed by a longer one.
                    let before = stats();
                    let _ = elsewhere(|| once.run(|tx| x.write(tx, n + 1)));
                    gave_way = stats().since(&before).aborts_by(Cause::GaveWay) == 1;
                }
                x.write(tx, n + 100)
            });
        });
        assert_eq!(between.aborts_by(Cause::GaveWay), 1);
        assert_eq!(between.priorities, 1);
        let hot = hot_vars(1).remove(0);
        assert_eq!(hot.variable.label(), Some("x"));
        let rival = hot.by.iter().find(|v| v.origin.name() == "rival");
        assert_eq!(rival.map(|v| v.attempts), Some(1));
    });
}

#[test]
fn ends_that_are_no_conflicts_have_counts_of_their_own() {
    watched_alone("ends_that_are_no_conflicts", || {
        let (x, boxed, other) = (
            TVar::new(0i64),
            TVar::new(Boxed::of(0)),
            TVar::new(Boxed::of(0)),
        );
        let between = during(|| {
            let _ = try_atomically(|tx| {
                x.write(tx, 1)?;
                abort::<(), _>("on purpose")
            });
            panic_of(|| atomically(|_| -> Stm<()> { panic!("on purpose") }));
            snapshot(|s| {
                elsewhere(|| x.store(2));
                x.read(s)
            });
            atomically(|tx| {
                boxed.read(tx)?;
                elsewhere(|| set_both(&boxed, &other));
                other.read(tx)
            });
        });
        assert_eq!(between.rolled_back, 1);
        assert_eq!(between.panicked, 1);
        assert_eq!(between.history_nodes, 1);
        assert_eq!(between.conversions, 1);
        assert_eq!(between.aborts(), 0);
        assert_eq!(between.commits, 3, "the store, the rival and the reader");
    });
}

#[test]
fn counts_outlive_their_threads() {
    watched_alone("counts_outlive_their_threads", || {
        let x = TVar::new(0);
        let increment = || atomically(|tx| x.modify(tx, |n| n + 1));
        let between = during(|| {
            for _ in 0..20 {
                elsewhere(|| (0..5).for_each(|_| increment()));
                increment();
            }
            x.store(0);
            let _ = x.swap(1);
        });
        assert_eq!(between.commits, 122);
    });
}

#[test]
fn waits_and_wakes_are_counted_and_the_empty_ones_told_apart() {
    watched_alone("waits_and_wakes_are_counted", || {
        let x = TVar::new(0);
        let mut task = atomically_async(|tx| check(x.read(tx)? >= 2));
        let counts = |s: Stats| (s.waits, s.wakes, s.empty_wakes);
        let mut step = |written, expected: Poll<()>| {
            counts(during(|| {
                x.store(written);
                assert_eq!(poll(&mut task, Waker::noop()), expected);
            }))
        };
        assert_eq!(step(0, Poll::Pending), (1, 0, 0));
        assert_eq!(step(1, Poll::Pending), (1, 1, 1));
        assert_eq!(step(2, Poll::Ready(())), (0, 1, 0));

        let hasty = Transaction::new().timeout(Duration::from_millis(1));
        let never = TVar::new(false);
        let thread = during(|| {
            let ended = hasty.run(|tx| check(never.read(tx)?));
            assert_eq!(ended, Err(Stopped::TimedOut));
        });
        let task = during(|| {
            let ended = block_on(hasty.run_async(|tx| check(never.read(tx)?)));
            assert_eq!(ended, Err(Stopped::TimedOut));
        });
        for ended_by_time in [thread, task] {
            let (waits, wakes, empty) = counts(ended_by_time);
            assert!(waits <= 1, "none, if the time was over before");
            assert_eq!((wakes, empty), (0, 0));
        }
    });
}

/// Fails `times` times over `hot`, which it only reads.
fn fail_over(tx: &mut Tx<'_>, hot: &TVar<i64>, own: &TVar<i64>, times: u32) -> Stm<()> {
    let n = hot.read(tx)?;
    if tx.attempt() <= times {
        elsewhere(|| hot.store(n + 1));
    }
    own.write(tx, n)
}

#[test]
fn hot_vars_name_the_variable_and_the_transactions() {
    watched_alone("hot_vars_name_the_variable_and_the_transactions", || {
        let (hot, warm, own) = (labelled("hot"), labelled("warm"), labelled("own"));
        clear_hot_vars();
        let above = line!();
        let order = Transaction::new().named("order");
        order
            .run(|tx| fail_over(tx, &hot, &own, 3))
            .expect("no limits");
        atomically(|tx| fail_over(tx, &hot, &own, 1));
        atomically(|tx| fail_over(tx, &warm, &own, 2));
        atomically(|tx| fail_over(tx, &own, &warm, 0)); // does not fail

        let lines = above..line!();
        let list = hot_vars(10);
        let found: Vec<_> = list
            .iter()
            .map(|h| (h.variable.label(), h.attempts))
            .collect();
        assert_eq!(found, [(Some("hot"), 4), (Some("warm"), 2)]);
        assert_eq!(hot_vars(1), list[..1]);
        let by: Vec<_> = list[0]
            .by
            .iter()
            .map(|v| (v.origin.name(), v.attempts))
            .collect();
        assert_eq!(by, [("order", 3), ("atomically", 1)]);
        for victim in list.iter().flat_map(|h: &HotVar| &h.by) {
            let at = victim.origin.location();
            assert!(
                at.file().ends_with("sight.rs") && lines.contains(&at.line()),
                "{at}"
            );
        }
        assert!(list[0].to_string().contains("hot\n"), "{}", list[0]);
    });
}

#[test]
fn labels_and_costs_go_with_their_variable() {
    watched_alone("labels_and_costs_go_with_their_variable", || {
        let held = Arc::new(0);
        let new = |i: usize| TVar::new(Arc::clone(&held)).named(&format!("goner {i}"));
        let address = |var: &TVar<_>| format!("{var:?}");
        clear_hot_vars();

        let goners: Vec<_> = (0..1000).map(new).collect();
        assert_eq!(goners[7].label().as_deref(), Some("goner 7"));
        let renamed = goners[7].clone().named("renamed");
        assert_eq!(goners[7].label().as_deref(), Some("renamed"));
        drop(renamed);
        assert_eq!(
            goners[7].label().as_deref(),
            Some("renamed"),
            "it is the variable's"
        );
        atomically(|tx| {
            let n = goners[7].read(tx)?;
            if tx.attempt() == 1 {
                elsewhere(|| goners[7].store(Arc::clone(&n)));
            }
            goners[8].write(tx, n)
        });
        assert_eq!(hot_vars(9).len(), 1);

        let addresses: HashSet<_> = goners.iter().map(address).collect();
        drop(goners);
        collect_until(|| Arc::strong_count(&held) == 1);
        assert!(hot_vars(9).is_empty(), "its figures end with it");
        let heirs: Vec<_> = (0..3000).map(|_| TVar::new(Arc::clone(&held))).collect();
        let inherited = heirs
            .iter()
            .filter(|&heir| addresses.contains(&address(heir)))
            .count();
        eprintln!("{inherited} of 1000 addresses were used again");
        assert!(heirs.iter().all(|heir| heir.label().is_none()));
    });
}

/// The bit that says that there is a label lies in the count of handles.
#[test]
fn a_label_does_not_disturb_the_count_of_handles() {
    watched_alone("a_label_does_not_disturb_the_count_of_handles", || {
        let held = Arc::new(0);
        let var = TVar::new(Arc::clone(&held)).named("counted");
        let more: Vec<_> = (0..100).map(|_| var.clone()).collect();
        drop(var);
        assert_eq!(*more[50].load(), 0);
        // A wait on it acquires and gives back a handle.
        let mut task = atomically_async(|tx| check(*more[0].read_ref(tx)? == Arc::new(1)));
        assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);
        drop(task);
        assert!(Arc::strong_count(&held) > 1);
        drop(more);
        collect_until(|| Arc::strong_count(&held) == 1);
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn waiting_shows_who_sleeps_and_on_what() {
    watched_alone("waiting_shows_who_sleeps_and_on_what", || {
        let (door, bell, nameless) = (
            labelled::<i64>("door"),
            labelled::<i64>("bell"),
            TVar::new(0),
        );
        let start = Instant::now();
        let any = |tx: &mut Tx<'_>| {
            let open = door.read(tx)? + bell.read(tx)? + nameless.read(tx)?;
            check(open > 0)
        };
        std::thread::scope(|s| {
            let enter = Transaction::new().named("enter");
            std::thread::Builder::new()
                .name("sleeper".into())
                .spawn_scoped(s, move || enter.run(any).expect("no limits"))
                .expect("a thread");
            wait_until(|| waiting().iter().any(|wait| wait.variables.len() == 3));
            let mut task = atomically_async(|tx| check(bell.read(tx)? > 0));
            assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);

            let list = waiting();
            let [thread, sleeping_task] = &list[..] else {
                panic!("{list:?}")
            };
            let Sleeper::Thread { name, .. } = &thread.who else {
                panic!("{thread:?}")
            };
            assert_eq!(name.as_deref(), Some("sleeper"));
            assert_eq!(thread.origin.name(), "enter");
            let labels: Vec<_> = thread.variables.iter().map(|v| v.label()).collect();
            assert_eq!(labels, [Some("bell"), Some("door"), None]);
            let shown = format!("{nameless:?}");
            assert_eq!(shown, thread.variables[2].to_string());
            assert!(thread.since >= start && sleeping_task.since >= thread.since);
            let shown = thread.to_string();
            assert!(
                shown.contains("\"sleeper\"") && shown.contains("on bell, door, "),
                "{shown}"
            );
            assert_eq!(sleeping_task.who, Sleeper::Task);
            assert_eq!(sleeping_task.origin.name(), "atomically_async");

            drop(task);
            assert_eq!(waiting().len(), 1, "the task's is cancelled");
            nameless.store(1);
            assert!(
                waiting().is_empty(),
                "it may not run yet, but it does not wait any more"
            );
        });
        assert!(waiting().is_empty());
    });
}

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
                assert!(line.contains("sight.rs"), "{line}");
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
