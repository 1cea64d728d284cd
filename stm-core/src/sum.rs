//! Adding to a variable without reading it.
//!
//! # The problem, and the idea
//!
//! Counts, sizes and sums are added to by everybody and looked at by few. `modify` reads, so two who add conflict; `commute` does not, but it
//! takes any function, and so a box and the long way through the commit. Addition of words cannot fail, needs nothing but a word, and two of them
//! make one. So it is a kind of pending write: what is pending is to be added to what is there when the commit stores it.
//!
//! Ancestor: the escrow method (O'Neil, "The escrow transactional method", ACM TODS 11(4), 1986, doi:10.1145/7239.7265), of
//! which this is the part without bounds.

use crate::error::Stm;
use crate::tvar::TVar;
use crate::tx::Tx;

macro_rules! sums {
    ($($word:ty, $to_bits:expr, $first:expr, $second:expr, $sum:expr;)*) => {$(
        impl TVar<$word> {
            /// Adds to the value at commit, whatever it is by then. Wraps around at the ends of the type.
            ///
            /// Not a read: two transactions that add to the same variable do not conflict, and the one that commits second has added to
            /// what the first one made. If the transaction reads the variable after all, before or after, or leaves
            /// functions to it by [`TVar::commute`], this is an ordinary read and write; a later write discards it. It costs about as much as a write.
            ///
            /// Source: O'Neil, "The escrow transactional method", ACM TODS 11(4), 1986, doi:10.1145/7239.7265; see also
            /// [`TVar::commute`], for all other functions.
            ///
            /// # Errors
            ///
            /// A conflict. Pass it on with `?`.
            ///
            /// ```
            /// use stm_core::{TVar, atomically};
            ///
            #[doc = concat!("let sum = TVar::new(0_", stringify!($word), ");")]
            /// std::thread::scope(|s| {
            #[doc = concat!("    s.spawn(|| atomically(|tx| sum.add(tx, ", $first, ")));")]
            #[doc = concat!("    s.spawn(|| atomically(|tx| sum.add(tx, ", $second, ")));")]
            /// });
            #[doc = concat!("assert_eq!(sum.load(), ", $sum, ");")]
            /// ```
            #[inline(always)]
            pub fn add(&self, tx: &mut Tx<'_>, n: $word) -> Stm<()> {
                tx.stage_summand(self.pinned_by(tx), $to_bits(n))
            }
        }
    )*};
}

sums! {
    i64, i64::cast_unsigned, "30", "-10", "20";
    u64, std::convert::identity, "30", "10", "40";
}
