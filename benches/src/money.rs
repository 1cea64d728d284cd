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

/// Ten characters, each with seven bits of the number: cheap to write, so that what is measured is the string's allocation.
impl Money for String {
    fn of(amount: i64) -> Self {
        let mut text = Self::with_capacity(10);
        write_number(&mut text, amount);
        text
    }

    #[inline]
    fn amount(&self) -> i64 {
        let sevens = self.bytes().zip((0..).step_by(7));
        sevens.fold(0, |number, (byte, at)| number | (i64::from(byte) << at))
    }

    #[inline]
    fn add(&mut self, amount: i64) {
        let sum = self.amount() + amount;
        self.clear();
        write_number(self, sum);
    }
}

#[inline]
fn write_number(text: &mut String, number: i64) {
    let bytes: [u8; 10] = std::array::from_fn(|at| (number >> (7 * at)) as u8 & 0x7F);
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
