#!/usr/bin/env bash
# Everything a commit has to pass. `scripts/check.sh test` runs the tests alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    echo "usage: scripts/check.sh [STEP…]"
    echo "steps: format lint docs build test (all of them if none is given; test builds first)"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
log=$scratch/log

# Runs a step in silence; says how long it took, or all that it said if it failed.
step() {
    local name=$1 began=$SECONDS status=0
    shift
    printf '%-8s' "$name"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        printf 'FAILED after %d s\n\n' $((SECONDS - began))
        cat "$log"
        printf '\n%s failed. To see it again: %s\n' "$name" "$*" >&2
        exit 1
    fi
    printf 'ok  %4d s%s\n' $((SECONDS - began)) "$(summary "$name")"
}

# How many tests there were: "0 passed" must not look like success, nor a test that returned because the system does not
# grant what it needs. Such a test says "could not run here: TEST: WHY" (tests/src/granted.rs); each is shown.
summary() {
    if [ "$1" = test ]; then
        awk '/^test result: ok/ { passed += $4; ignored += $8 }
            sub(/.*could not run here: /, "") { skipped++; list = list "\n          " $0 }
            END {
                printf "  %d passed, %d ignored", passed - skipped, ignored
                if (skipped) printf ", %d could not run here%s", skipped, list
            }' "$log"
    fi
}

# Runs cargo with an empty home: the git settings of whoever develops must not decide whether a test passes.
as_nobody() {
    mkdir -p "$scratch/home"
    env CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" \
        HOME="$scratch/home" XDG_CONFIG_HOME="$scratch/home/.config" XDG_STATE_HOME="$scratch/home/.local/state" \
        GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 "$@"
}

run() {
    case $1 in
    format) step format cargo fmt --all -- --check ;;
    lint) step lint cargo clippy --workspace --all-targets --locked -- -D warnings ;;
    docs) step docs env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked ;;
    # The end-to-end tests start the programs that this leaves in target/.
    build) step build cargo build --workspace --locked ;;
    test) step test as_nobody cargo test --workspace --locked ;;
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
"") set -- format lint docs build test ;;
test) set -- build test ;;
esac

for name in "$@"; do
    run "$name"
done
