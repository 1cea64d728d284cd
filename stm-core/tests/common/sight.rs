//! What has happened, as the diagnostics tell it.

use std::sync::{Arc, Mutex, mpsc};

use stm_core::diagnostics::{Cause, Stats, clear_hot_vars, hot_vars, stats};
use stm_core::{Control, Stm, TVar, Tx, atomically};

use super::Value;
use super::fire::{elsewhere, tick};

/// What happens during `work`.
pub fn during(work: impl FnOnce()) -> Stats {
    let before = stats();
    work();
    stats().since(&before)
}

/// `work` has one attempt thrown away, for this cause, over the variable of this label.
pub fn aborts_once(cause: Cause, over: Option<&str>, work: impl FnOnce()) {
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

pub fn labelled<T: Value>(label: &str) -> TVar<T> {
    TVar::new(T::of(0)).named(label)
}

pub fn set_both<A: Value, B: Value>(a: &TVar<A>, b: &TVar<B>) {
    tick();
    atomically(|tx| {
        a.write(tx, A::of(1))?;
        b.write(tx, B::of(1))
    });
}

/// Runs `meanwhile` while `var` is locked by a commit.
pub fn while_locked(var: &TVar<i64>, meanwhile: impl FnOnce()) {
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

/// The conflict of a transaction that is over.
pub fn a_conflict() -> Control {
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

/// Fails `times` times over `hot`, which it only reads.
pub fn fail_over(tx: &mut Tx<'_>, hot: &TVar<i64>, own: &TVar<i64>, times: u32) -> Stm<()> {
    let n = hot.read(tx)?;
    if tx.attempt() <= times {
        elsewhere(|| hot.store(n + 1));
    }
    own.write(tx, n)
}
