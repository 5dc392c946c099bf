#!/usr/bin/env bash
# Installs what a user would take instead of cashet, for benches/compare.sh: bkt into target/peers, ccache from the
# distribution. What cannot be installed is left out of the comparison.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v bkt > /dev/null || [ -x target/peers/bin/bkt ] ||
    cargo install bkt --locked --version 0.8.2 --root target/peers
if ! command -v ccache > /dev/null; then
    as_root=$([ "$(id -u)" -eq 0 ] || echo sudo)
    $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends ccache
fi
