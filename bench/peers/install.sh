#!/usr/bin/env bash
# install.sh DIR: DIR/venv and DIR/node_modules with what the peers are made of, in the versions of
# requirements.txt and package.json. Does nothing where they are there already.
#
# Owns: DIR/venv, DIR/node_modules, DIR/package.json, DIR/install.log.
# Refuses: to touch anything outside DIR but the clients' own caches and, as root on Debian, packages.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../../deploy/local/lib.sh
. "$here/../../deploy/local/lib.sh"

[ "$#" -eq 1 ] || die "usage: install.sh DIR"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
log=$dir/install.log

# logged WHAT COMMAND...: quiet, and on failure the end of what the command said.
logged() {
    local what=$1
    shift
    "$@" >"$log" 2>&1 </dev/null || die "$what failed; the end of $log:"$'\n'"$(tail -n 15 "$log")"
}

# The copy of the list is made last: it says that the rest is complete.
install_python() {
    local list=$here/requirements.txt
    ! cmp -s "$list" "$dir/venv/requirements.txt" || return 0
    need python3 python3 python3-venv
    rm -rf "${dir:?}/venv"
    logged "python3 -m venv (Debian: python3-venv)" python3 -m venv "$dir/venv"
    logged "pip install" "$dir/venv/bin/pip" install --quiet --disable-pip-version-check -r "$list"
    cp "$list" "$dir/venv/requirements.txt"
}

install_node() {
    local list=$here/package.json
    ! cmp -s "$list" "$dir/node_modules/package.json" || return 0
    need node nodejs
    need npm npm
    rm -rf "${dir:?}/node_modules"
    cp "$list" "$dir/package.json"
    logged "npm install" npm install --prefix "$dir" --no-package-lock --no-audit --no-fund
    cp "$list" "$dir/node_modules/package.json"
}

install_python
install_node
rm -f "$log"
