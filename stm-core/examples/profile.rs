//! Finding contention: a shop whose orders fail and fail again, what the report says of it, and what helps.
//!
//! ```text
//! cargo run --release -p stm-core --example profile
//! ```

use stm_core::diagnostics::{HotVar, Stats, clear_hot_vars, hot_vars, stats};
use stm_core::{Stm, TVar, Transaction, Tx};

const SHELVES: usize = 256;
const CLERKS: usize = 4;
const ORDERS: usize = 1000;

struct Shop {
    shelves: Vec<TVar<i64>>,
    /// What every order adds to.
    revenue: TVar<i64>,
}

impl Shop {
    fn new() -> Self {
        let shelf = |i| TVar::new(1_000_000).named(&format!("shelf {i}"));
        Self {
            shelves: (0..SHELVES).map(shelf).collect(),
            revenue: TVar::new(0).named("revenue"),
        }
    }

    fn take(&self, tx: &mut Tx<'_>, shelf: usize) -> Stm<i64> {
        self.shelves[shelf].modify(tx, |n| n - 1)?;
        // Some more work, during which others get their turn.
        std::thread::yield_now();
        Ok(3)
    }

    /// Reads the sum in order to write it, so any two orders conflict.
    fn order(&self, tx: &mut Tx<'_>, shelf: usize) -> Stm<()> {
        let revenue = self.revenue.read(tx)?;
        let price = self.take(tx, shelf)?;
        self.revenue.write(tx, revenue + price)
    }

    /// Leaves the addition to the commit.
    fn order_with_commute(&self, tx: &mut Tx<'_>, shelf: usize) -> Stm<()> {
        let price = self.take(tx, shelf)?;
        self.revenue.commute(tx, move |revenue| revenue + price)
    }
}

/// All clerks at once; gives what happened, and the variables that cost most.
fn busy_day(
    name: &'static str,
    order: impl Fn(&Shop, &mut Tx<'_>, usize) -> Stm<()> + Sync,
) -> (Stats, Vec<HotVar>) {
    let shop = Shop::new();
    clear_hot_vars();
    let before = stats();
    std::thread::scope(|s| {
        for clerk in 0..CLERKS {
            let (shop, order) = (&shop, &order);
            s.spawn(move || {
                let named = Transaction::new().named(name);
                for n in 0..ORDERS {
                    let shelf = (clerk + n * CLERKS) % SHELVES;
                    let Ok(()) = named.run(|tx| order(shop, tx, shelf)) else {
                        unreachable!("it has no limits")
                    };
                }
            });
        }
    });
    assert_eq!(shop.revenue.load(), (3 * CLERKS * ORDERS) as i64);
    (stats().since(&before), hot_vars(3))
}

fn report(what: &str, (work, hot): &(Stats, Vec<HotVar>)) {
    println!("{what}\n\n{work}\n\n  attempts  failed over");
    for var in hot {
        println!("{var}");
    }
    println!();
}

fn main() {
    let reading = busy_day("order", Shop::order);
    report("Orders that read the revenue and write it:", &reading);
    let commuting = busy_day("order with commute", Shop::order_with_commute);
    report("Orders that leave the addition to the commit:", &commuting);

    let (work, hot) = &reading;
    let hottest = hot.first().expect("orders got into each other's way");
    assert_eq!(hottest.variable.label(), Some("revenue"));
    assert_eq!(hottest.by[0].origin.name(), "order");
    assert!(
        hottest.attempts * 2 > work.aborts(),
        "most attempts failed over it"
    );
    assert!(
        commuting.0.aborts() < work.aborts() / 2,
        "and that has helped"
    );
}
