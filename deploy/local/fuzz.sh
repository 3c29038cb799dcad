#!/usr/bin/env bash
# `make fuzz`: the properties in fuzz/src, tried by libFuzzer with inputs that it makes up.
# TARGET=money: this one alone. SECONDS_EACH=n (60): how long each is tried.
#
# Owns: .run/fuzz (corpora as they have grown, findings), target/fuzz, target/tools. Refuses: to write into
# fuzz/corpus; a finding is put there by whoever mends it, and `make test` tries it from then on.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
cd "$here/../.."
target=${CARGO_TARGET_DIR:-$PWD/target} state=$PWD/.run/fuzz
tools=$target/tools seconds=${SECONDS_EACH:-60} found=()

# Longer inputs than this reach nothing new: what bounds a message and a text lies below.
BYTES_MAX=8192

fuzz_suits() { "$1" fuzz --version 2>/dev/null | grep -Eq '^cargo-fuzz 0\.1[3-9]\.'; }

find_fuzz() {
    for fuzz in "$tools/bin/cargo-fuzz" cargo-fuzz; do
        if fuzz_suits "$fuzz"; then return; fi
    done
    return 1
}

install_fuzz() {
    if find_fuzz; then return; fi
    cargo install --locked --root "$tools" --target-dir "$tools/build" cargo-fuzz --version 0.13.2
    rm -rf "$tools/build"
    find_fuzz
}

# try TARGET: for $seconds, from the corpus in the repository and what earlier runs added to it.
try() {
    local grown=$state/corpus/$1 findings=$state/findings/$1
    mkdir -p "$grown" "$findings"
    "$fuzz" fuzz run --dev --target-dir "$target/fuzz" "$1" "$grown" "fuzz/corpus/$1" -- \
        -max_total_time="$seconds" -max_len="$BYTES_MAX" -timeout=10 -print_final_stats=1 \
        -dict="fuzz/dictionaries/$1.dict" -artifact_prefix="$findings/"
}

need_compiler
need g++ g++
install_fuzz
# Sanitizers and coverage are not stable: the stable compiler takes them for this build, which nobody ships.
export RUSTC_BOOTSTRAP=1
# The versions that the workspace has.
cp Cargo.lock fuzz/Cargo.lock

for source in fuzz/fuzz_targets/*.rs; do
    name=$(basename "$source" .rs)
    [ "${TARGET:-$name}" = "$name" ] || continue
    tried=1
    say "== $name"
    try "$name" || found+=("$name")
done
[ -n "${tried:-}" ] || die "there is no target $TARGET in fuzz/fuzz_targets"
[ "${#found[@]}" -eq 0 ] || die "found something in ${found[*]}: see $state/findings"
