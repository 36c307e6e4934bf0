#!/usr/bin/env bash
# Everything a commit has to pass. `scripts/check.sh test` runs the tests alone.
# The whole output of each step is kept in target/check/STEP.log; shown is what failed, and how to see it again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# How many lines of one failed test, and of a step that failed otherwise, are shown. The rest is in the log.
test_lines_max=40
step_lines_max=80

usage() {
    echo "usage: scripts/check.sh [STEP…]"
    echo "steps: format lint docs build test llm (all of them if none is given; test builds first)"
}

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
logs=$target/check
mkdir -p "$logs"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Runs a step in silence; says how long it took, or what failed.
step() {
    local name=$1 log=$logs/$1.log began=$SECONDS status=0
    shift
    printf '%-8s' "$name"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        printf 'FAILED after %d s\n\n' $((SECONDS - began))
        if [ "$name" = test ]; then failed_tests "$log"; else failed_step "$log"; fi
        printf '\n%s failed. Its whole output: %s\n' "$name" "$log" >&2
        printf 'To run it again: scripts/check.sh %s\n' "$name" >&2
        exit 1
    fi
    printf 'ok  %4d s%s\n' $((SECONDS - began)) "$([ "$name" != test ] || test_counts "$log")"
}

# How many tests there were: "0 passed" must not look like success, nor a test that returned because the system does not
# grant what it needs. Such a test says "could not run here: TEST: WHY" (tests/src/granted.rs); each is shown.
test_counts() {
    awk '/^test result: / { sub(/.*\. /, ""); passed += $1; failed += $3; ignored += $5 }
        sub(/.*could not run here: /, "") { skipped++; list = list "\n          " $0 }
        END {
            printf "  %d passed, ", passed - skipped
            if (failed) printf "%d FAILED, ", failed
            printf "%d ignored", ignored
            if (skipped) printf ", %d could not run here%s", skipped, list
        }' "$1"
}

# What a failed run of the tests said: each test that failed with the end of its output and the command that runs it
# alone; of a target that could not be built or that died, its last lines.
failed_tests() {
    awk -v lines_max="$test_lines_max" '
        function show(text,    lines, count, first, at) {
            gsub(/^\n+|\n+$/, "", text)
            count = split(text, lines, "\n")
            first = count > lines_max ? count - lines_max + 1 : 1
            if (first > 1) printf "    … %d lines before these\n", first - 1
            for (at = first; at <= count; at++) print "    " lines[at]
        }
        # The lines of one target begin here.
        /^     Running |^   Doc-tests / { tests = 0; said = ""; name = "" }
        # Where it failed says more than what called that; the log has both.
        /^stack backtrace:$/ { backtrace = 1 }
        backtrace { backtrace = !/^note: Some details are omitted/; next }
        /^---- .* stdout ----$/ {
            name = $0
            gsub(/^---- | stdout ----$/, "", name)
            names[++tests] = name
            output[tests] = ""
            next
        }
        # The list of names at the end of a target, which repeats them.
        /^failures:$/ { name = ""; next }
        /^error: (test|doctest) failed, to rerun pass / {
            target = $0
            gsub(/.*to rerun pass `|`.*/, "", target)
            for (at = 1; at <= tests; at++) {
                print names[at]
                show(output[at])
                exact = target ~ /--doc$/ ? "" : "--exact "
                printf "    again: cargo test %s -- %s\047%s\047\n\n", target, exact, names[at]
                shown++
            }
            died = tests == 0
            if (died) {
                printf "the tests of %s ended before they were done\n", target
                show(said)
            }
            tests = 0; said = ""; name = ""
            next
        }
        died && /^  process didn.t exit successfully/ {
            print "  " $0
            printf "    again: cargo test %s\n\n", target
            died = 0
            shown++
        }
        name != "" { output[tests] = output[tests] $0 "\n" }
        { said = said $0 "\n" }
        END { if (!shown) exit 1 }
    ' "$1" || failed_step "$1"
    printf 'tests:%s\n' "$(test_counts "$1")"
}

# What another step said: from its first error on.
failed_step() {
    awk -v lines_max="$step_lines_max" '
        /^(error|Diff in)|: error/ { found = 1 }
        found && ++shown <= lines_max { print }
        { last[NR % lines_max] = $0 }
        END {
            if (shown > lines_max) printf "… and %d lines more\n", shown - lines_max
            for (at = NR - lines_max + 1; !found && at <= NR; at++) if (at > 0) print last[at % lines_max]
        }
    ' "$1"
}

# Runs cargo with an empty home: the git settings of whoever develops must not decide whether a test passes.
as_nobody() {
    mkdir -p "$scratch/home"
    env CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" \
        HOME="$scratch/home" XDG_CONFIG_HOME="$scratch/home/.config" XDG_STATE_HOME="$scratch/home/.local/state" \
        GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 "$@"
}

# Runs cargo for both workspaces: teamster-llm is one of its own, and built into the same folder.
each_workspace() {
    "$@" && in_llm "$@"
}

in_llm() {
    (cd worker/llm && CARGO_TARGET_DIR=$target "$@")
}

run() {
    case $1 in
    format) step format each_workspace cargo fmt --all -- --check ;;
    lint) step lint each_workspace cargo clippy --workspace --all-targets --locked -- -D warnings ;;
    docs) step docs env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked ;;
    # Most tests wait for processes of theirs more than they compute, so twice as many run at once as there are processors.
    # The end-to-end tests start the programs that this leaves in target/.
    build) step build each_workspace cargo build --workspace --locked ;;
    test) step test as_nobody env RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(nproc) * 2))}" cargo test --workspace --locked --no-fail-fast ;;
    llm) step llm in_llm as_nobody cargo test --locked --no-fail-fast ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
}

case ${1-} in
-h | --help)
    usage
    exit 0
    ;;
"") set -- format lint docs build test llm ;;
test) set -- build test ;;
esac

for name in "$@"; do
    run "$name"
done
