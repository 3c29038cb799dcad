#!/usr/bin/env bash
# `make test`: everything CI checks. QUICK=1: format, lints and unit tests only.
#
# Owns: .run/test (the services that the tests use) and target/tools. Refuses: to stop at the first
# finding; every step that does not need a failed one is run, and the exit code is not 0 in the end.
# The last line is `N passed, N failed`: the sum of the tests.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
cd "$here/../.."
root=$PWD target=${CARGO_TARGET_DIR:-$PWD/target}
services="$here/services.sh" state=$root/.run/test tools=$target/tools
failed=() passed_count=0 failed_count=0 deny='' deny_job='' services_job=''

# step NAME COMMAND...: with a heading and the seconds it took; notes a failure and goes on.
step() {
    local name=$1 began=$SECONDS end=ok
    shift
    printf '\n== %s\n' "$name"
    if ! "$@" 9>&-; then
        end=FAILED
        failed+=("$name")
    fi
    printf '== %s: %s, %d s\n' "$name" "$end" $((SECONDS - began))
    [ "$end" = ok ]
}

deny_suits() { "$1" --version 2>/dev/null | grep -Eq '^cargo-deny 0\.(2[0-9]|[3-9][0-9])\.'; }

find_deny() {
    for deny in "$tools/bin/cargo-deny" cargo-deny; do
        if deny_suits "$deny"; then return; fi
    done
    deny=''
    return 1
}

# Minutes of compiling: begun first, at low priority, and waited for where it is used.
begin_deny() {
    if find_deny; then return; fi
    mkdir -p "$tools"
    nice -n 15 cargo install --locked --root "$tools" --target-dir "$tools/build" --jobs 1 \
        cargo-deny --version 0.20.2 >"$tools/cargo-deny.log" 2>&1 </dev/null 9>&- &
    deny_job=$!
}

run_deny() {
    if [ -n "$deny_job" ]; then
        wait "$deny_job" || { tail -n 5 "$tools/cargo-deny.log"; return 1; }
        deny_job=''
        rm -rf "$tools/build"
    fi
    find_deny && "$deny" --workspace --locked check bans licenses sources
}

begin_services() {
    mkdir -p "$state"
    "$services" up "$state" rabbitmq postgres mariadb >"$state.log" 2>&1 9>&- &
    services_job=$!
}

await_services() {
    local status=0
    wait "$services_job" || status=$?
    services_job=''
    cat "$state.log"
    return "$status"
}

count() {
    local sums
    sums=$(awk '/^test result: / { passed += $4; failed += $6 } END { print passed + 0, failed + 0 }' "$1")
    passed_count=${sums% *} failed_count=${sums#* }
}

# tests ARGS...: cargo test, shown and counted. What failed without a count counts as one.
# shellcheck disable=SC2120 # `step` hands them over
tests() {
    local log=$root/.run/cargo-test.log status=0
    cargo test --workspace "$features" --locked --no-fail-fast "$@" 2>&1 | tee "$log" || status=1
    count "$log"
    if [ "$status" != 0 ] && [ "$failed_count" = 0 ]; then failed_count=1; fi
    return "$status"
}

tests_with_services() {
    local name
    while IFS= read -r name; do export "TEST_$name"; done <"$state/env"
    # shellcheck disable=SC2119 # all of them
    # Most of the time a test waits for programs and servers.
    RUST_TEST_THREADS=${RUST_TEST_THREADS:-4} TEST_BIN_DIR=$target/debug TEST_SERVICES=$services \
        TEST_PYTHON=$python TEST_NODE_MODULES=$modules \
        TEST_CHROMEDRIVER=$(command -v chromedriver) tests
}

# The benchmarks' short form: the same runs, small, for the states that they end in; no figure counts here.
bench_in_small() {
    local name work=$state/bench
    while IFS= read -r name; do local "$name"; done <"$state/env"
    "$target/debug/bench" goals --programs "$target/debug" --directory "$work" --amqp "$AMQP_URL" \
        --postgres "$POSTGRES_URL" --only P1,P2,P3,P6,P7,P8 --pairs 1 --events 3000 --stored 1000 --seconds 1
}

# What is run by `make chaos` alone is among "all" no target.
lints() { cargo clippy --workspace --all-targets --test cluster "$features" --locked -- -D warnings; }
docs() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked; }
# All targets, so that this is the very build that `cargo test` goes on with.
build() { cargo build --workspace --all-targets "$features" --locked; }

end() {
    local status=$?
    trap '' HUP INT TERM
    if [ -n "$deny_job" ]; then kill "$deny_job" 2>/dev/null || true; fi
    if [ -n "$services_job" ]; then wait "$services_job" || true; fi
    # Their output goes first: the sum of the tests is the last line.
    if [ -d "$state" ]; then "$services" down --purge "$state" || status=1; fi
    if [ "${#failed[@]}" -gt 0 ]; then
        printf '\nfailed: %s\n' "${failed[*]}"
        status=1
    fi
    printf '\n%d passed, %d failed\n' "$passed_count" "$failed_count"
    exit "$status"
}

need_compiler
mkdir -p .run
if have flock; then
    exec 9>.run/test.lock
    flock -n 9 || die "another make test is running in this directory"
fi
# What a killed run left behind.
"$services" down --purge "$state" 9>&-
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

if [ -n "${QUICK:-}" ]; then
    step fmt cargo fmt --all --check || true
    step clippy lints || true
    step "unit tests" tests --lib --bins || true
    exit
fi

need amqp-publish amqp-tools
need curl curl
need node nodejs
need openssl openssl
need promtool prometheus
need systemd-analyze systemd
need chromedriver chromium-driver chromium
python=$(python_with_clients "$tools/venv")
modules=$(amqplib_for_node "$tools/node")
begin_deny
step fmt cargo fmt --all --check || true
step clippy lints || true
step doc docs || true
begin_services
built=1
step build build || built=''
if [ -z "$built" ]; then
    failed_count=1
elif step services await_services; then
    step test tests_with_services || true
    step "bench in small" bench_in_small || true
else
    failed_count=1
fi
# Last: it is compiled while the tests wait for their programs.
step deny run_deny || true
