//! Limbo: replaced nodes on their way to be freed. To the collector by the bag, and back a few at a time.
//!
//! # The problem, and the idea
//!
//! The collector knows when nobody can see a node any more. To tell it of each node costs more than the node's memory does, and
//! it gives back what it was told in bursts of hundreds: the transaction that begins just then waits for as many `Drop`s, and
//! an allocator that keeps a handful of freed pieces for the next takers sends the rest its long way.
//!
//! So each thread puts what its commits replace into a bag, and tells the collector of a full one. When the collector gives the
//! bag back, to whichever thread is just looking, that thread frees a few of its nodes at the end of each transaction: about as
//! many as it replaces, so that what is freed is used again at once. This is the amortized free of Kim, Brown and Singh ("Are your
//! epochs too epic? Batch free can be harmful", PPoPP 2024, doi:10.1145/3627535.3638491); the bag in limbo is Fraser's (see
//! `reclaim`).
//!
//! ```text
//!  commits ──▶ open bag ──▶ full ──▶ collector ──▶ due bags ──▶ at the end of each transaction: a few
//!                            ▲                                  going to sleep, `collect_garbage`, at the end of the thread: all
//!                            └── also when the thread goes to sleep, and at its end
//! ```
//!
//! # Invariants
//!
//! - Z1  A bag has one owner: the thread whose open bag it is, the collector, or the thread whose due bag it is. It holds `len`
//!   nodes, each retired (R1) and in no other bag.
//! - Z2  The nodes of a due bag can be reached by nobody.
//! - Z3  The lists are reached by their own thread only, and are in order whenever user code runs.
//! - Z4  What is freed here is not freed inside of another such `Drop`, however many transactions that runs: only the outermost
//!   call frees. (A transaction of a `Drop` pins, and in that the collector may drop what variables held that have gone: R3.)
//! - Z5  Closed, at the end of the thread, it keeps nothing: what comes late goes to the collector, or is freed, at once.

#[cfg(not(any(loom, shuttle)))]
pub(crate) use imp::{close, free_all, hand_over};
pub(crate) use imp::{retire, tend, tidy_up};

#[cfg(not(any(loom, shuttle)))]
mod imp {
    use std::cell::Cell;
    use std::mem::MaybeUninit;
    use std::ptr;

    use crate::boxed::{NodeHeader, NodeOps};
    use crate::context::{self, Context};
    use crate::mutant::{mutant, shielded};
    use crate::reclaim::Pin;

    /// Nodes in a bag.
    const FULL: usize = if cfg!(stm_stress) { 2 } else { 128 };

    /// Due bags up to which a thread is on time with its freeing.
    const ON_TIME: u32 = 2;

    /// Due bags beyond which nothing is put off.
    const FAR_BEHIND: u32 = 8;

    /// Nodes that are freed at the end of a transaction: on time, what a transfer replaces; else enough to catch up.
    const A_FEW: usize = 2;
    const MANY: usize = FULL / 2;

    type Item = (*mut NodeHeader, &'static NodeOps);

    struct Bag {
        next: *mut Bag,
        len: usize,
        /// The first `len` are there (Z1).
        items: [MaybeUninit<Item>; FULL],
    }

    #[derive(PartialEq, Eq)]
    enum Freed {
        One,
        /// There was nothing.
        None,
    }

    struct Limbo {
        /// Being filled, or null.
        open: Cell<*mut Bag>,
        /// A list of bags with something in them.
        due: Cell<*mut Bag>,
        due_bags: Cell<u32>,
        /// An empty bag, or null.
        spare: Cell<*mut Bag>,
        /// The collector has been told of a bag, and not yet been asked for any.
        told: Cell<bool>,
        /// There may be something to do: the one thing that is looked at each time.
        work: Cell<bool>,
        /// `Drop`s are being run (Z4).
        busy: Cell<bool>,
        /// Z5.
        closed: Cell<bool>,
    }

    thread_local! {
        /// Needs no destructor: the thread's context empties it when it goes.
        static LIMBO: Limbo = const {
            Limbo {
                open: Cell::new(ptr::null_mut()),
                due: Cell::new(ptr::null_mut()),
                due_bags: Cell::new(0),
                spare: Cell::new(ptr::null_mut()),
                told: Cell::new(false),
                work: Cell::new(false),
                busy: Cell::new(false),
                closed: Cell::new(false),
            }
        };
    }

    /// Frees the node when nobody can see it any more. Runs no user code.
    ///
    /// # Safety
    ///
    /// That of [`Pin::retire`] for [`NodeOps::free`].
    #[inline]
    pub(crate) unsafe fn retire(pin: &Pin, node: *mut NodeHeader, ops: &'static NodeOps) {
        LIMBO.with(|limbo| {
            let open = limbo.open.get();
            let bag = if open.is_null() {
                match limbo.begin_bag() {
                    Some(bag) => bag,
                    // SAFETY: the caller's promise.
                    None => return unsafe { pin.retire(move || ops.free(node)) },
                }
            } else {
                open
            };
            // SAFETY: Z1: ours, and not full, for a full one is not open.
            let len = unsafe {
                let at = (*bag).len;
                (&raw mut (*bag).items)
                    .cast::<Item>()
                    .add(at)
                    .write((node, ops));
                (*bag).len = at + 1;
                at + 1
            };
            if len == FULL {
                limbo.tell(pin);
            }
        });
    }

    /// Looks after what is in limbo, for a moment. To be called at the end of each transaction, when all that it has put off is
    /// done: may run `Drop`s, which may wait for hooks that run before theirs.
    #[inline(always)]
    pub(crate) fn tend() {
        LIMBO.with(|limbo| {
            if limbo.work.get() {
                limbo.work_on();
            }
        });
    }

    /// Leaves no more behind than must be. Runs `Drop`s.
    pub(crate) fn tidy_up(ctx: &Context) {
        let pin = ctx.pin();
        hand_over(&pin);
        pin.flush();
        drop(pin);
        free_all();
    }

    /// Tells the collector of all that this thread has retired. Runs no user code.
    pub(crate) fn hand_over(pin: &Pin) {
        LIMBO.with(|limbo| {
            if !limbo.open.get().is_null() && !mutant!("D-limbo") {
                limbo.tell(pin);
            }
        });
    }

    /// Frees all that is due, also what comes to be meanwhile. Runs `Drop`s.
    pub(crate) fn free_all() {
        LIMBO.with(|limbo| limbo.free_up_to(usize::MAX));
    }

    /// Keeps nothing from now on (Z5). Nothing of this thread is in limbo any more.
    pub(crate) fn close() {
        LIMBO.with(|limbo| {
            limbo.closed.set(true);
            if mutant!("D-bag") {
                return;
            }
            let spare = limbo.spare.replace(ptr::null_mut());
            if !spare.is_null() {
                // SAFETY: Z1, made by `begin_bag`.
                drop(unsafe { Box::from_raw(spare) });
            }
        });
    }

    impl Limbo {
        /// None if nothing is kept (Z5).
        #[cold]
        #[inline(never)]
        fn begin_bag(&self) -> Option<*mut Bag> {
            if self.closed.get() {
                return None;
            }
            let mut bag = self.spare.replace(ptr::null_mut());
            if bag.is_null() {
                bag = Box::into_raw(Box::new(Bag {
                    next: ptr::null_mut(),
                    len: 0,
                    items: [MaybeUninit::uninit(); FULL],
                }));
            }
            self.open.set(bag);
            Some(bag)
        }

        /// The open bag becomes the collector's.
        #[cold]
        #[inline(never)]
        fn tell(&self, pin: &Pin) {
            let bag = self.open.replace(ptr::null_mut());
            // SAFETY: each of the nodes has been retired by now, so once those who are pinned now have gone, nobody can reach any
            // (Z2); `take_back` runs on the thread that owns the bag from then on.
            unsafe { pin.retire(move || take_back(bag)) };
            self.told.set(true);
            self.work.set(true);
        }

        #[cold]
        #[inline(never)]
        fn work_on(&self) {
            if self.told.get() {
                self.ask();
            }
            let on_time = self.due_bags.get() <= ON_TIME;
            self.free_up_to(if on_time { A_FEW } else { MANY });
            self.work.set(self.told.get() || !self.due.get().is_null());
        }

        /// The collector frees nothing without being asked, and it is asked outside of transactions only: it may run `Drop`s of
        /// values whose variables have gone.
        fn ask(&self) {
            self.alone(|| {
                self.told.set(false);
                context::with(|ctx| ctx.pin().flush());
            });
        }

        fn free_up_to(&self, most: usize) {
            self.alone(|| {
                for _ in 0..most {
                    if self.free_one() == Freed::None {
                        break;
                    }
                }
            });
        }

        /// Runs `f`, which may run `Drop`s, unless this call comes from one (Z4).
        fn alone(&self, f: impl FnOnce()) {
            if self.busy.replace(true) {
                return;
            }
            f();
            self.busy.set(false);
        }

        fn free_one(&self) -> Freed {
            let bag = self.due.get();
            if bag.is_null() {
                return Freed::None;
            }
            // SAFETY: Z1; there is something in a due bag.
            let (node, ops) = unsafe {
                (*bag).len -= 1;
                (&(*bag).items)[(*bag).len].assume_init()
            };
            // SAFETY: Z1.
            if unsafe { (*bag).len } == 0 {
                // SAFETY: Z1.
                self.due.set(unsafe { (*bag).next });
                self.due_bags.set(self.due_bags.get() - 1);
                let other = self.spare.replace(bag);
                if !other.is_null() {
                    // SAFETY: Z1: empty, and nobody's any more.
                    drop(unsafe { Box::from_raw(other) });
                }
            }
            // SAFETY: Z2, and Z1: in no other bag.
            shielded!("P-retired", || unsafe { ops.free(node) });
            Freed::One
        }
    }

    /// The collector gives a bag to the thread that runs this. Who has many already, because it pins and runs no transactions, and
    /// who keeps nothing any more (Z5), frees it at once.
    fn take_back(bag: *mut Bag) {
        LIMBO.with(|limbo| {
            // SAFETY: Z1, the collector's until now.
            unsafe { (*bag).next = limbo.due.get() };
            limbo.due.set(bag);
            limbo.due_bags.set(limbo.due_bags.get() + 1);
            limbo.work.set(true);
            if limbo.closed.get() {
                limbo.free_up_to(usize::MAX);
                close();
            } else if limbo.due_bags.get() > FAR_BEHIND {
                limbo.free_up_to(FULL);
            }
        });
    }

    #[cfg(all(test, not(stm_stress)))]
    mod tests {
        use super::*;
        use crate::TVar;
        use crate::diagnostics::collect_garbage;

        #[test]
        fn a_thread_that_ends_keeps_no_bag() {
            let ended = std::thread::spawn(|| {
                let var = TVar::new(String::new());
                let kept = || {
                    LIMBO.with(|limbo| {
                        let bags = [&limbo.open, &limbo.due, &limbo.spare];
                        bags.map(|bag| !bag.get().is_null())
                    })
                };
                for _ in 0..FULL / 2 {
                    var.store("new".into());
                }
                assert_eq!(kept(), [true, false, false]);
                while kept() != [false, false, true] {
                    collect_garbage(); // until no other test is in the way
                }
                close();
                assert_eq!(kept(), [false; 3]);
                var.store("last".into());
                assert_eq!(kept(), [false; 3], "closed for good");
            });
            ended.join().expect("it ends");
        }
    }
}

/// The models free nothing: see `reclaim`.
#[cfg(any(loom, shuttle))]
mod imp {
    use crate::boxed::{NodeHeader, NodeOps};
    use crate::context::Context;
    use crate::reclaim::Pin;

    pub(crate) unsafe fn retire(pin: &Pin, node: *mut NodeHeader, ops: &'static NodeOps) {
        // SAFETY: the caller's promise.
        unsafe { pin.retire(move || ops.free(node)) };
    }

    pub(crate) fn tend() {}

    pub(crate) fn tidy_up(ctx: &Context) {
        ctx.pin().flush();
    }
}
