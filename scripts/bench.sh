#!/bin/sh
# What Teamster costs, each figure beside its limit from the same run: builds with optimisation, then measures for
# about two minutes. Needs cargo, sh, coreutils and findutils. `scripts/bench.sh --help` says more.
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet --release --package teamster-leader --package teamster-worker --package teamster-tests \
    --bin teamster --bin teamster-worker --bin teamster-bench --bin scripted-agent
exec "${CARGO_TARGET_DIR:-target}/release/teamster-bench" "$@"
