#!/bin/sh
# Lets leader, workers and commands die at every durable step, each once, and looks whether nothing is lost and nothing
# left. TEAMSTER_TRIAL_JOBS=8 tells more stories at a time; TEAMSTER_TRIAL_CASES='leader:log synced:3' tries one point alone.
set -eu
cd "$(dirname "$0")/.."
cargo build --quiet --workspace
export TEAMSTER_TRIAL_CASES="${TEAMSTER_TRIAL_CASES:-all}"
exec cargo test --quiet --package teamster-tests --test crash_points -- --nocapture
