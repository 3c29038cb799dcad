#!/usr/bin/env bash
# `make bench`, `make curves`, `make flame`, `make counts`, `make micro`: builds the release programs and
# measures, the first three with a private broker and PostgreSQL.
#
# bench.sh goals: the table. ONLY=P1,P4: these goals alone. PAIRS=n, EVENTS=n, STORED=n, SECONDS_EACH=n:
# smaller or larger runs. GROWTH=stored,linger: these curves instead.
# bench.sh curves: all curves, or ONLY=stored,linger; CSV and SVG into docs/curves (or INTO=directory).
# RUNS=n, EVENTS=n, SECONDS_EACH=n.
# bench.sh flame: flame graphs of one goal (ONLY=P1, P2, P3, P4 or P6) and what is on the stacks most, into
# target/flame. EVENTS=n, SECONDS_EACH=n.
# bench.sh counts: instructions an event; with ONLY=tally,… also the functions that they are in.
# bench.sh micro: how long the same functions take.
#
# Owns: .run/bench (services, logs, peers' packages), target/flame, target/counts, and inferno in
# target/tools. Refuses: to run beside another bench.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
cd "$here/../.."
root=$PWD state=$PWD/.run/bench target=${CARGO_TARGET_DIR:-$PWD/target}
programs=$target/release tools=$target/tools what=${1:-goals}
if [ "$what" = goals ] && [ -n "${GROWTH:-}" ]; then what=curves ONLY=$GROWTH; fi

sizes=()
[ -z "${EVENTS:-}" ] || sizes+=(--events "$EVENTS")
[ -z "${SECONDS_EACH:-}" ] || sizes+=(--seconds "$SECONDS_EACH")

build() { cargo build --release --workspace --bins --locked 9>&-; }

# begin_services: sets `place`, where it is measured.
begin_services() {
    place=(--programs "$programs" --directory "$state/work")
    trap '"$here/services.sh" down --purge "$state"' EXIT
    "$here/services.sh" up "$state" rabbitmq postgres 9>&-
    # shellcheck source=/dev/null
    . "$state/env"
    place+=(--amqp "$AMQP_URL" --postgres "$POSTGRES_URL")
}

goals() {
    need wrk wrk
    build
    local peers=()
    case ,${ONLY:-P10}, in *,P10,*)
        need node nodejs
        need npm npm
        "$root/bench/peers/install.sh" "$state/peers" 9>&-
        peers=(--peers "$state/peers") ;;
    esac
    begin_services
    [ -z "${ONLY:-}" ] || sizes+=(--only "$ONLY")
    [ -z "${PAIRS:-}" ] || sizes+=(--pairs "$PAIRS")
    [ -z "${STORED:-}" ] || sizes+=(--stored "$STORED")
    "$programs/bench" goals "${place[@]}" "${peers[@]}" "${sizes[@]}"
}

curves() {
    local curves
    IFS=, read -ra curves <<<"${ONLY:-stored,codes,instances,receivers,batch-max,prefetch,linger}"
    [ -z "${RUNS:-}" ] || sizes+=(--runs "$RUNS")
    build
    begin_services
    "$programs/bench" growth "${curves[@]}" --into "${INTO:-docs/curves}" "${place[@]}" "${sizes[@]}"
}

counts() {
    need valgrind valgrind
    build
    [ -z "${ONLY:-}" ] || sizes=(--only "$ONLY")
    "$programs/bench" counts --directory "$target/counts" "${sizes[@]}"
}

micro() { cargo bench --package bench --bench micro --locked -- ${ONLY:+"$ONLY"}; }

# Tools, not parts of a program: their licence (CDDL) asks nothing of ours.
need_inferno() {
    inferno=$tools/bin
    [ -x "$inferno/inferno-flamegraph" ] || cargo install --locked --root "$tools" --target-dir "$tools/build" \
        inferno --version 0.12.8 9>&-
}

# graph NAME [PERF SCRIPT ARGS...]: NAME.folded, NAME.svg and NAME.txt of the samples.
graph() {
    local name=$flames/$1
    shift
    perf script --no-inline -i "$flames/$goal.data" "$@" 2>>"$flames/perf.log" |
        "$inferno/inferno-collapse-perf" --quiet >"$name.folded" 2>>"$flames/perf.log"
    "$inferno/inferno-flamegraph" --title "$(basename "$name")" "$name.folded" >"$name.svg"
    on_stacks <"$name.folded" >"$name.txt"
    say "$name.svg"
}

# Each function's share of the samples that it is on the stack of, the largest first.
on_stacks() {
    awk '{
        samples = $NF; sub(/ [0-9]+$/, ""); all += samples; split($0, frames, ";"); split("", seen)
        for (i in frames) if (frames[i] != "[unknown]" && !(frames[i] in seen)) { seen[frames[i]]; of[frames[i]] += samples }
    } END { for (frame in of) printf "%5.1f %% %s\n", 100 * of[frame] / all, frame }' | sort -rn | head -n 200
}

flame() {
    goal=${ONLY:-P1} flames=$target/flame
    need perf linux-perf
    [ "$goal" != P4 ] || need wrk wrk
    need_inferno
    build
    begin_services
    mkdir -p "$flames"
    "$programs/bench" flame "$goal" --into "$flames" "${place[@]}" "${sizes[@]}"
    graph "$goal-machine"
    graph "$goal-program" --pid "$(cat "$flames/$goal.pids")"
    rm -f "$flames/$goal.data"
    say "On the stacks of the program:"
    head -n "${TOP:-40}" "$flames/$goal-program.txt"
}

need_compiler
mkdir -p .run
if have flock; then
    exec 9>.run/bench.lock
    flock -n 9 || die "another make bench is running in this directory"
fi
case $what in
    goals | curves | counts | micro | flame) "$what" ;;
    *) die "bench.sh goals|curves|flame|counts|micro" ;;
esac
