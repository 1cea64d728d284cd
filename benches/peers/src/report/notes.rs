//! Why rows are as they are, in words: what the figures alone do not say, and how it was found out.

use stm_benches::measure::interleave::Outcome;

/// An explanation of a case.
struct Note {
    workload: &'static str,
    case: &'static str,
    text: &'static str,
}

const NOTES: [Note; 1] = [Note {
    workload: "intset",
    case: "hash, 100 k in 200 k, 100 % updates",
    text: "misses are what both wait for. While the collector freed what was replaced in bursts, many transactions later, this row was 0.89 (0.74..1.03) of \
`stm`, which counts references and frees at once what it has just touched: ours took two thirds of its instructions (1350 against 2080) but three times as many \
misses of a simulated cache of 1 MiB (12.6 against 4.1), and 22 % of the samples were in the allocator, where `stm` has 5 %. Since replaced values are freed a few \
at a time (limbo, in steps.md) ours is ahead. Seen by `valgrind --tool=cachegrind --cache-sim=yes --LL=1048576,16,64` and `perf record -e cpu-clock`, on one \
contender at a time (`--case`, `--contender`).",
}];

/// What there is to say of the case.
pub fn of(outcome: &Outcome) -> Option<&'static str> {
    let fits = |note: &&Note| note.workload == outcome.workload && note.case == outcome.name;
    NOTES.iter().find(fits).map(|note| note.text)
}

/// A case that has a note.
#[cfg(test)]
pub fn example() -> (&'static str, String) {
    (NOTES[0].workload, NOTES[0].case.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;

    #[test]
    fn every_note_s_case_exists() {
        watched("every_note_s_case_exists", || {
            let cases: Vec<_> = crate::workloads::ALL
                .iter()
                .flat_map(|workload| (workload.cases)())
                .collect();
            for note in &NOTES {
                let mut same = cases.iter();
                let found =
                    same.any(|case| case.workload == note.workload && case.name == note.case);
                assert!(found, "{}: {}", note.workload, note.case);
            }
        });
    }
}
