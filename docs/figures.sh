#!/bin/sh
# Measures what README.md and docs/choosing.md say of the bank, on this machine, and writes it there: the tables between
# their marks, and the plot docs/audits.svg. To be run when nothing else runs; it takes some two minutes. Further
# arguments go to the program: `docs/figures.sh -d 20ms -r 1` to try it.
set -eu
cd "$(dirname "$0")/.."
cargo build --release -p stm-bank-demo
bank="${CARGO_TARGET_DIR:-target}/release/stm-bank-demo"
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT

# Puts the rows on standard input between the marks of that name in that file.
between() {
    grep '^|' > "$scratch/rows"
    awk -v mark="$2" -v rows="$scratch/rows" '
        $0 == "<!-- " mark ": end -->" { while ((getline row < rows) > 0) print row; inside = 0 }
        !inside
        $0 == "<!-- " mark ": begin -->" { inside = 1 }
    ' "$1" > "$scratch/file"
    cat "$scratch/file" > "$1"
}

"$bank" guide --format markdown "$@" > "$scratch/guide"
between docs/choosing.md guide < "$scratch/guide"

# Model, commits/s, relative, p99, audits/s, verdict: the columns that a page has room for.
"$bank" compare -s audit -n 64 --format markdown --svg docs/audits.svg "$@" > "$scratch/audit"
awk -F'|' '/^\|/ { print "|" $2 "|" $3 "|" $4 "|" $6 "|" $10 "|" $11 "|" }' "$scratch/audit" | between README.md bank
