#!/usr/bin/env bash
# `make bench`: builds the release programs, brings up a private broker and PostgreSQL, and measures.
# ONLY=P1,P4: these goals alone. PAIRS=n, EVENTS=n, STORED=n, SECONDS_EACH=n: smaller or larger runs.
# GROWTH=stored|codes|instances|receivers|batch-max|prefetch: a curve as CSV instead of the table.
#
# Owns: .run/bench (services, logs, peers' packages). Refuses: to run beside another bench.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
cd "$here/../.."
root=$PWD state=$PWD/.run/bench programs=${CARGO_TARGET_DIR:-$PWD/target}/release

need_compiler
mkdir -p .run
if have flock; then
    exec 9>.run/bench.lock
    flock -n 9 || die "another make bench is running in this directory"
fi
need wrk wrk
cargo build --release --workspace --bins --locked 9>&-

wanted() { [ -z "${GROWTH:-}" ] && case ,${ONLY:-$1}, in *",$1,"*) ;; *) false ;; esac; }
place=(--programs "$programs" --directory "$state/work")
if wanted P10; then
    need node nodejs
    need npm npm
    "$root/bench/peers/install.sh" "$state/peers" 9>&-
    place+=(--peers "$state/peers")
fi

trap '"$here/services.sh" down --purge "$state"' EXIT
"$here/services.sh" up "$state" rabbitmq postgres 9>&-
# shellcheck source=/dev/null
. "$state/env"
place+=(--amqp "$AMQP_URL" --postgres "$POSTGRES_URL")

arguments=()
[ -z "${EVENTS:-}" ] || arguments+=(--events "$EVENTS")
if [ -n "${GROWTH:-}" ]; then
    [ -z "${RUNS:-}" ] || arguments+=(--runs "$RUNS")
    "$programs/bench" growth "$GROWTH" "${place[@]}" "${arguments[@]}"
else
    [ -z "${ONLY:-}" ] || arguments+=(--only "$ONLY")
    [ -z "${PAIRS:-}" ] || arguments+=(--pairs "$PAIRS")
    [ -z "${STORED:-}" ] || arguments+=(--stored "$STORED")
    [ -z "${SECONDS_EACH:-}" ] || arguments+=(--seconds "$SECONDS_EACH")
    "$programs/bench" goals "${place[@]}" "${arguments[@]}"
fi
