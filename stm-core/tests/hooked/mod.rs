//! A waker that calls back whenever it is cloned, woken or dropped. `std::task::Wake` has no hook for `clone`.
#![allow(
    unsafe_code,
    unreachable_pub,
    reason = "a vtable of one's own is the only way to see a waker being cloned"
)]

use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Clone,
    Wake,
    Drop,
}

/// A thin pointer to this is the waker's data.
struct Hook(Box<dyn Fn(Event) + Send + Sync>);

/// The waker. What `hook` does, panics included, happens inside the engine's call of that function.
pub fn hooked(hook: impl Fn(Event) + Send + Sync + 'static) -> Waker {
    let hook = Arc::new(Hook(Box::new(hook)));
    // SAFETY: the functions treat the data as the `Arc` that it came from; `Hook` is `Send + Sync`.
    unsafe { Waker::new(Arc::into_raw(hook).cast(), &VTABLE) }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);

/// # Safety
///
/// `data` came from `Arc::into_raw`, and this call takes over its count.
unsafe fn take(data: *const ()) -> Arc<Hook> {
    // SAFETY: the caller's promise.
    unsafe { Arc::from_raw(data.cast()) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the data of a live waker; `into_raw` gives its count back, also should the hook panic.
    let hook = std::mem::ManuallyDrop::new(unsafe { take(data) });
    (hook.0)(Event::Clone);
    RawWaker::new(Arc::into_raw(Arc::clone(&hook)).cast(), &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: waking by value consumes the waker.
    let hook = unsafe { take(data) };
    (hook.0)(Event::Wake);
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the data of a live waker, which keeps its count.
    let hook = std::mem::ManuallyDrop::new(unsafe { take(data) });
    (hook.0)(Event::Wake);
}

unsafe fn drop(data: *const ()) {
    // SAFETY: dropping consumes the waker.
    let hook = unsafe { take(data) };
    (hook.0)(Event::Drop);
}
