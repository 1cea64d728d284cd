//! User code with a fuse: the n-th call of any of it panics, wherever that is.
//!
//! With `STM_FUSE_TRACE` in the environment each says where it is.
//!
//! One panics at a time: what is dropped while its panic unwinds does not panic as well, which would end the process.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_types,
    reason = "each test file is a crate of its own and uses some of this"
)]

use std::cmp::Ordering as Order;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicIsize, AtomicUsize, Ordering};

/// Calls that are left before the one that panics; 0: it has burnt down, or was never lit.
static LEFT: AtomicUsize = AtomicUsize::new(0);
/// What `LEFT` was when it was lit last.
static LAST: AtomicUsize = AtomicUsize::new(0);
/// What panicked.
static BURNT: Mutex<Option<&'static str>> = Mutex::new(None);
/// Items that were made and not yet dropped.
static ALIVE: AtomicIsize = AtomicIsize::new(0);
/// Items that were looked at or dropped after their drop. Counted and not asserted on the spot, where a shield would swallow it.
static SPOILED: AtomicUsize = AtomicUsize::new(0);

/// The panic's payload. It goes round the panic hook: a suite has hundreds of them.
struct Burnt;

/// The `n`-th call of user code from here on panics.
pub fn light(n: usize) {
    *BURNT.lock().unwrap() = None;
    LAST.store(n, Ordering::SeqCst);
    LEFT.store(n, Ordering::SeqCst);
}

/// Which call of user code panics, or did: for messages.
pub fn number() -> usize {
    LAST.load(Ordering::SeqCst)
}

/// From here on nothing panics. Gives what has.
pub fn put_out() -> Option<&'static str> {
    LEFT.store(0, Ordering::SeqCst);
    BURNT.lock().unwrap().take()
}

/// Runs `f` with the fuse put aside: what it calls neither counts nor panics.
pub fn quietly<R>(f: impl FnOnce() -> R) -> R {
    let left = LEFT.swap(0, Ordering::SeqCst);
    let result = f();
    LEFT.store(left, Ordering::SeqCst);
    result
}

/// Every function that the engine or a collection calls begins with this.
pub fn called(what: &'static str) {
    if std::thread::panicking() {
        return;
    }
    let left = LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    });
    if left == Ok(1) {
        *BURNT.lock().unwrap() = Some(what);
        if std::env::var_os("STM_FUSE_TRACE").is_some() {
            let trace = std::backtrace::Backtrace::force_capture();
            eprintln!("call {} of user code, {what}, panics:\n{trace}", number());
        }
        resume_unwind(Box::new(Burnt));
    }
}

/// How a call of the engine ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Returned,
    /// With the panic of user code.
    Unwound,
}

/// Makes one call. Its result is dropped apart from it: a panic of that is no longer the call's.
pub fn call<R>(f: impl FnOnce() -> R) -> End {
    let Some(result) = try_call(f) else {
        return End::Unwound;
    };
    let _ = try_call(|| drop(result));
    End::Returned
}

/// The result, or none if user code panicked. Other panics go on.
pub fn try_call<R>(f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(payload) if payload.is::<Burnt>() => None,
        Err(payload) => resume_unwind(payload),
    }
}

/// Lets `suite` run with the first call of user code panicking, then with the second, and so on until it runs through.
/// The suite ends with [`put_out`], and what it checks besides. Gives for each kind of user code how often it panicked.
pub fn one_after_the_other(
    mut suite: impl FnMut() -> Option<&'static str>,
) -> BTreeMap<&'static str, u32> {
    let mut panics = BTreeMap::new();
    for n in 1.. {
        assert!(n < 100_000, "the suite never runs through");
        light(n);
        match suite() {
            Some(what) => *panics.entry(what).or_insert(0) += 1,
            None => break,
        }
    }
    eprintln!("panics by user code: {panics:#?}");
    panics
}

/// Items alive.
pub fn alive() -> isize {
    ALIVE.load(Ordering::SeqCst)
}

/// No item was looked at or dropped after its drop.
#[track_caller]
pub fn expect_unspoiled() {
    assert_eq!(SPOILED.load(Ordering::SeqCst), 0, "used after its drop");
}

const SONG: i64 = 0x0BAD_CAFE_F00D;

/// A value all of whose functions have the fuse.
#[derive(Debug)]
pub struct Item {
    n: i64,
    /// Atomic, so that the compiler does not take the last store for a dead one.
    canary: AtomicI64,
}

impl Item {
    pub fn of(n: i64) -> Self {
        ALIVE.fetch_add(1, Ordering::SeqCst);
        Self {
            n,
            canary: AtomicI64::new(n ^ SONG),
        }
    }

    pub fn n(&self) -> i64 {
        if self.canary.load(Ordering::Relaxed) ^ self.n != SONG {
            SPOILED.fetch_add(1, Ordering::SeqCst);
        }
        self.n
    }

    pub fn set(&mut self, n: i64) {
        let _ = self.n();
        (self.n, *self.canary.get_mut()) = (n, n ^ SONG);
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        let _ = self.n();
        self.canary.store(!SONG, Ordering::Relaxed);
        ALIVE.fetch_sub(1, Ordering::SeqCst);
        called("Drop");
    }
}

impl Clone for Item {
    fn clone(&self) -> Self {
        called("Clone");
        Self::of(self.n())
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        called("Eq");
        self.n() == other.n()
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> Order {
        called("Ord");
        self.n().cmp(&other.n())
    }
}

impl Hash for Item {
    fn hash<H: Hasher>(&self, state: &mut H) {
        called("Hash");
        self.n().hash(state);
    }
}

/// Hashers that are user code, too, and put everything into few buckets.
#[derive(Clone, Debug, Default)]
pub struct Crowded;

#[derive(Debug, Default)]
pub struct CrowdedHasher(u64);

impl BuildHasher for Crowded {
    type Hasher = CrowdedHasher;
    fn build_hasher(&self) -> CrowdedHasher {
        called("BuildHasher");
        CrowdedHasher::default()
    }
}

impl Hasher for CrowdedHasher {
    fn write(&mut self, bytes: &[u8]) {
        called("Hasher");
        for byte in bytes {
            self.0 = self.0.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
    }
    fn finish(&self) -> u64 {
        called("Hasher");
        (self.0 % 5).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}
