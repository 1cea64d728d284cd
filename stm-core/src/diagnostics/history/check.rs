//! The checker: a graph over all attempts, and a cycle in it if there is one.
//!
//! Real time alone would be quadratic in edges. So it runs through nodes of its own, one for each end of an attempt, in a row:
//!
//! ```text
//!   A ends          B ends               C ends
//!     │               │                    │
//!     ▼               ▼                    ▼
//!    (t0) ─────────▶ (t1) ───────────────▶ (t2)        an attempt that begins between t1 and t2
//!                     └──▶ D                            comes after A and B
//! ```
//!
//! A topological sort then either succeeds, or leaves over what lies on cycles and between them. The smallest cycle is looked
//! for in what is left over only, breadth first, where steps along the row cost nothing.

use std::collections::VecDeque;
use std::ops::Range;

use super::versions::Versions;
use super::violation::{Dependency, Step, Violation};
use super::{Attempt, History, Outcome};

/// What was found in order.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// All attempts.
    pub attempts: usize,
    /// Those that took effect.
    pub committed: usize,
    /// Those that the engine threw away.
    pub conflicts: usize,
    /// Those that asked to wait.
    pub retried: usize,
    /// Those that failed by their own choice, or panicked.
    pub failed: usize,
    /// Published values that bodies were given.
    pub reads: usize,
    /// Values that were published.
    pub writes: usize,
    /// Edges of the graph, without those for real time.
    pub dependencies: usize,
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.committed += other.committed;
        self.conflicts += other.conflicts;
        self.retried += other.retried;
        self.failed += other.failed;
        self.reads += other.reads;
        self.writes += other.writes;
        self.dependencies += other.dependencies;
    }
}

pub(super) fn check(history: &History) -> Result<Summary, Violation> {
    let attempts = history.attempts();
    let versions = Versions::of(attempts)?;
    let mut edges = dependencies(attempts, &versions);
    let summary = summarize(attempts, edges.len());
    enter_real_time(attempts, &mut edges);
    let graph = Graph::new(attempts.len(), &edges);
    match graph.smallest_cycle() {
        None => Ok(summary),
        Some(cycle) => Err(Violation::Cycle(graph.describe(&cycle, attempts))),
    }
}

fn summarize(attempts: &[Attempt], dependencies: usize) -> Summary {
    let mut summary = Summary {
        attempts: attempts.len(),
        dependencies,
        ..Summary::default()
    };
    for attempt in attempts {
        summary.reads += attempt.reads.len();
        summary.writes += attempt.writes.len();
        *match attempt.outcome {
            Outcome::Committed => &mut summary.committed,
            Outcome::Conflict(_) => &mut summary.conflicts,
            Outcome::Retried => &mut summary.retried,
            Outcome::RolledBack | Outcome::Unwound | Outcome::Unfinished => &mut summary.failed,
        } += 1;
    }
    summary
}

/// Nodes are attempts, by their index, and then the ends of attempts, in their order.
#[derive(Clone, Copy, Debug)]
struct Edge {
    from: usize,
    to: usize,
    why: Dependency,
}

fn dependencies(attempts: &[Attempt], versions: &Versions) -> Vec<Edge> {
    let mut edges = Vec::new();
    let mut enter = |from: usize, to: usize, why: Dependency| {
        // That an attempt replaces what it read, or wrote, is no order between attempts. To read what it will only publish
        // at its end is a cycle of one.
        if from != to || matches!(why, Dependency::WriteRead(..)) {
            edges.push(Edge { from, to, why });
        }
    };
    for (at, attempt) in attempts.iter().enumerate() {
        for read in &attempt.reads {
            let (x, v) = (read.variable, read.value);
            let place = versions.place(x, v);
            if let Some(writer) = place.by {
                enter(writer, at, Dependency::WriteRead(x, v));
            }
            if let Some(next) = place.next {
                enter(at, next, Dependency::ReadWrite(x, v));
            }
        }
        for write in &attempt.writes {
            let (x, v) = (write.variable, write.replaces);
            if let Some(writer) = versions.place(x, v).by {
                enter(writer, at, Dependency::WriteWrite(x, v));
            }
        }
    }
    edges
}

fn enter_real_time(attempts: &[Attempt], edges: &mut Vec<Edge>) {
    let n = attempts.len();
    let mut by_end: Vec<usize> = (0..n).collect();
    by_end.sort_by_key(|&at| attempts[at].end);
    let mut enter = |from, to| {
        edges.push(Edge {
            from,
            to,
            why: Dependency::RealTime,
        });
    };
    for (rank, &at) in by_end.iter().enumerate() {
        enter(at, n + rank);
        if rank + 1 < n {
            enter(n + rank, n + rank + 1);
        }
    }
    for (at, attempt) in attempts.iter().enumerate() {
        let ended = by_end.partition_point(|&other| attempts[other].end < attempt.begin);
        if ended > 0 {
            enter(n + ended - 1, at);
        }
    }
}

/// How many attempts are tried as the start of a smallest cycle. One on some cycle is enough to find one.
const STARTS: usize = 500;

struct Graph {
    attempts: usize,
    /// By node: where its outgoing edges are.
    out: Vec<Range<usize>>,
    edges: Vec<Edge>,
}

impl Graph {
    fn new(attempts: usize, edges: &[Edge]) -> Self {
        let mut starts = vec![0; 2 * attempts + 1];
        for edge in edges {
            starts[edge.from + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut sorted = edges.to_vec();
        sorted.sort_by_key(|edge| edge.from);
        Self {
            attempts,
            out: starts.windows(2).map(|pair| pair[0]..pair[1]).collect(),
            edges: sorted,
        }
    }

    fn from(&self, node: usize) -> &[Edge] {
        &self.edges[self.out[node].clone()]
    }

    /// The nodes that a topological sort does not get to.
    fn left_over(&self) -> Vec<bool> {
        let mut incoming = vec![0usize; self.out.len()];
        for edge in &self.edges {
            incoming[edge.to] += 1;
        }
        let mut ready: Vec<usize> = (0..incoming.len())
            .filter(|&node| incoming[node] == 0)
            .collect();
        let mut left = vec![true; incoming.len()];
        while let Some(node) = ready.pop() {
            left[node] = false;
            for edge in self.from(node) {
                incoming[edge.to] -= 1;
                if incoming[edge.to] == 0 {
                    ready.push(edge.to);
                }
            }
        }
        left
    }

    fn smallest_cycle(&self) -> Option<Vec<usize>> {
        let left = self.left_over();
        let candidates = (0..self.attempts).filter(|&node| left[node]);
        let mut smallest: Option<(usize, Vec<usize>)> = None;
        for start in candidates.take(STARTS) {
            let bound = smallest.as_ref().map_or(usize::MAX, |(len, _)| *len);
            if let Some(shorter) = self.cycle_through(start, &left, bound) {
                smallest = Some(shorter);
            }
        }
        match smallest {
            Some((_, cycle)) => Some(cycle),
            // None of the first ones lies on a cycle itself.
            None => (0..self.attempts)
                .filter(|&node| left[node])
                .skip(STARTS)
                .find_map(|start| self.cycle_through(start, &left, usize::MAX))
                .map(|(_, cycle)| cycle),
        }
    }

    /// The edges of the shortest way from `start` back to it, if that has fewer than `bound` attempts.
    fn cycle_through(
        &self,
        start: usize,
        left: &[bool],
        bound: usize,
    ) -> Option<(usize, Vec<usize>)> {
        // Attempts on the way to each node, and the edge by which it was reached.
        let mut reached: Vec<Option<(usize, usize)>> = vec![None; self.out.len()];
        let mut queue = VecDeque::from([(start, 0)]);
        while let Some((node, len)) = queue.pop_front() {
            if len + 1 > bound || (node == start && reached[start].is_some()) {
                break;
            }
            for at in self.out[node].clone() {
                let to = self.edges[at].to;
                let len = len + usize::from(to < self.attempts);
                if !left[to] || len >= bound || reached[to].is_some_and(|(other, _)| other <= len) {
                    continue;
                }
                reached[to] = Some((len, at));
                if to < self.attempts {
                    queue.push_back((to, len));
                } else {
                    queue.push_front((to, len));
                }
            }
        }
        let (len, _) = reached[start]?;
        let mut cycle = Vec::new();
        let mut node = start;
        while let Some((_, at)) = reached[node] {
            cycle.push(at);
            node = self.edges[at].from;
            if node == start {
                break;
            }
        }
        cycle.reverse();
        Some((len, cycle))
    }

    /// The attempts of a cycle of edges. What goes along the row of ends is real time.
    fn describe(&self, cycle: &[usize], attempts: &[Attempt]) -> Vec<Step> {
        cycle
            .iter()
            .map(|&at| &self.edges[at])
            .filter(|edge| edge.from < self.attempts)
            .map(|edge| Step {
                attempt: attempts[edge.from].clone(),
                before_next: edge.why,
            })
            .collect()
    }
}
