#!/usr/bin/env bash
# Puts the programs, their completions and the pages of the manual in place, and takes them away again.
# What was put where is written to PREFIX/share/teamster/manifest; only that is ever replaced or removed.
set -euo pipefail

usage() {
    cat <<'END'
usage: scripts/install.sh [--prefix DIR] [--programs DIR] [--force]
       scripts/install.sh --uninstall [--prefix DIR]

  --prefix DIR    where to: DIR/bin, DIR/share [default: /usr/local for root, else ~/.local]
  --programs DIR  take teamster, teamster-worker and, if it is there, teamster-llm from there instead of building them
  --force         replace files that this script did not put there
  --uninstall     remove what was installed below the prefix, and nothing else
END
}

fail() {
    echo "error: $1" >&2
    [ -z "${2-}" ] || echo "  $2" >&2
    exit 1
}

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
prefix='' programs='' force='' uninstall=''
while [ $# -gt 0 ]; do
    case $1 in
    --prefix | --programs)
        [ -n "${2-}" ] || { usage >&2; exit 2; }
        if [ "$1" = --prefix ]; then prefix=$2; else programs=$2; fi
        shift
        ;;
    --prefix=*) prefix=${1#*=} ;;
    --programs=*) programs=${1#*=} ;;
    --force) force=yes ;;
    --uninstall) uninstall=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done

if [ -z "$prefix" ]; then
    if [ "$(id -u)" -eq 0 ]; then
        prefix=/usr/local
    else
        prefix=${HOME:?is not set; say where with --prefix DIR}/.local
    fi
fi
case $prefix in
*$'\n'*) fail "a prefix with a line end can not be used" ;;
/*) ;;
*) prefix=$PWD/$prefix ;;
esac

# Lines `file PATH` and `dir PATH`, below the prefix; a directory only if it was made here, and after those above it.
manifest=$prefix/share/teamster/manifest

# Refuses before anything is changed, if a directory could not be written to.
must_be_writable() {
    local at=$1
    while [ ! -e "$at" ] && [ ! -L "$at" ]; do at=$(dirname "$at"); done
    [ -d "$at" ] || fail "cannot use $1: $at is no directory" "choose another place with --prefix DIR"
    [ -w "$at" ] && [ -x "$at" ] ||
        fail "cannot write to $at: no permission" "choose a place of your own with --prefix DIR, or run it as its owner"
}

# Whether the manifest that was there before has this line.
was_mine() {
    [ -n "$before" ] && grep -qxF -- "$1" <<<"$before"
}

before=''
[ ! -e "$manifest" ] || before=$(cat "$manifest") ||
    fail "cannot read $manifest" "run it as the one who installed"

remove_file() {
    rm -f -- "$prefix/$1" || fail "cannot remove $prefix/$1"
}

# Directories that were made here go if they are empty, the deepest first.
remove_dirs() {
    local dir
    while read -r dir; do
        case $dir in
        '') ;;
        .) rmdir -- "$prefix" 2>/dev/null || true ;;
        *) rmdir -- "$prefix/$dir" 2>/dev/null || true ;;
        esac
    done < <(sed -n 's/^dir //p' <<<"$1" | tac)
}

if [ -n "$uninstall" ]; then
    if [ -z "$before" ]; then
        echo "nothing of teamster is installed below $prefix"
        exit 0
    fi
    while read -r path; do must_be_writable "$(dirname "$prefix/$path")"; done < <(sed -n 's/^file //p' <<<"$before")
    count=0
    while read -r path; do
        remove_file "$path"
        count=$((count + 1))
    done < <(sed -n 's/^file //p' <<<"$before")
    rm -f -- "$manifest"
    remove_dirs "$before"
    echo "removed $count files below $prefix"
    exit 0
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for dir in bin share/man/man1 share/bash-completion/completions share/zsh/site-functions share/fish/vendor_completions.d \
    share/teamster; do
    must_be_writable "$prefix/$dir"
done

if [ -z "$programs" ]; then
    command -v cargo >/dev/null || fail "there is no cargo to build with" "install Rust, or name built programs with --programs DIR"
    target=${CARGO_TARGET_DIR:-target}
    case $target in /*) ;; *) target=$project/$target ;; esac
    (cd "$project" && cargo build --release --locked)
    (cd "$project/worker/llm" && CARGO_TARGET_DIR=$target cargo build --release --locked)
    programs=$target/release
fi
for name in teamster teamster-worker; do
    [ -x "$programs/$name" ] || fail "there is no program $programs/$name" "build it: cargo build --release"
done

# All that is to be installed, as it is to lie below the prefix.
tree=$scratch/tree
mkdir -p "$tree"/{bin,share/man/man1,share/bash-completion/completions,share/zsh/site-functions,share/fish/vendor_completions.d}
cp "$programs/teamster" "$programs/teamster-worker" "$tree/bin/"
# The agent of our own, which is built by itself: nobody has to have it.
[ ! -x "$programs/teamster-llm" ] || cp "$programs/teamster-llm" "$tree/bin/"
chmod 755 "$tree"/bin/*
made_by=$tree/bin/teamster
"$made_by" manual "$tree/share/man/man1"
"$made_by" completions bash >"$tree/share/bash-completion/completions/teamster"
"$made_by" completions zsh >"$tree/share/zsh/site-functions/_teamster"
"$made_by" completions fish >"$tree/share/fish/vendor_completions.d/teamster.fish"
find "$tree/share" -type f -exec chmod 644 {} +

files=$(cd "$tree" && find . -type f | sed 's|^\./||' | LC_ALL=C sort)
while read -r path; do
    if [ -z "$force" ] && { [ -e "$prefix/$path" ] || [ -L "$prefix/$path" ]; } && ! was_mine "file $path"; then
        fail "$prefix/$path is there, and was not installed by this script" "move it away, or replace it with --force"
    fi
done <<<"$files"

# The directories that are made now, and those that an earlier run made.
dirs=$(sed -n 's/^dir //p' <<<"$before")
make_dir() {
    local above
    [ ! -d "$prefix/$1" ] || return 0
    above=$(dirname "$1")
    [ "$above" = . ] || make_dir "$above"
    mkdir -- "$prefix/$1"
    dirs+=${dirs:+$'\n'}$1
}
if [ ! -d "$prefix" ]; then
    mkdir -p -- "$prefix"
    dirs=.
fi
while read -r dir; do make_dir "$dir"; done < <({ dirname -- $(tr '\n' ' ' <<<"$files"); echo share/teamster; } | sort -u)

# Written down before the first file is there: whatever stops this, all can be taken away again.
{
    [ -z "$dirs" ] || sed 's/^/dir /' <<<"$dirs"
    { sed 's/^/file /' <<<"$files"; sed -n '/^file /p' <<<"$before"; } | LC_ALL=C sort -u
} >"$manifest.new"
mv -f -- "$manifest.new" "$manifest"
while read -r path; do
    # Beside it and then into its place: a program that runs can be replaced, and is never half there.
    cp -- "$tree/$path" "$prefix/$path.new"
    mv -f -- "$prefix/$path.new" "$prefix/$path"
done <<<"$files"

# What an earlier version installed, and this one does not.
while read -r path; do
    grep -qxF -- "$path" <<<"$files" || remove_file "$path"
done < <(sed -n 's/^file //p' <<<"$before")
{
    [ -z "$dirs" ] || sed 's/^/dir /' <<<"$dirs"
    sed 's/^/file /' <<<"$files"
} >"$manifest.new"
mv -f -- "$manifest.new" "$manifest"

echo "installed $("$prefix/bin/teamster" --version) below $prefix"
case :$PATH: in
*:"$prefix/bin":*) ;;
*) echo "  $prefix/bin is not on your PATH: add it, such as by export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
case $prefix in
/usr | /usr/local) ;;
*) echo "  for zsh, add to ~/.zshrc before compinit: fpath+=($prefix/share/zsh/site-functions)" ;;
esac
echo "  to remove it: scripts/install.sh --uninstall --prefix $prefix"
