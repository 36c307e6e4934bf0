#!/bin/sh
# Two hundred workers, ten thousand tasks and messages on one team: scripts/load.sh [--workers N] [--tasks N] [--messages N].
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet --release --package teamster-leader --package teamster-worker --package teamster-tests --bins
exec "${CARGO_TARGET_DIR:-target}/release/teamster-load" "$@"
