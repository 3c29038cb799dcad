#!/usr/bin/env bash
# `make run`: builds the programs, brings up a private broker, walks one referral through and goes on
# until Ctrl-C.
#
# Owns: .run/demo (broker and SQLite file; they stay for the next run, `make clean` removes them).
# Refuses: to leave the broker running, however the demo ends.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
cd "$here/../.."
state=.run/demo
demo=("${CARGO_TARGET_DIR:-target}/debug/referral" demo)

need_compiler
# The development profile: a first run waits a minute or two for it, not five.
cargo build --workspace --bins --locked

trap '"$here/services.sh" down "$state"' EXIT
"$here/services.sh" up "$state" rabbitmq
set -a
# shellcheck source=/dev/null
. "$state/env"
set +a
export DATABASE_URL="sqlite://$state/referral.db?mode=rwc"

# The demo stops on a signal, and at once on a second one. So it gets a process group of its own, the
# foreground one on a terminal: Ctrl-C reaches it alone, and make, which would call that an error, does
# not see it. What is sent to this script instead is passed on.
# shellcheck disable=SC2016
start=(bash -c 'trap : TERM HUP; set -m; bash -c '\''echo $$ >"$0" && exec "$@"'\'' "$@"' - "$state/demo.pid" "${demo[@]}")
rm -f "$state/demo.pid"
# shellcheck disable=SC2317 # called by the traps
pass_on() { kill "-$1" "$(cat "$state/demo.pid")" 2>/dev/null || true; }
trap 'pass_on INT' INT
trap 'pass_on TERM' TERM HUP
"${start[@]}" <&0 &
child=$! status=0
while wait "$child" && status=0 || status=$?; kill -0 "$child" 2>/dev/null; do :; done
exit "$status"
