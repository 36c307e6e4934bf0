#!/usr/bin/env bash
# Strange lines, logs, plans and mail: nothing may panic, hang, or take more memory than it is worth.
#
#   scripts/fuzz.sh [MINUTES]                        random changes of inputs written by hand, 10 minutes if none are given;
#                                                    TEAMSTER_FUZZ_SEED=n begins with that seed
#   scripts/fuzz.sh --guided [MINUTES] [TARGET…]     guided by coverage, with cargo-fuzz: so many minutes for each of lines,
#                                                    log, plan, mail. Inputs that found something new are kept in
#                                                    tests/fuzz/corpus, those that broke something in tests/fuzz/artifacts
#
# The suite runs the first for seconds. Prints what it did in one line at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
log=$scratch/log

usage() {
    sed -n '2,/^set /s/^# \{0,1\}//p' scripts/fuzz.sh
}

# Whole minutes or parts of one, as seconds.
seconds() {
    awk -v minutes="$1" 'BEGIN { if (minutes !~ /^[0-9]+(\.[0-9]+)?$/ || minutes * 60 < 1) exit 1; printf "%d", minutes * 60 }'
}

at_random() {
    local within=$1 seed=${TEAMSTER_FUZZ_SEED:-$(date +%s)}
    cargo test --quiet --release --locked --package teamster-tests --test suite --no-run
    local began=$SECONDS
    while [ $((SECONDS - began)) -lt "$within" ]; do
        TEAMSTER_FUZZ_SEED=$seed TEAMSTER_FUZZ_INPUTS=${TEAMSTER_FUZZ_INPUTS:-20000} \
            cargo test --quiet --release --locked --package teamster-tests --test suite -- fuzz:: --nocapture | tee -a "$log"
        seed=$((seed + 1))
    done
    awk -v took=$((SECONDS - began)) '/ inputs of seed / { inputs += $2; seeds[$6] }
        END { printf "%d inputs of %d seeds in %d s: none did harm\n", inputs, length(seeds), took }' "$log"
}

guided() {
    local within=$1
    shift
    if ! cargo fuzz --version >/dev/null 2>&1; then
        echo "error: there is no cargo-fuzz: cargo install cargo-fuzz --locked" >&2
        exit 1
    fi
    # Its flags for the compiler are not stable ones; this lets a stable toolchain take them.
    export RUSTC_BOOTSTRAP=1
    cargo run --quiet --locked --package teamster-tests --bin fuzz-seeds tests/fuzz/corpus
    cargo fuzz build --fuzz-dir tests/fuzz
    local target
    for target in "$@"; do
        echo "$target" | tee -a "$log"
        cargo fuzz run --fuzz-dir tests/fuzz "$target" -- \
            -max_total_time="$within" -timeout=60 -rss_limit_mb=2048 -print_final_stats=1 2>&1 |
            tee -a "$log" | grep --line-buffered -E 'pulse|INITED|Done|ERROR|panicked|Test unit written' || true
        tail -n 1 "$log" | grep -q '^stat::' || { echo "error: $target broke, see above" >&2; exit 1; }
    done
    awk '/^[a-z]+$/ { target = $1 } { for (i = 1; i < NF; i++) if ($i == "cov:") covered[target] = $(i + 1) }
        /^Done / { runs += $2; took += $5; done = done sprintf("%s %s %d (coverage %d)", done ? "," : "", target, $2, covered[target]) }
        END { printf "%d inputs in %d s, guided by coverage: none did harm;%s\n", runs, took, done }' "$log"
}

case ${1-} in
-h | --help) usage ;;
--guided)
    within=$(seconds "${2:-10}") || { usage >&2; exit 2; }
    shift $(($# > 1 ? 2 : 1))
    [ $# -gt 0 ] || set -- lines log plan mail
    guided "$within" "$@"
    ;;
*)
    within=$(seconds "${1:-10}") || { usage >&2; exit 2; }
    at_random "$within"
    ;;
esac
