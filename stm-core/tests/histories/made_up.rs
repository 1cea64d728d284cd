//! The checker on histories that are made up: each kind of violation, what only looks like one, and a comparison with the slow,
//! obvious way to decide it.

use stm_core::diagnostics::Cause;
use stm_core::diagnostics::history::elle::{self, Attempts, Model};
use stm_core::diagnostics::history::{
    Attempt, Dependency, History, Outcome, Read, Staged, ValueId, VarId, Violation, Write,
};

use crate::common::{Rng, seed, watched};

const X: u64 = 1;
const Y: u64 = 2;

const FAILED: Outcome = Outcome::Conflict(Cause::ReadChanged);

/// An attempt that has read `(variable, value)` and published `(variable, value, replaced)`.
pub(crate) fn attempt(
    span: (u64, u64),
    reads: &[(u64, u64)],
    writes: &[(u64, u64, u64)],
) -> Attempt {
    let read = |&(x, v): &(u64, u64)| Read {
        variable: VarId(x),
        value: ValueId(v),
        content: v,
    };
    let write = |&(x, v, replaced): &(u64, u64, u64)| Write {
        variable: VarId(x),
        value: ValueId(v),
        content: v,
        replaces: ValueId(replaced),
    };
    Attempt {
        call: span.0,
        number: 1,
        what: "made up",
        thread: span.0,
        begin: span.0,
        end: span.1,
        reads: reads.iter().map(read).collect(),
        writes: writes.iter().map(write).collect(),
        staged: Vec::new(),
        outcome: Outcome::Committed,
    }
}

fn failed(span: (u64, u64), reads: &[(u64, u64)]) -> Attempt {
    Attempt {
        outcome: FAILED,
        ..attempt(span, reads, &[])
    }
}

fn violation(attempts: Vec<Attempt>) -> Violation {
    let found = History::new(attempts).check();
    found.expect_err("no order explains this")
}

/// Why each attempt of the cycle must come before the next, beginning with the one that began first.
fn cycle(attempts: Vec<Attempt>) -> Vec<Dependency> {
    match violation(attempts) {
        Violation::Cycle(mut steps) => {
            let first = steps
                .iter()
                .enumerate()
                .min_by_key(|(_, s)| s.attempt.begin);
            let first = first.expect("a cycle has attempts").0;
            steps.rotate_left(first);
            steps.iter().map(|step| step.before_next).collect()
        }
        other => panic!("not a cycle: {other}"),
    }
}

fn wr(x: u64, v: u64) -> Dependency {
    Dependency::WriteRead(VarId(x), ValueId(v))
}

fn ww(x: u64, v: u64) -> Dependency {
    Dependency::WriteWrite(VarId(x), ValueId(v))
}

fn rw(x: u64, v: u64) -> Dependency {
    Dependency::ReadWrite(VarId(x), ValueId(v))
}

#[test]
fn what_is_opaque_passes() {
    watched("what_is_opaque_passes", || {
        let histories = [
            vec![],
            // One after the other.
            vec![
                attempt((0, 1), &[(X, 10)], &[(X, 11, 10)]),
                attempt((2, 3), &[(X, 11)], &[(X, 12, 11), (Y, 21, 20)]),
                attempt((4, 5), &[(X, 12), (Y, 21)], &[]),
            ],
            // A reader that overlaps a writer comes before it, though it ends later.
            vec![
                attempt((0, 2), &[], &[(X, 11, 10), (Y, 21, 20)]),
                attempt((1, 3), &[(X, 10), (Y, 20)], &[]),
            ],
            // So does an attempt that fails; and who comes next has seen the writer.
            vec![
                attempt((0, 2), &[], &[(X, 11, 10), (Y, 21, 20)]),
                failed((1, 3), &[(X, 10), (Y, 20)]),
                failed((4, 5), &[(X, 11), (Y, 21)]),
            ],
            // Two that write blindly, in the order of their publication, which is not that of their begins.
            vec![
                attempt((0, 3), &[], &[(X, 12, 11)]),
                attempt((1, 2), &[], &[(X, 11, 10)]),
            ],
            // The same value twice.
            vec![attempt((0, 1), &[(X, 10), (X, 10)], &[(X, 11, 10)])],
        ];
        for history in histories {
            let all = history.len();
            let summary = History::new(history).check().expect("opaque");
            assert_eq!(summary.attempts, all);
        }
    });
}

#[test]
fn lost_update() {
    watched("lost_update", || {
        let found = cycle(vec![
            attempt((0, 2), &[(X, 10)], &[(X, 11, 10)]),
            attempt((1, 3), &[(X, 10)], &[(X, 12, 11)]),
        ]);
        assert!(found == [ww(X, 11), rw(X, 10)], "{found:?}");
    });
}

#[test]
fn write_skew() {
    watched("write_skew", || {
        let found = cycle(vec![
            attempt((0, 2), &[(X, 10), (Y, 20)], &[(X, 11, 10)]),
            attempt((1, 3), &[(X, 10), (Y, 20)], &[(Y, 21, 20)]),
        ]);
        assert_eq!(found, [rw(Y, 20), rw(X, 10)]);
    });
}

#[test]
fn torn_read_of_an_attempt_that_failed() {
    watched("torn_read_of_an_attempt_that_failed", || {
        let found = cycle(vec![
            attempt((0, 2), &[], &[(X, 11, 10), (Y, 21, 20)]),
            failed((1, 3), &[(X, 11), (Y, 20)]),
        ]);
        assert_eq!(found, [wr(X, 11), rw(Y, 20)]);
    });
}

#[test]
fn two_values_of_one_variable_in_one_attempt() {
    watched("two_values_of_one_variable_in_one_attempt", || {
        let found = cycle(vec![
            attempt((0, 2), &[], &[(X, 11, 10)]),
            failed((1, 3), &[(X, 10), (X, 11)]),
        ]);
        assert_eq!(found, [wr(X, 11), rw(X, 10)]);
    });
}

#[test]
fn read_of_what_it_publishes_itself() {
    watched("read_of_what_it_publishes_itself", || {
        let attempts = vec![attempt((0, 1), &[(X, 11)], &[(X, 11, 10)])];
        assert_eq!(cycle(attempts), [wr(X, 11)]);
    });
}

#[test]
fn stale_read_after_real_time() {
    watched("stale_read_after_real_time", || {
        let found = cycle(vec![
            attempt((0, 1), &[], &[(X, 11, 10)]),
            attempt((2, 3), &[(X, 10)], &[]),
        ]);
        assert_eq!(found, [Dependency::RealTime, rw(X, 10)]);
    });
}

#[test]
fn snapshot_of_two_moments() {
    watched("snapshot_of_two_moments", || {
        let found = cycle(vec![
            attempt((0, 9), &[(X, 10), (Y, 21)], &[]),
            attempt((1, 2), &[], &[(X, 11, 10)]),
            attempt((3, 4), &[], &[(Y, 21, 20)]),
        ]);
        assert_eq!(found, [rw(X, 10), Dependency::RealTime, wr(Y, 21)]);
    });
}

#[test]
fn readers_that_disagree_about_the_order_of_two_writers() {
    watched(
        "readers_that_disagree_about_the_order_of_two_writers",
        || {
            let found = cycle(vec![
                attempt((0, 10), &[], &[(X, 11, 10)]),
                attempt((1, 11), &[], &[(Y, 21, 20)]),
                attempt((2, 12), &[(X, 11), (Y, 20)], &[]),
                failed((3, 13), &[(X, 10), (Y, 21)]),
            ]);
            assert_eq!(found, [wr(X, 11), rw(Y, 20), wr(Y, 21), rw(X, 10)]);
        },
    );
}

#[test]
fn the_smallest_cycle_is_shown() {
    watched("the_smallest_cycle_is_shown", || {
        // A ring of ten, each of which reads what the next one replaces, and a pair in the middle.
        let ring = |n: u64| attempt((n, 100 + n), &[(n, 0)], &[((n + 9) % 10, 1, 0)]);
        let mut attempts: Vec<Attempt> = (0..10).map(ring).collect();
        assert_eq!(cycle(attempts.clone()).len(), 10);
        attempts.push(attempt((50, 150), &[(70, 0)], &[(71, 1, 0)]));
        attempts.push(attempt((51, 151), &[(71, 0)], &[(70, 1, 0)]));
        assert_eq!(cycle(attempts), [rw(70, 0), rw(71, 0)]);
    });
}

#[test]
fn value_of_a_failed_attempt() {
    watched("value_of_a_failed_attempt", || {
        let staged = Attempt {
            staged: vec![Staged {
                variable: VarId(X),
                content: 99,
            }],
            ..failed((0, 2), &[])
        };
        let attempts = vec![
            staged.clone(),
            attempt((1, 3), &[(X, 99)], &[]),
            attempt((4, 5), &[(X, 10)], &[(X, 11, 10)]),
        ];
        match violation(attempts) {
            Violation::NeverPublished {
                value, staged_by, ..
            } => {
                assert_eq!(value, ValueId(99));
                assert_eq!(staged_by.as_deref(), Some(&staged));
            }
            other => panic!("{other}"),
        }
    });
}

#[test]
fn name_of_one_value_and_content_of_another() {
    watched("name_of_one_value_and_content_of_another", || {
        let mut torn = attempt((2, 3), &[(X, 11)], &[]);
        torn.reads[0].content = 12;
        let found = violation(vec![attempt((0, 1), &[], &[(X, 11, 10)]), torn]);
        assert!(
            matches!(found, Violation::WrongContent { content: 11, read, .. } if read.content == 12),
            "{found}"
        );
    });
}

#[test]
fn publications_in_no_order() {
    watched("publications_in_no_order", || {
        let twice_replaced = violation(vec![
            attempt((0, 2), &[], &[(X, 11, 10)]),
            attempt((1, 3), &[], &[(X, 12, 10)]),
        ]);
        assert!(matches!(twice_replaced, Violation::ReplacedTwice { .. }));
        let twice_published = violation(vec![
            attempt((0, 2), &[], &[(X, 11, 10)]),
            attempt((1, 3), &[], &[(X, 11, 11)]),
        ]);
        assert!(matches!(twice_published, Violation::PublishedTwice { .. }));
        let by_a_failed_one = violation(vec![Attempt {
            outcome: FAILED,
            ..attempt((0, 1), &[], &[(X, 11, 10)])
        }]);
        assert!(matches!(
            by_a_failed_one,
            Violation::PublishedButFailed { .. }
        ));
        let in_a_ring = cycle(vec![
            attempt((0, 2), &[], &[(X, 11, 12)]),
            attempt((1, 3), &[], &[(X, 12, 11)]),
        ]);
        assert_eq!(in_a_ring, [ww(X, 11), ww(X, 12)]);
    });
}

#[test]
fn a_violation_says_who_and_why() {
    watched("a_violation_says_who_and_why", || {
        let text = violation(vec![
            attempt((0, 2), &[], &[(X, 11, 10), (Y, 21, 20)]),
            failed((1, 3), &[(X, 11), (Y, 20)]),
        ])
        .to_string();
        for part in [
            "2 attempts",
            "it published x1 v11, which the next read",
            "call 1, attempt 1 (made up) on thread 1, 1..3, aborted: read changed; read x1=v11 x2=v20; wrote",
            "it read x2 v20, which the next replaced",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    });
}

/// A history of a few attempts over two variables, in which anybody may have read anything that was ever there.
fn random_history(rng: &mut Rng) -> Vec<Attempt> {
    let n = 2 + rng.below(4);
    let mut stamps: Vec<u64> = (0..2 * n as u64).collect();
    for at in (1..stamps.len()).rev() {
        stamps.swap(at, rng.below(at + 1));
    }
    let mut attempts: Vec<Attempt> = stamps
        .chunks(2)
        .map(|pair| attempt((pair[0].min(pair[1]), pair[0].max(pair[1])), &[], &[]))
        .collect();
    for x in [X, Y] {
        // The variable's values are 0, 1, 2, ..: published by some of the attempts, in any order.
        let mut writers: Vec<usize> = (0..n).filter(|_| rng.below(3) == 0).collect();
        for at in (1..writers.len()).rev() {
            writers.swap(at, rng.below(at + 1));
        }
        for (v, &writer) in (1..).zip(&writers) {
            let made = attempt((0, 0), &[], &[(x, v, v - 1)]);
            attempts[writer].writes.extend(made.writes);
        }
        for reader in &mut attempts {
            if rng.below(2) == 0 {
                let v = rng.below(writers.len() + 1) as u64;
                reader.reads.extend(attempt((0, 0), &[(x, v)], &[]).reads);
            }
        }
    }
    for attempt in &mut attempts {
        if attempt.writes.is_empty() && rng.below(2) == 0 {
            attempt.outcome = FAILED;
        }
    }
    attempts
}

/// Tries every order of the attempts that are left, one after the other, on plain values.
fn some_order_explains(left: &[&Attempt], values: [u64; 3]) -> bool {
    left.is_empty()
        || left.iter().enumerate().any(|(at, next)| {
            let in_time = left.iter().all(|other| other.end >= next.begin);
            let reads = next.reads.iter();
            let sees = |r: &Read| values[r.variable.0 as usize] == r.value.0;
            let replaces = |w: &Write| values[w.variable.0 as usize] == w.replaces.0;
            if !(in_time && reads.clone().all(sees) && next.writes.iter().all(replaces)) {
                return false;
            }
            let mut after = values;
            for write in &next.writes {
                after[write.variable.0 as usize] = write.value.0;
            }
            let mut rest = left.to_vec();
            rest.remove(at);
            some_order_explains(&rest, after)
        })
}

#[test]
fn the_graph_decides_as_trying_every_order_does() {
    watched("the_graph_decides_as_trying_every_order_does", || {
        let mut rng = Rng::new(seed(), 0);
        let mut explained = 0;
        const ALL: usize = 20_000;
        for _ in 0..ALL {
            let attempts = random_history(&mut rng);
            let expected = some_order_explains(&attempts.iter().collect::<Vec<_>>(), [0; 3]);
            let found = History::new(attempts.clone()).check();
            assert_eq!(found.is_ok(), expected, "{attempts:#?} {found:?}");
            explained += usize::from(expected);
        }
        assert!(
            (ALL / 10..ALL * 9 / 10).contains(&explained),
            "{explained} of {ALL}: too few of one kind to tell"
        );
    });
}

#[test]
fn tens_of_thousands_of_attempts() {
    watched("tens_of_thousands_of_attempts", || {
        const MANY: u64 = 50_000;
        // Each replaces what the one before published, and overlaps the next two.
        let link = |n: u64| attempt((2 * n, 2 * n + 5), &[(X, n)], &[(X, n + 1, n)]);
        let mut attempts: Vec<Attempt> = (0..MANY).map(link).collect();
        let summary = History::new(attempts.clone()).check().expect("opaque");
        assert_eq!(summary.committed as u64, MANY);
        // One that reads what was replaced long before it began.
        attempts.push(failed((2 * MANY, 2 * MANY + 9), &[(X, MANY / 2)]));
        assert_eq!(cycle(attempts).len(), 2);
    });
}

#[test]
fn elle_is_told_registers() {
    watched("elle_is_told_registers", || {
        let history = History::new(vec![
            attempt((0, 2), &[(X, 10)], &[(X, 11, 10)]),
            failed((1, 3), &[(X, 11), (Y, 20)]),
        ]);
        let all = elle::export(&history, Model::RwRegister, Attempts::All).expect("in order");
        assert_eq!(
            all,
            "{:index 0, :type :invoke, :process 0, :f :txn, :value [[:r 0 nil] [:w 0 1]], :time 0}\n\
             {:index 1, :type :invoke, :process 1, :f :txn, :value [[:r 0 nil] [:r 1 nil]], :time 1}\n\
             {:index 2, :type :ok, :process 0, :f :txn, :value [[:r 0 nil] [:w 0 1]], :time 2}\n\
             {:index 3, :type :ok, :process 1, :f :txn, :value [[:r 0 1] [:r 1 nil]], :time 3}\n"
        );
        let committed = elle::export(&history, Model::RwRegister, Attempts::Committed);
        let last = committed
            .expect("in order")
            .lines()
            .last()
            .map(str::to_owned);
        assert!(last.expect("a line").starts_with("{:index 3, :type :fail,"));
    });
}

/// Reads an export back. What a variable's values are called does not matter to the verdict.
fn import(edn: &str) -> Vec<Attempt> {
    let field = |line: &str, name: &str| -> String {
        let from = line.find(name).expect("each line has all fields") + name.len();
        let rest = line[from..].trim_start();
        let to = rest.find([',', '}']).expect("a field ends");
        rest[..to].to_string()
    };
    let mut attempts = Vec::new();
    let mut begun = std::collections::HashMap::new();
    for line in edn.lines() {
        let time: u64 = field(line, ":time").parse().expect("a number");
        let process = field(line, ":process");
        if field(line, ":type") == ":invoke" {
            assert_eq!(begun.insert(process, time), None, "one at a time");
            continue;
        }
        let mut made = attempt((begun.remove(&process).expect("begun"), time), &[], &[]);
        let value = field(line, ":value");
        let inner = value.strip_prefix('[').and_then(|v| v.strip_suffix(']'));
        let operations = inner.expect("a vector").replace("] [:", "]\n[:");
        for operation in operations.lines() {
            let bare = operation.replace(['[', ']'], " ");
            let words: Vec<&str> = bare.split_whitespace().collect();
            let x = words[1].parse().expect("a key");
            // A register's value, or a list's last; the first one of all is 0.
            let v = match words.last() {
                Some(&"nil") => 0,
                _ if words.len() == 2 => 0,
                Some(v) => v.parse().expect("a number"),
                None => unreachable!("two words at least"),
            };
            let one = match words[0] {
                ":r" => attempt((0, 0), &[(x, v)], &[]),
                _ => attempt((0, 0), &[], &[(x, v, v - 1)]),
            };
            made.reads.extend(one.reads);
            made.writes.extend(one.writes);
        }
        attempts.push(made);
    }
    attempts
}

#[test]
fn what_elle_is_told_has_the_same_verdict() {
    watched("what_elle_is_told_has_the_same_verdict", || {
        let mut rng = Rng::new(seed(), 1);
        for _ in 0..2_000 {
            let history = History::new(random_history(&mut rng));
            for model in [Model::RwRegister, Model::ListAppend] {
                let edn = elle::export(&history, model, Attempts::All).expect("in order");
                let told = History::new(import(&edn));
                let tells = |a: &&Attempt| !a.reads.is_empty() || !a.writes.is_empty();
                let expected = history.attempts().iter().filter(tells).count();
                assert_eq!(told.attempts().len(), expected);
                assert_eq!(told.check().is_ok(), history.check().is_ok(), "{edn}");
            }
        }
    });
}
