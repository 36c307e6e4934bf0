#!/usr/bin/env bash
# Lets warden, leader, workers and commands die at every durable step, each once, and looks whether nothing is lost and
# nothing left; with libgit2 and, whoever has to do with worktrees, with the git program. Then again with a second death at
# each step that is there only because of the first, and at the beginning of the next life. One story of a team for each:
# some thousands, which takes an hour. The suite runs one of each kind. Prints its figures in one line at the end.
#
# What others do meanwhile decides whether a process comes to some points at all: such a story is told up to six times, and
# what was not reached by then is named. It fails if that is a point that every story without a death comes to.
#
#   scripts/crash.sh            every point
#   scripts/crash.sh --part 2/4 the second quarter of them: all four tell as much as all at once
#   scripts/crash.sh CASE…      these, as they are printed: scripts/crash.sh 'leader:log synced:3; leader:taken over:1'
#
# TEAMSTER_TRIAL_JOBS=4 tells so many stories at a time (8 if not set).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1-} in
-h | --help)
    sed -n '2,/^set /s/^# \{0,1\}//p' scripts/crash.sh
    exit 0
    ;;
--part)
    [ $# -eq 2 ] || { scripts/crash.sh --help >&2; exit 2; }
    export TEAMSTER_TRIAL_CASES=$2
    shift 2
    ;;
-*)
    scripts/crash.sh --help >&2
    exit 2
    ;;
esac

if [ $# -gt 0 ]; then
    TEAMSTER_TRIAL_CASES=$(IFS='|' && echo "$*")
fi
export TEAMSTER_TRIAL_CASES=${TEAMSTER_TRIAL_CASES:-all}
cargo build --quiet --locked --workspace
cargo test --quiet --locked --package teamster-tests --test suite -- crash_points:: --nocapture
