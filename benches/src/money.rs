//! Values that can be money: one that an engine may keep in place, and two that it must put into a box.

/// A value with an amount in it.
pub trait Money: Clone + Send + Sync + 'static {
    /// That much.
    fn of(amount: i64) -> Self;

    /// How much.
    fn amount(&self) -> i64;

    /// Changes the amount in place.
    fn add(&mut self, amount: i64);

    /// The same with another amount.
    #[must_use]
    fn plus(mut self, amount: i64) -> Self {
        self.add(amount);
        self
    }
}

impl Money for i64 {
    fn of(amount: i64) -> Self {
        amount
    }

    #[inline]
    fn amount(&self) -> i64 {
        *self
    }

    #[inline]
    fn add(&mut self, amount: i64) {
        *self += amount;
    }
}

/// Sixteen characters, each with four bits of the number: cheap to read and to write, so that what is measured is the string's
/// allocation and not the arithmetic of digits.
impl Money for String {
    fn of(amount: i64) -> Self {
        let mut text = Self::with_capacity(16);
        write_number(&mut text, amount);
        text
    }

    #[inline]
    fn amount(&self) -> i64 {
        let digits: &[u8; 16] = self.as_bytes().try_into().expect("sixteen digits");
        let [low, high] = [0, 8].map(|at| {
            let eight = digits[at..at + 8].try_into().expect("there are sixteen");
            digits_to_number(u64::from_le_bytes(eight))
        });
        (low | high << 32).cast_signed()
    }

    #[inline]
    fn add(&mut self, amount: i64) {
        let sum = self.amount() + amount;
        self.clear();
        write_number(self, sum);
    }
}

/// A digit is the character so many places behind this one.
const ZERO: u64 = 0x4040_4040_4040_4040;

/// The 32 bits whose eight digits are the bytes of `digits`: neighbours are joined, pair by pair.
#[inline]
fn digits_to_number(digits: u64) -> u64 {
    let fours = digits & !ZERO;
    let bytes = (fours | fours >> 4) & 0x00FF_00FF_00FF_00FF;
    let twos = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    (twos | twos >> 16) & 0xFFFF_FFFF
}

/// The way back.
#[inline]
fn number_to_digits(number: u64) -> u64 {
    let twos = (number | number << 16) & 0x0000_FFFF_0000_FFFF;
    let bytes = (twos | twos << 8) & 0x00FF_00FF_00FF_00FF;
    (bytes | bytes << 4) & 0x0F0F_0F0F_0F0F_0F0F | ZERO
}

#[inline]
fn write_number(text: &mut String, number: i64) {
    let number = number.cast_unsigned();
    let halves = [number & 0xFFFF_FFFF, number >> 32].map(number_to_digits);
    let bytes: [u8; 16] = std::array::from_fn(|at| halves[at / 8].to_le_bytes()[at % 8]);
    text.push_str(str::from_utf8(&bytes).expect("seven bits are ASCII"));
}

/// 200 bytes, of which the first eight are the amount: a record as programs have them.
#[derive(Clone, Copy, Debug)]
pub struct Wide([i64; 25]);

impl Money for Wide {
    fn of(amount: i64) -> Self {
        Self(std::array::from_fn(|at| if at == 0 { amount } else { -1 }))
    }

    #[inline]
    fn amount(&self) -> i64 {
        self.0[0]
    }

    #[inline]
    fn add(&mut self, amount: i64) {
        self.0[0] += amount;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;

    fn holds<M: Money>() {
        for amount in [0, 1, -1, 127, 128, 1000, -1000, i64::MAX, i64::MIN] {
            assert_eq!(M::of(amount).amount(), amount);
        }
        assert_eq!(M::of(5).plus(-7).plus(1).amount(), -1);
    }

    #[test]
    fn every_kind_of_money_holds_every_amount() {
        watched("every_kind_of_money_holds_every_amount", || {
            holds::<i64>();
            holds::<String>();
            holds::<Wide>();
        });
    }
}
