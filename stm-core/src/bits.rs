//! Values as bare machine words: which types have the inline form, and the conversion to and fro.
//!
//! Inline values live in an `AtomicU64` and are read by a seqlock, so a torn or outdated set of bits can be
//! loaded; it is discarded before it is ever turned into a `T`. Only types without padding qualify, since
//! padding would make the conversion read uninitialised memory.

use std::any::TypeId;
use std::mem::MaybeUninit;

/// True for the types that always have the inline form. A closed set, told by identity, so that `TVar<T>` needs no extra bound.
#[inline(always)]
pub(crate) fn is_word<T: 'static>() -> bool {
    macro_rules! any_of {
        ($($ty:ty),*) => { $(TypeId::of::<T>() == TypeId::of::<$ty>())||* };
    }
    fits_word::<T>()
        && any_of!(
            i64,
            u64,
            usize,
            isize,
            i32,
            u32,
            bool,
            f64,
            f32,
            u8,
            i8,
            u16,
            i16,
            char,
            ()
        )
}

/// True if a `T` could be kept inline at all: small enough, and nothing to drop.
#[inline(always)]
pub(crate) const fn fits_word<T>() -> bool {
    size_of::<T>() <= size_of::<u64>()
        && align_of::<T>() <= align_of::<u64>()
        && !std::mem::needs_drop::<T>()
}

/// The bits of `value`, zero-extended in memory order.
///
/// # Safety
///
/// `T` fits a word ([`fits_word`]) and has no padding.
#[inline(always)]
pub(crate) unsafe fn to_bits<T>(value: T) -> u64 {
    let mut bits = 0u64;
    // SAFETY: at most eight initialised bytes go to a place of eight; needs_drop is false, so nothing is dropped twice.
    unsafe {
        (&raw mut bits)
            .cast::<u8>()
            .copy_from_nonoverlapping((&raw const value).cast::<u8>(), size_of::<T>());
    }
    bits
}

/// The value whose bits these are.
///
/// # Safety
///
/// `bits` came from [`to_bits`] of the same type.
#[inline(always)]
pub(crate) unsafe fn from_bits<T>(bits: u64) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the same bytes back to where a `T` was; then all of it is initialised and valid.
    unsafe {
        value
            .as_mut_ptr()
            .cast::<u8>()
            .copy_from_nonoverlapping((&raw const bits).cast::<u8>(), size_of::<T>());
        value.assume_init()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn bits_give_the_value_back() {
        fn check<T: Copy + PartialEq + std::fmt::Debug + 'static>(values: &[T]) {
            assert!(is_word::<T>());
            for &v in values {
                // SAFETY: `is_word` types fit and have no padding.
                let back: T = unsafe { from_bits(to_bits(v)) };
                assert_eq!(back, v);
            }
        }
        check(&[i64::MIN, -1, 0, 1, i64::MAX]);
        check(&[0u8, 255]);
        check(&[true, false]);
        check(&['a', char::MAX]);
        check(&[1.5f32, f32::INFINITY]);
        check(&[-0.0f64, f64::MIN]);
        check(&[()]);
    }

    #[test]
    fn only_the_closed_set_is_inline() {
        assert!(!is_word::<String>());
        assert!(!is_word::<(u8, u32)>());
        assert!(!is_word::<&'static str>());
        assert!(!is_word::<u128>());
    }
}
