#!/usr/bin/env bash
# `make schemathesis`: the OpenAPI document tried against the running programs, with requests that
# schemathesis (PyPI) makes up: no 5xx, no undocumented status, type, header or shape.
#
# Owns: .run/schemathesis, and target/tools/schemathesis (a virtual environment). Refuses: to leave a
# process behind. What is given as arguments goes to schemathesis, such as `--max-examples 500`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=processes.sh
. "$here/processes.sh"
cd "$here/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
state=$PWD/.run/schemathesis venv=$target/tools/schemathesis version=4.32.5
programs=()

end() {
    local status=$?
    trap '' HUP INT TERM
    if [ "${#programs[@]}" -gt 0 ]; then
        kill "${programs[@]}" 2>/dev/null || true
        wait "${programs[@]}" || true
    fi
    "$here/services.sh" down --purge "$state" || status=1
    rm -rf "$state"
    exit "$status"
}

install() {
    if "$venv/bin/schemathesis" --version 2>/dev/null | grep -qF "$version"; then return; fi
    need python3 python3-venv
    mkdir -p "$(dirname "$venv")"
    python3 -m venv "$venv" || die "python3 cannot make a virtual environment: install python3-venv (Debian's name)"
    "$venv/bin/pip" install --quiet "schemathesis==$version"
}

# start NAME COMMAND...: a program with its log beside the database.
start() {
    local name=$1
    shift
    "$@" >"$state/$name.log" 2>&1 &
    programs+=($!)
}

need_compiler
need curl curl
install
cargo build --workspace --bins --locked
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM
"$here/services.sh" up "$state" rabbitmq
set -a
# shellcheck source=/dev/null
. "$state/env"
set +a
port=$(random_port)
export DATABASE_URL="sqlite://$state/referral.db?mode=rwc" LISTEN_ADDR=127.0.0.1:$port
export SPOOL_PATH="$state/spool.db"
# Guessing is what it does; the limit on that has its own tests.
export RATE_LIMIT=off
url=http://$LISTEN_ADDR referral=$target/debug/referral
"$referral" migrate
start ingress "$referral" ingress
start credits "$target/debug/credits"
start daily-records "$target/debug/daily-records"
echo 'correct horse battery staple' | "$referral" admin create ada --domain default --password-stdin
key=$("$referral" token create --login ada --domain default)
curl --silent --retry 50 --retry-connrefused --retry-delay 1 --fail "$url/health" && echo

# What the examples of the document name: a programme, two users, a code.
header="Authorization: Bearer $key"
"$referral" publish signup --user-hash alice --email alice@example.com
curl --silent --fail -H "$header" -d 'name=Default&credit_value=10&target_value=25' "$url/program/" && echo
until curl --silent --fail --output "$state/alice" -H "$header" "$url/statement/alice/"; do sleep 0.2; done
curl --silent --fail -H "$header" -d 'user_indicator=alice&user_indicated=bob' "$url/register/" && echo

# Left out: a repeated DELETE is taken for a use; `/register` and `/register/` are two things that each
# answer for both; and a schema cannot say that an empty text is a missing one, or a programme exists.
except=use_after_free,unsupported_method,allow_header_conformance
except+=,negative_data_rejection,positive_data_acceptance
cd "$state" # it leaves notes of its own where it runs
"$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run "$url/v1/openapi.json" \
    --header "$header" --exclude-tag operations --exclude-checks "$except" --continue-on-failure "$@"
