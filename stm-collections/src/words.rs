//! Values that are machine words, told by their types' identity: a collection of them can keep them in records.
//!
//! The set is closed: the types that a `TVar` always keeps in place, but for `()`, which needs no word. A type of the user's, also one around a word, is
//! not in it: nobody could tell that all its bytes are there. Every question is one of types alone, and folds away.

use std::any::{Any, TypeId};

/// Does something with the one type that it is, and with its way to a word and back.
macro_rules! words {
    ($($type:ty: $to:expr, $from:expr;)*) => {
        /// Whether `T` is one of them.
        #[inline(always)]
        pub(crate) fn is_word<T: 'static>() -> bool {
            $(TypeId::of::<T>() == TypeId::of::<$type>())||*
        }

        /// The word that a value is.
        ///
        /// # Panics
        ///
        /// If its type is none of them.
        #[inline(always)]
        pub(crate) fn to_word<T: 'static>(value: &T) -> u64 {
            let any: &dyn Any = value;
            $(
                if let Some(value) = any.downcast_ref::<$type>() {
                    let to: fn($type) -> u64 = $to;
                    return to(*value);
                }
            )*
            unreachable!("asked of words only")
        }

        /// The value that was made a word.
        ///
        /// # Panics
        ///
        /// If its type is none of them.
        #[inline(always)]
        pub(crate) fn from_word<T: 'static>(word: u64) -> T {
            let mut value: Option<T> = None;
            let any: &mut dyn Any = &mut value;
            $(
                if let Some(value) = any.downcast_mut::<Option<$type>>() {
                    let from: fn(u64) -> $type = $from;
                    *value = Some(from(word));
                }
            )*
            value.expect("asked of words only")
        }
    };
}

words! {
    u64: |value| value, |word| word;
    i64: |value| value.cast_unsigned(), |word| word.cast_signed();
    usize: |value| value as u64, |word| word as usize;
    isize: |value| value as u64, |word| word as isize;
    u32: u64::from, |word| word as u32;
    i32: |value| u64::from(value.cast_unsigned()), |word| word as i32;
    u16: u64::from, |word| word as u16;
    i16: |value| u64::from(value.cast_unsigned()), |word| word as i16;
    u8: u64::from, |word| word as u8;
    i8: |value| u64::from(value.cast_unsigned()), |word| word as i8;
    bool: u64::from, |word| word != 0;
    char: u64::from, |word| char::from_u32(word as u32).expect("it was a char");
    f64: f64::to_bits, f64::from_bits;
    f32: |value| u64::from(value.to_bits()), |word| f32::from_bits(word as u32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_gives_its_value_back() {
        fn holds<T: Copy + PartialEq + std::fmt::Debug + 'static>(values: &[T]) {
            assert!(is_word::<T>());
            for value in values {
                assert_eq!(from_word::<T>(to_word(value)), *value);
            }
        }
        holds(&[0, 1, u64::MAX]);
        holds(&[i64::MIN, -1, 0, i64::MAX]);
        holds(&[0, usize::MAX]);
        holds(&[isize::MIN, -1]);
        holds(&[0, u32::MAX]);
        holds(&[i32::MIN, -1, i32::MAX]);
        holds(&[0, u16::MAX]);
        holds(&[i16::MIN, -1, i16::MAX]);
        holds(&[0, u8::MAX]);
        holds(&[i8::MIN, -1, i8::MAX]);
        holds(&[true, false]);
        holds(&['a', char::MAX]);
        holds(&[-0.0, f64::MIN, f64::INFINITY]);
        holds(&[-0.0, f32::MIN, f32::INFINITY]);
    }

    #[test]
    fn what_is_around_a_word_is_none() {
        struct Around(#[expect(dead_code, reason = "only the type matters")] u64);
        assert!(!is_word::<Around>());
        assert!(!is_word::<Option<u32>>());
        assert!(!is_word::<(u32, u32)>());
        assert!(!is_word::<u128>());
        assert!(!is_word::<&'static u64>());
    }
}
