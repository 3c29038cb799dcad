#!/usr/bin/env bash
# `make chaos`: the whole kill matrix, the cluster of tests/cluster.rs, then the soak of tests/soak.rs on each database.
# MINUTES=n: of faults on each database (30). SEED=n: the same again. ONLY=matrix|cluster|soak: that alone.
# `make chaos-mutants` (chaos.sh mutants): mistakes of tests/mutants made on purpose; the tests that a
# mutant names must fail with it. ONLY=NAME: that mutant alone.
#
# Owns: .run/chaos (services, reports, the mutants' tree), target/mutants. Refuses: to stop at the first finding.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
cd "$here/../.."
target=${CARGO_TARGET_DIR:-$PWD/target} state=$PWD/.run/chaos
services="$here/services.sh"
failed=()

# built_tests NAME: the program of these tests; it runs the pipeline's programs from TEST_BIN_DIR, whichever those are.
built_tests() {
    cargo test --workspace "$features" --locked --test "$1" --no-run 2>&1 9>&- \
        | tee /dev/stderr | sed -n 's/.*Executable .*(\(.*\))$/\1/p'
}

begin() {
    local name
    need_compiler
    mkdir -p .run
    if have flock; then
        exec 9>.run/chaos.lock
        flock -n 9 || die "another make chaos is running in this directory"
    fi
    need chromedriver chromium-driver chromium
    "$services" down --purge "$state" 9>&-
    python=$(python_with_clients "$target/tools/venv")
    cargo build --workspace "$features" --locked 9>&-
    tests=$(built_tests pipeline)
    trap '"$services" down --purge "$state"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' HUP TERM
    "$services" up "$state" rabbitmq postgres mariadb 9>&-
    while IFS= read -r name; do export "TEST_$name"; done <"$state/env"
    export TEST_BIN_DIR=$target/debug TEST_SERVICES=$services TEST_PYTHON=$python
    TEST_CHROMEDRIVER=$(command -v chromedriver)
    export TEST_CHROMEDRIVER
}

# part NAME ARGS...: these tests, with what they print.
part() {
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    "$tests" "$@" --nocapture 9>&- || failed+=("$name")
}

chaos() {
    local wanted=${ONLY:-matrix,cluster,soak}
    [ -z "${SEED:-}" ] || export KILL_SEED=$SEED
    export CHAOS_SECONDS=$((${MINUTES:-30} * 60)) MATRIX=1
    export MATRIX_REPORT=$state/matrix.txt SOAK_REPORT=$state/soak.txt
    case ,$wanted, in *,matrix,*) part "kill matrix" matrix --test-threads=5 ;; esac
    # Three brokers each, one test at a time.
    case ,$wanted, in *,cluster,*) tests=$(built_tests cluster) part cluster --test-threads=1 ;; esac
    # One database at a time, so that the figures are of that one.
    case ,$wanted, in *,soak,*) part soak soak:: --test-threads=1 ;; esac
    printf '\n'
    [ ! -e "$MATRIX_REPORT" ] || printf 'kill matrix: %d cells passed\n' "$(wc -l <"$MATRIX_REPORT")"
    [ ! -e "$SOAK_REPORT" ] || cat "$SOAK_REPORT"
}

mutants() {
    local tree=$state/tree patch name filters log
    # As of now, so that nothing is left of a mistake that an earlier run was killed in.
    rm -rf "$tree"
    mkdir -p "$tree"
    git ls-files -z | tar --null -T - -cf - | tar -xmf - -C "$tree"
    for patch in tests/mutants/*.patch; do
        name=$(basename "$patch" .patch)
        [ -z "${ONLY:-}" ] || [ "$ONLY" = "$name" ] || continue
        read -ra filters <<<"$(sed -n 's/^Caught by: //p' "$patch")"
        log=$state/$name.log
        patch -d "$tree" -p1 --quiet <"$patch"
        (cd "$tree" && CARGO_TARGET_DIR=$target/mutants cargo build --workspace "$features" --locked --quiet 9>&-)
        if TRIAL_SECONDS=40 TEST_BIN_DIR=$target/mutants/debug "$tests" "${filters[@]}" >"$log" 2>&1 9>&-; then
            printf 'mutant %s: NOT CAUGHT by %s\n' "$name" "${filters[*]}"
            failed+=("$name")
        else
            printf 'mutant %s: caught by %s\n' "$name" \
                "$(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log" | tr '\n' ' ')"
        fi
        patch -d "$tree" -p1 --quiet -R <"$patch"
    done
}

begin
case ${1:-chaos} in
    chaos) chaos ;;
    mutants) mutants ;;
    *) die "chaos.sh [mutants]" ;;
esac
if [ "${#failed[@]}" -gt 0 ]; then die "failed: ${failed[*]}"; fi
