#!/bin/sh
# The kill storm, on programs built with optimisation: scripts/storm.sh [MINUTES] [--kills N] [--seed N]; --help says more.
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet --release --locked --package teamster-leader --package teamster-worker --package teamster-tests --bins
exec "${CARGO_TARGET_DIR:-target}/release/teamster-storm" "$@"
