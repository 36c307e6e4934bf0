#!/usr/bin/env bash
# Strange lines, logs, plans and mail, for so many minutes (10 if none are given), on a stable toolchain: nothing may
# panic, hang, or take more memory than it is worth. Prints each seed. For coverage-guided fuzzing: tests/fuzz/Cargo.toml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1-} in
-h | --help)
    sed -n '2,3s/^# //p' "$0"
    exit 0
    ;;
esac

end=$((SECONDS + 60 * ${1:-10}))
seed=${TEAMSTER_FUZZ_SEED:-$(date +%s)}
cargo test --quiet --release --package teamster-tests --test fuzz --no-run
while [ "$SECONDS" -lt "$end" ]; do
    TEAMSTER_FUZZ_SEED=$seed TEAMSTER_FUZZ_INPUTS=${TEAMSTER_FUZZ_INPUTS:-20000} \
        cargo test --quiet --release --package teamster-tests --test fuzz -- --nocapture
    seed=$((seed + 1))
done
