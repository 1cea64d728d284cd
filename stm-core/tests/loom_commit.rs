//! Models of the word and the commit: locking in one order, publishing, giving up.
//!
//! Explored: two threads that commit over the same one or two variables (blind writes in opposite orders, read-modify-write,
//! `store` and `swap` outside of a transaction), a thread that loads single variables beside a commit, and two that load beside
//! two independent stores. Every pair of forms. What must hold: one commit is before the other as a whole, no update is lost, no
//! deadlock, and nobody reaches a node that is not published to it.
//!
//! Bounded: two threads, two variables, 3 preemptions; three threads with two stores, 2 preemptions. Under loom a wait for a lock
//! ends after two rounds, so giving up and running again is part of every model. Nothing is ever freed (see `reclaim`).
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p stm-core --release --test 'loom_*'
//! ```
#![cfg(loom)]

mod loom_common;

use loom::thread;
use loom_common::{Value, Var, explore, pair, write_both};
use stm_core::atomically;

/// Locks are taken in one order whatever the program's, and both values are of the same commit in the end.
fn the_last_commit_wins_both_variables<A: Value, B: Value>() {
    explore(3, || {
        let (x, y) = pair::<A, B>();
        let other = thread::spawn(move || write_both(x, y, 1));
        write_both(y, x, 2);
        other.join().unwrap();
        assert_eq!(x.load(), y.load());
    });
}
for_each_form!(the_last_commit_wins_both_variables);

/// Loads are transactions of their own: who has seen one half of a commit finds the other half.
fn loads_see_a_commit_or_not<A: Value, B: Value>() {
    explore(3, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || write_both(x, y, 1));
        let first = x.load();
        assert!(first <= y.load());
        writer.join().unwrap();
    });
    explore(3, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || write_both(x, y, 1));
        let first = y.load();
        assert!(first <= x.load());
        writer.join().unwrap();
    });
}
for_each_form!(loads_see_a_commit_or_not);

fn increment<T: Value>(x: Var<T>) {
    atomically(|tx| {
        let n = x.read(tx)?;
        x.write(tx, n + 1)
    });
}

fn no_increment_is_lost<T: Value>() {
    explore(3, || {
        let x = Var::<T>::new();
        let other = thread::spawn(move || increment(x));
        increment(x);
        other.join().unwrap();
        assert_eq!(x.load(), 2);
    });
}

#[test]
fn no_inline_increment_is_lost() {
    no_increment_is_lost::<u64>();
}

#[test]
fn no_boxed_increment_is_lost() {
    no_increment_is_lost::<loom_common::Boxed>();
}

/// A function is applied to what the lock has found, without any read before it.
fn no_commuted_increment_is_lost<T: Value>() {
    explore(3, || {
        let x = Var::<T>::new();
        let increment = move || atomically(|tx| x.commute(tx, |n| n + 1));
        let other = thread::spawn(increment);
        increment();
        other.join().unwrap();
        assert_eq!(x.load(), 2);
    });
}

#[test]
fn no_commuted_inline_increment_is_lost() {
    no_commuted_increment_is_lost::<u64>();
}

#[test]
fn no_commuted_boxed_increment_is_lost() {
    no_commuted_increment_is_lost::<loom_common::Boxed>();
}

/// What is added is added to what the lock has found.
#[test]
fn no_summand_is_lost() {
    explore(3, || {
        let (x, y) = pair::<u64, u64>();
        let add_to = |first: Var<u64>, second: Var<u64>| {
            atomically(|tx| {
                first.add(tx, 1)?;
                second.add(tx, 1)
            });
        };
        let other = thread::spawn(move || add_to(x, y));
        add_to(y, x);
        other.join().unwrap();
        assert_eq!((x.load(), y.load()), (2, 2));
    });
}

fn a_swap_gives_what_it_replaced<T: Value>() {
    explore(3, || {
        let x = Var::<T>::new();
        let other = thread::spawn(move || increment(x));
        let replaced = x.swap(10);
        other.join().unwrap();
        assert!([(0, 11), (1, 10)].contains(&(replaced, x.load())));
    });
}

#[test]
fn an_inline_swap_gives_what_it_replaced() {
    a_swap_gives_what_it_replaced::<u64>();
}

#[test]
fn a_boxed_swap_gives_what_it_replaced() {
    a_swap_gives_what_it_replaced::<loom_common::Boxed>();
}

/// Two stores each followed by a load of the other's variable: one of the loads finds something.
fn a_store_is_seen_before_what_follows_it<A: Value, B: Value>() {
    explore(3, || {
        let (x, y) = pair::<A, B>();
        let other = thread::spawn(move || {
            x.store(1);
            y.load()
        });
        y.store(1);
        let here = x.load();
        let there = other.join().unwrap();
        assert!(here + there > 0);
    });
}
for_each_form!(a_store_is_seen_before_what_follows_it);

/// Two who load agree on which of two stores came first; one of them has made the second store.
fn loads_agree_on_the_order_of_two_stores<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || x.store(1));
        let reader = thread::spawn(move || (x.load(), y.load()));
        y.store(1);
        let here = x.load();
        let there = reader.join().unwrap();
        assert!(here == 1 || there != (1, 0));
        writer.join().unwrap();
    });
}
for_each_form!(loads_agree_on_the_order_of_two_stores);
