//! Variables and transactions have names, and costs go by them.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Poll, Waker};

use common::fire::{collect_until, elsewhere};
use common::sight::{fail_over, labelled};
use common::{poll, watched_alone};
use stm_core::diagnostics::{HotVar, clear_hot_vars, collect_garbage, hot_vars};
use stm_core::{TRecords, TVar, Transaction, Tx, atomically, atomically_async, check, snapshot};

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
                at.file().ends_with("sight_names.rs") && lines.contains(&at.line()),
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

/// A record that has cost something keeps its figures as long as its array lasts; and the way to the head, which lies beside the bit
/// that says so.
#[test]
fn what_a_record_has_cost_goes_with_its_array() {
    watched_alone("what_a_record_has_cost_goes_with_its_array", || {
        clear_hot_vars();
        let records = TRecords::<2>::new(5);
        let increment = |tx: &mut Tx<'_>| {
            let n = records.read_word(tx, 3, 0)?;
            if tx.attempt() == 1 {
                elsewhere(|| atomically(|tx| records.write_word(tx, 3, 1, 7)));
            }
            records.write_word(tx, 3, 0, n + 1)
        };
        atomically(increment);
        assert_eq!(hot_vars(9).len(), 1);
        let other = records.clone();
        let mut waits = Box::pin(atomically_async(|tx| {
            check(other.read_word(tx, 3, 1)? == 0)
        }));
        assert_eq!(poll(&mut waits, Waker::noop()), Poll::Pending);
        drop((records, waits));
        collect_garbage();
        assert_eq!(hot_vars(9).len(), 1);
        assert_eq!(snapshot(|s| other.read(s, 3)), [1, 7]);
        drop(other);
        collect_until(|| hot_vars(9).is_empty());
        assert!(hot_vars(9).is_empty(), "its figures end with it");
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
