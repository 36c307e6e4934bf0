#!/usr/bin/env bash
# How plain the names and comments of the product are, in three figures. Lower is plainer; the limits are printed beside.
#   scripts/words.sh          the figures
#   scripts/words.sh --list   also the names and lines behind them
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1-} in
"" | --list) ;;
*)
    echo "usage: scripts/words.sh [--list]" >&2
    exit 2
    ;;
esac

# Rust files of the product without its tests: what follows `#[cfg(test)] mod tests {` in a file counts as tests too.
product() {
    git ls-files -co --exclude-standard 'protocol/src/*.rs' 'worker/src/*.rs' 'leader/src/*.rs' | grep -vE '/tests(/|\.rs$)'
}
code() {
    product | while read -r file; do
        [ -f "$file" ] && awk -v file="$file" '/^#\[cfg\(test\)\]/ { held = 1; next } held && /^mod tests \{/ { exit } { held = 0; print file ":" FNR ":" $0 }' "$file"
    done
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
code >"$scratch/code"

# Names of types and traits, one a definition. An indented `type` is one that a trait asked for by that name.
sed -nE -e 's/^[^:]+:[0-9]+: *(pub(\([a-z: ]+\))? )?(struct|enum|trait|union) ([A-Z][A-Za-z0-9]*).*/\4/p' \
    -e 's/^[^:]+:[0-9]+:(pub(\([a-z: ]+\))? )?type ([A-Z][A-Za-z0-9]*).*/\3/p' "$scratch/code" |
    sort >"$scratch/types"
# A word begins with a capital letter; an acronym is one word.
grep -xE '[A-Z][a-z0-9]*|[A-Z]+' "$scratch/types" >"$scratch/one" || true
uniq -D "$scratch/types" >"$scratch/shared"
grep -E '^[^:]+:[0-9]+: *//[/!]? ?[A-Za-z`]' "$scratch/code" >"$scratch/comments"
grep -E '^[^:]+:[0-9]+: *//[/!]? ?(It|That|Who|What|Whoever)\b' "$scratch/comments" >"$scratch/riddles" || true

share() { # what, part, whole, limit
    awk -v what="$1" -v part="$(wc -l <"$2")" -v whole="$(wc -l <"$3")" -v limit="$4" 'BEGIN {
        printf "%-58s %4d of %5d  %5.1f %%  (at most %d %%)\n", what, part, whole, whole ? 100 * part / whole : 0, limit }'
}
share "type names of one word" "$scratch/one" "$scratch/types" 30
share "types that share their name with another" "$scratch/shared" "$scratch/types" 7
share "comment lines that begin with It/That/Who/What/Whoever" "$scratch/riddles" "$scratch/comments" 7

if [ "${1-}" = --list ]; then
    printf '\nshared names:\n' && uniq -c "$scratch/shared" | sort -rn
    printf '\nnames of one word:\n' && uniq "$scratch/one" | column -c 100
    printf '\nsuch comment lines:\n' && cut -c 1-140 "$scratch/riddles"
fi
