#!/usr/bin/env bash
# Eight processes at one board, for so many minutes (10 if none are given): are their answers those of one board?
# Prints its first seed; `TEAMSTER_LINEARIZABLE_SEED=n` begins with that one. The suite runs the same for seconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1-} in
-h | --help)
    sed -n '2,3s/^# //p' "$0"
    exit 0
    ;;
esac

export TEAMSTER_LINEARIZABLE_MINUTES=${1:-10}
export TEAMSTER_LINEARIZABLE_SEED=${TEAMSTER_LINEARIZABLE_SEED:-$(date +%s)}
echo "first seed: $TEAMSTER_LINEARIZABLE_SEED"
exec cargo test --quiet --release --package teamster-tests --test linearizable -- --nocapture
