#!/usr/bin/env bash
# Eight processes at one board, for so many minutes (10 if none are given): are their answers those of one board?
# Prints its first seed, and its figures in one line at the end; `TEAMSTER_LINEARIZABLE_SEED=n` begins with that one. The
# suite runs the same for seconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    echo "usage: scripts/linearizable.sh [MINUTES]"
    sed -n '2,4s/^# //p' scripts/linearizable.sh
}

case ${1-} in
-h | --help)
    usage
    exit 0
    ;;
*[!0-9]*)
    usage >&2
    exit 2
    ;;
esac

export TEAMSTER_LINEARIZABLE_MINUTES=${1:-10}
export TEAMSTER_LINEARIZABLE_SEED=${TEAMSTER_LINEARIZABLE_SEED:-$(date +%s)}
echo "first seed: $TEAMSTER_LINEARIZABLE_SEED"
exec cargo test --quiet --release --locked --package teamster-tests --test suite -- linearizable:: --nocapture
