//! Wires on a board: each transaction finds a way between two pins, around all wires that are there, and lays it.
//!
//! Lee's algorithm (Lee, "An algorithm for path connections and its applications", IRE Trans. EC-10, 1961), as a benchmark of
//! transactional memory by Ansari and others ("Lee-TM", ICA3PP 2008): long transactions that read a good part of the board and write
//! a line across it. A wave spreads from one pin until it reaches the other, reading every cell that it comes to; then the shortest
//! way back is marked. The cells that the wave has read stay among what the transaction rests on, as in Lee-TM's first version.
//!
//! Each turn begins with an empty board and lays the same wires, which the threads take from a common list.
//!
//! Checked: every wire is a line of neighbouring cells from pin to pin, all of them are its own on the board, and no cell of the
//! board belongs to a wire that was not laid.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::engine::{Attempt, Engine, Reads, Writes};
use crate::measure::interleave::{Contender, Metric, Turn, Unit};
use crate::measure::rng::Rng;
use crate::measure::threads::{self, Amount, Ran};

/// What distinguishes one board from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// Cells in a row, and rows.
    pub side: usize,
    /// To be laid.
    pub wires: usize,
    /// Farther apart are no two pins of a wire, in rows and in columns.
    pub reach: usize,
    /// Who lay them.
    pub threads: usize,
}

/// The case of the workload.
pub const CASE: (&str, Params) = (
    "96 x 96 cells, 64 wires, 2 threads",
    Params {
        side: 96,
        wires: 64,
        reach: 32,
        threads: 2,
    },
);

/// The figure of the workload.
pub const METRICS: [Metric; 1] = [Metric {
    name: "wires",
    unit: Unit::PerSecond,
}];

/// On the board: nothing yet.
const EMPTY: u32 = 0;

/// A cell's number.
type Cell = usize;

/// From pin to pin.
type Wire = [Cell; 2];

/// The board, and what is to be laid on it.
#[derive(Debug)]
pub struct Board<E: Engine> {
    params: Params,
    cells: Vec<E::Var<u32>>,
    wires: Vec<Wire>,
}

/// Pins that all differ, each wire's within reach of each other.
fn draw_wires(params: &Params) -> Vec<Wire> {
    let mut rng = Rng::new(1961);
    let mut taken = vec![false; params.side * params.side];
    let mut wires = Vec::new();
    while wires.len() < params.wires {
        let near = |rng: &mut Rng, at: usize| {
            let (least, most) = (
                at.saturating_sub(params.reach),
                (at + params.reach).min(params.side - 1),
            );
            least + rng.index(most - least + 1)
        };
        let (x, y) = (rng.index(params.side), rng.index(params.side));
        let (to_x, to_y) = (near(&mut rng, x), near(&mut rng, y));
        let wire = [y * params.side + x, to_y * params.side + to_x];
        if wire[0] != wire[1] && !taken[wire[0]] && !taken[wire[1]] {
            for pin in wire {
                taken[pin] = true;
            }
            wires.push(wire);
        }
    }
    wires
}

/// What a thread uses again for each wave.
struct Wave {
    /// How far each cell is from the first pin, in the wave of that number.
    reached: Vec<(u32, u32)>,
    number: u32,
    front: Vec<Cell>,
    next: Vec<Cell>,
}

impl Wave {
    fn new(cells: usize) -> Self {
        Self {
            reached: vec![(0, 0); cells],
            number: 0,
            front: Vec::new(),
            next: Vec::new(),
        }
    }

    fn begin(&mut self, at: Cell) {
        self.number += 1;
        self.reached[at] = (self.number, 0);
        self.front.clear();
        self.front.push(at);
    }

    fn distance(&self, cell: Cell) -> Option<u32> {
        let (number, distance) = self.reached[cell];
        (number == self.number).then_some(distance)
    }
}

impl<E: Engine> Board<E> {
    /// Empty but for the pins, which belong to their wires.
    #[must_use]
    pub fn new(params: Params) -> Self {
        let wires = draw_wires(&params);
        let mut cells = vec![EMPTY; params.side * params.side];
        for (number, wire) in (1..).zip(&wires) {
            for pin in wire {
                cells[*pin] = number;
            }
        }
        Self {
            params,
            cells: cells.into_iter().map(E::var).collect(),
            wires,
        }
    }

    fn neighbours(&self, cell: Cell) -> impl Iterator<Item = Cell> + use<E> {
        let side = self.params.side;
        let (x, y) = (cell % side, cell / side);
        let all = [
            (x > 0).then(|| cell - 1),
            (x + 1 < side).then(|| cell + 1),
            (y > 0).then(|| cell - side),
            (y + 1 < side).then(|| cell + side),
        ];
        all.into_iter().flatten()
    }

    /// Spreads from `from` over cells that are empty until it is at `to`; whether it got there.
    fn spread(
        &self,
        tx: &mut impl Reads<E>,
        wave: &mut Wave,
        [from, to]: Wire,
    ) -> Attempt<bool, E> {
        wave.begin(from);
        for distance in 1.. {
            wave.next.clear();
            for at in 0..wave.front.len() {
                for cell in self.neighbours(wave.front[at]) {
                    if cell == to {
                        wave.reached[to] = (wave.number, distance);
                        return Ok(true);
                    }
                    if wave.distance(cell).is_none() && tx.read(&self.cells[cell])? == EMPTY {
                        wave.reached[cell] = (wave.number, distance);
                        wave.next.push(cell);
                    }
                }
            }
            std::mem::swap(&mut wave.front, &mut wave.next);
            if wave.front.is_empty() {
                return Ok(false);
            }
        }
        unreachable!("every front has cells that no other one has, and they are finitely many")
    }

    /// Lays a wire; the cells of its way, or `None` if there was none.
    fn lay(&self, wave: &RefCell<Wave>, number: u32, wire: Wire) -> Option<Vec<Cell>> {
        E::atomically(|tx| {
            let wave = &mut *wave.borrow_mut();
            if !self.spread(tx, wave, wire)? {
                return Ok(None);
            }
            let [from, mut at] = wire;
            let mut way = vec![at];
            while at != from {
                let closer = wave.distance(at).map(|distance| distance - 1);
                at = self
                    .neighbours(at)
                    .find(|cell| wave.distance(*cell) == closer)
                    .expect("the wave came from somewhere");
                if at != from {
                    tx.write(&self.cells[at], number)?;
                }
                way.push(at);
            }
            Ok(Some(way))
        })
    }

    /// Lays all wires.
    ///
    /// # Errors
    ///
    /// What the check found wrong.
    pub fn work(&self) -> Result<Ran, String> {
        let next = AtomicUsize::new(0);
        let (ran, laid) = threads::run(
            self.params.threads,
            // As many for each thread as there are wires: who is faster lays more of them.
            Amount::Steps((self.wires.len() * self.params.threads) as u64),
            1,
            |_| (RefCell::new(Wave::new(self.cells.len())), Vec::new()),
            |(wave, laid), _| {
                // Relaxed: it only hands out numbers.
                let at = next.fetch_add(1, Ordering::Relaxed);
                if let Some(wire) = self.wires.get(at) {
                    laid.push((at, self.lay(wave, at as u32 + 1, *wire)));
                }
            },
        );
        let laid: Vec<_> = laid.into_iter().flat_map(|(_, laid)| laid).collect();
        self.check(&laid)?;
        let steps = laid.len() as u64;
        Ok(Ran { steps, ..ran })
    }

    fn check(&self, laid: &[(usize, Option<Vec<Cell>>)]) -> Result<(), String> {
        let board: Vec<u32> = (self.cells.iter())
            .map(|cell| E::read_only(|tx| tx.read(cell)))
            .collect();
        let mut accounted = 0;
        for (wire, way) in laid {
            let [from, to] = self.wires[*wire];
            let Some(way) = way else {
                accounted += 2;
                continue;
            };
            accounted += way.len();
            let number = *wire as u32 + 1;
            if let Some(cell) = way.iter().find(|cell| board[**cell] != number) {
                return Err(format!(
                    "wire {number} goes through cell {cell}, which belongs to wire {}",
                    board[*cell]
                ));
            }
            let connected = way.first() == Some(&to)
                && way.last() == Some(&from)
                && way
                    .windows(2)
                    .all(|pair| self.neighbours(pair[0]).any(|cell| cell == pair[1]));
            if !connected {
                return Err(format!("wire {number} is not one line from pin to pin"));
            }
        }
        let occupied = board.iter().filter(|owner| **owner != EMPTY).count();
        if occupied != accounted || laid.len() != self.wires.len() {
            return Err(format!(
                "{occupied} cells are occupied, and {} wires with {accounted} were laid",
                laid.len()
            ));
        }
        Ok(())
    }
}

/// A board that takes part. Turns are as long as it takes to lay all wires, as often as fits into the time, at least once.
pub fn contender<E: Engine>(name: &str, params: Params) -> Contender<'static> {
    Contender::new(name, move |time: Duration| -> Turn {
        let mut all = Ran {
            steps: 0,
            elapsed: Duration::ZERO,
        };
        while all.elapsed < time {
            let ran = Board::<E>::new(params).work()?;
            all.steps += ran.steps;
            all.elapsed += ran.elapsed;
        }
        Ok(vec![all.rate()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::ours::StmCore;
    use crate::wrong::{Forgetful, Unisolated, caught};

    const TINY: Params = Params {
        side: 16,
        wires: 12,
        reach: 16,
        threads: 2,
    };

    #[test]
    fn a_wire_through_an_occupied_cell_is_caught() {
        watched("a_wire_through_an_occupied_cell_is_caught", || {
            caught("lee", || Board::<Unisolated>::new(TINY).work().map(drop));
        });
    }

    #[test]
    fn a_forgotten_cell_is_caught_on_one_thread() {
        watched("a_forgotten_cell_is_caught_on_one_thread", || {
            let alone = Params { threads: 1, ..TINY };
            caught("lee", || Board::<Forgetful>::new(alone).work().map(drop));
        });
    }

    #[test]
    fn ours_lays_wires_that_do_not_cross() {
        watched("ours_lays_wires_that_do_not_cross", || {
            for _ in 0..5 {
                let ran = Board::<StmCore>::new(TINY).work().expect("no wires cross");
                assert_eq!(ran.steps, TINY.wires as u64);
            }
        });
    }

    #[test]
    fn most_wires_of_the_case_find_a_way() {
        watched("most_wires_of_the_case_find_a_way", || {
            let board = Board::<StmCore>::new(CASE.1);
            let wave = RefCell::new(Wave::new(board.cells.len()));
            let numbered = (1..).zip(&board.wires);
            let laid =
                numbered.filter(|(number, wire)| board.lay(&wave, *number, **wire).is_some());
            let count = laid.count();
            assert!(count > CASE.1.wires / 2, "{count}");
        });
    }
}
