#!/usr/bin/env bash
# Installs what a user would take instead of cashet, for benches/compare.sh, each at a version that is written here:
#
#     bkt, deja               from crates.io                      target/peers/bin
#     go-task                 from PyPI (go-task-bin)             target/peers/bin/task
#     turborepo               from npm; its native program        target/peers/bin/turbo
#     joblib, Python cashet   from PyPI, into one environment     target/peers/python
#     ccache                  from the distribution
#
# usage: benches/install-peers.sh [NAME …]    bkt ccache deja python task turbo; all without names
#
# Everything but ccache goes below target/peers, which may be deleted. What cannot be installed is told in one line and is
# left out of the comparison.
set -uo pipefail
cd "$(dirname "$0")/.."
peers=$PWD/target/peers
mkdir -p "$peers/bin"

from_crates() { # NAME VERSION
    command -v "$1" > /dev/null || [ -x "$peers/bin/$1" ] || cargo install "$1" --locked --version "$2" --root "$peers"
}

install_bkt() { from_crates bkt 0.8.2; }
install_deja() { from_crates deja 0.2.1; }

install_ccache() {
    command -v ccache > /dev/null && return
    local as_root
    as_root=$([ "$(id -u)" -eq 0 ] || echo sudo)
    $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends ccache
}

environment() { # a Python environment of the peers' own: one of them has a program by the name of cashet
    [ -x "$peers/python/bin/pip" ] || python3 -m venv "$peers/python"
}

install_python() {
    environment && "$peers/python/bin/pip" install --quiet --disable-pip-version-check cashet==0.5.0 joblib==1.6.0
}

install_task() {
    environment && "$peers/python/bin/pip" install --quiet --disable-pip-version-check go-task-bin==3.54.0 &&
        ln -sf ../python/bin/task "$peers/bin/task"
}

install_turbo() {
    # Without scripts: they would link programs of the same package that npm has brought already.
    npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$peers/node" turbo@2.11.11 || return
    # What npm links is a script for Node.js that only starts this.
    local native
    native=$(find "$peers/node/node_modules" -path '*/bin/turbo' -type f -size +1M | head -n 1)
    [ -n "$native" ] && ln -sf "../${native#"$peers/"}" "$peers/bin/turbo"
}

for peer in ${@:-bkt ccache deja python task turbo}; do
    if ! declare -F "install_$peer" > /dev/null; then
        echo "install-peers.sh: no peer is called $peer" >&2
        exit 2
    fi
    if "install_$peer"; then echo "$peer: installed"; else echo "$peer: cannot be installed here; left out" >&2; fi
done
