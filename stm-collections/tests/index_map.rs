//! A table with two secondary indexes, out of maps and sets: one transaction keeps all of them right.

mod common;

use std::hash::Hash;

use common::{Rng, on_threads, seed, stumble, under_fire, watched};
use stm_collections::{TMap, TSet};
use stm_core::{ReadTx, Stm, Tx, atomically, snapshot};

type Id = u32;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Person {
    city: String,
    age: u8,
}

/// The rows that have a value, for each value that a row has.
#[derive(Debug)]
struct Index<K>(TMap<K, TSet<Id>>);

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Index<K> {
    fn new() -> Self {
        Self(TMap::new())
    }

    fn add(&self, tx: &mut Tx<'_>, value: &K, id: Id) -> Stm<()> {
        let ids = match self.0.get(tx, value)? {
            Some(ids) => ids,
            None => {
                let ids = TSet::new();
                self.0.insert(tx, value.clone(), ids.clone())?;
                ids
            }
        };
        assert!(ids.insert(tx, id)?, "{id} was in the index already");
        Ok(())
    }

    fn take_out(&self, tx: &mut Tx<'_>, value: &K, id: Id) -> Stm<()> {
        let ids = self.0.get(tx, value)?.expect("the row is in the index");
        assert!(ids.remove(tx, &id)?, "{id} is in the index");
        if ids.is_empty(tx)? {
            self.0.remove(tx, value)?;
        }
        Ok(())
    }

    fn find(&self, tx: &mut impl ReadTx, value: &K) -> Stm<Vec<Id>> {
        match self.0.get_ref(tx, value)? {
            Some(ids) => ids.to_vec(tx),
            None => Ok(Vec::new()),
        }
    }
}

#[derive(Debug)]
struct People {
    rows: TMap<Id, Person>,
    by_city: Index<String>,
    by_age: Index<u8>,
}

impl People {
    fn new() -> Self {
        Self {
            rows: TMap::new(),
            by_city: Index::new(),
            by_age: Index::new(),
        }
    }

    fn put(&self, tx: &mut Tx<'_>, id: Id, person: Person) -> Stm<()> {
        self.delete(tx, id)?;
        self.by_city.add(tx, &person.city, id)?;
        self.by_age.add(tx, &person.age, id)?;
        self.rows.insert(tx, id, person).map(drop)
    }

    fn delete(&self, tx: &mut Tx<'_>, id: Id) -> Stm<()> {
        if let Some(old) = self.rows.remove(tx, &id)? {
            self.by_city.take_out(tx, &old.city, id)?;
            self.by_age.take_out(tx, &old.age, id)?;
        }
        Ok(())
    }

    /// Every row is in both indexes, and nothing else is.
    fn check(&self, tx: &mut impl ReadTx) -> Stm<()> {
        let rows = self.rows.to_vec(tx)?;
        assert_eq!(rows.len(), self.rows.len(tx)?);
        let (mut cities, mut ages) = (0, 0);
        for city in self.by_city.0.keys(tx)? {
            let ids = self.by_city.find(tx, &city)?;
            assert!(!ids.is_empty(), "nobody lives in {city}");
            cities += ids.len();
        }
        for ids in self.by_age.0.values(tx)? {
            ages += ids.len(tx)?;
        }
        assert_eq!((cities, ages), (rows.len(), rows.len()));
        for (id, person) in rows {
            assert!(self.by_city.find(tx, &person.city)?.contains(&id));
            assert!(self.by_age.find(tx, &person.age)?.contains(&id));
        }
        Ok(())
    }
}

#[test]
fn index_map() {
    watched("index_map", || {
        const CITIES: [&str; 4] = ["Ulm", "Bonn", "Kiel", "Jena"];
        let people = People::new();
        let seed = seed();
        let look = |id: usize, n: u64| {
            let mut rng = Rng::new(seed ^ n, 10 + id);
            if rng.below(2) == 0 {
                return snapshot(|s| people.check(s));
            }
            let city = CITIES[rng.below(CITIES.len())].to_string();
            atomically(|tx| {
                for id in people.by_city.find(tx, &city)? {
                    let row = people.rows.get_ref(tx, &id)?.expect("the index says so");
                    assert_eq!(row.city, city);
                }
                Ok(())
            });
        };
        under_fire(1, look, || {
            on_threads(3, |thread| {
                let mut rng = Rng::new(seed, thread);
                for _ in 0..1_000 {
                    let id = rng.below(40) as Id;
                    let person = Person {
                        city: CITIES[rng.below(CITIES.len())].to_string(),
                        age: rng.below(5) as u8,
                    };
                    let gone = rng.below(3) == 0;
                    atomically(|tx| {
                        if gone {
                            return people.delete(tx, id);
                        }
                        people.put(tx, id, person.clone())
                    });
                    stumble(&mut rng, 16);
                }
            });
        });
        snapshot(|s| people.check(s));
        atomically(|tx| (0..40).try_for_each(|id| people.delete(tx, id)));
        let left = snapshot(|s| {
            Ok((
                people.rows.len(s)?,
                people.by_city.0.len(s)?,
                people.by_age.0.len(s)?,
            ))
        });
        assert_eq!(left, (0, 0, 0));
    });
}
