#!/usr/bin/env bash
# Private RabbitMQ, PostgreSQL and MariaDB servers for one directory.
#
# Owns: DIR/SERVICE of each, DIR/env, and the processes or containers started for
#   them. As root PostgreSQL's data lies in a directory of its own below /tmp, because its server
#   refuses root and may not be able to reach DIR; DIR/postgres/home says where.
# Refuses: to touch a server of the machine, to listen on anything but 127.0.0.1, to remove what it
#   did not make, to signal a process that it did not start.
#
# services.sh up DIR SERVICE...          start what does not run, wait until it answers, write DIR/env
# services.sh down DIR [--purge]         stop all, leave no process; --purge removes the data too
# services.sh start|stop DIR SERVICE     stop gracefully; start on the same port with the same data
# services.sh kill|pause|resume DIR SERVICE   SIGKILL, SIGSTOP, SIGCONT to all of the server
# services.sh ctl DIR ARGS...            rabbitmqctl against the private node
# SERVICE is rabbitmq, postgres or mariadb; rabbitmq2 and rabbitmq3 make a cluster with rabbitmq (not in containers).
#
# A missing server is installed (root on Debian) or run from its official image (a Docker engine answers).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=processes.sh
. "$here/processes.sh"
# shellcheck source=servers.sh
. "$here/servers.sh"

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
START_SECS=90 STOP_SECS=30
SERVICES="rabbitmq rabbitmq2 rabbitmq3 postgres mariadb"

usage() { sed -n '/^# services.sh up/,/^# SERVICE is/s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2; }

# ---- one service ----

# Keeps the ports remembered for service $1 where they are free, else picks others.
choose_ports() {
    local name port taken
    for name in $(ports_of "$1"); do
        port=$(cat "$DIR/$1/$name" 2>/dev/null) || true
        rm -f "$DIR/$1/$name"
        taken=" $(cat "$DIR"/*/port "$DIR"/*/*-port 2>/dev/null | tr '\n' ' ' || true) "
        while [ -z "$port" ] || listening "$port" || [ "${taken/ $port /}" != "$taken" ]; do port=$(random_port); done
        echo "$port" >"$DIR/$1/$name"
    done
}

running() {
    case $(mode_of "$1") in
        native) process_of "$1" >/dev/null ;;
        docker) [ "$(docker container inspect -f '{{.State.Running}}' "$(container_of "$1")" 2>/dev/null)" = true ] ;;
        *) return 1 ;;
    esac
}

lock() {
    have flock || return 0
    exec 9>"$DIR/$1/lock"
    flock 9
}

# Decides once how the services are run, installing in one go what is missing.
choose_modes() {
    local s missing=()
    for s; do
        mkdir -p "$DIR/$s"
        [ -n "$(mode_of "$s")" ] || [ -n "$(programs_of "$s")" ] || missing+=("$(package_of "$s")")
    done
    if [ "${#missing[@]}" -gt 0 ] && can_apt; then apt_install "${missing[@]}" || true; fi
    for s; do
        [ -z "$(mode_of "$s")" ] || continue
        if [ -n "$(programs_of "$s")" ]; then
            echo native >"$DIR/$s/mode"
        elif ! is_further "$s" && have docker && docker info >/dev/null 2>&1; then
            echo docker >"$DIR/$s/mode"
        else
            rm -rf "${DIR:?}/$s"
            die "$s: install the package $(package_of "$s") (as root: apt-get install $(package_of "$s")), or start a Docker engine for $(image_of "$s")"
        fi
    done
}

wait_answers() {
    local until=$((SECONDS + START_SECS))
    # The first use of an image downloads it before this wait; the server's own start is what is timed.
    until answers "$1"; do
        running "$1" && [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.1
    done
}

launch() {
    if [ "$(mode_of "$1")" = docker ]; then docker_launch "$1"; else "$(kind_of "$1")_prepare" "$1" && "$(kind_of "$1")_launch" "$1"; fi && wait_answers "$1"
}

up_one() {
    local s=$1 began=$SECONDS
    lock "$s"
    if running "$s"; then
        act resume "$s"
        if wait_answers "$s"; then
            say "$s: already up on 127.0.0.1:$(port_of "$s")"
            return
        fi
        # One that was just about to stop has stopped meanwhile, and is started below.
        if running "$s"; then die "$s: runs but does not answer on port $(port_of "$s")"; fi
    fi
    stop_epmd "$s"
    # A container keeps the ports that it was made with.
    has_container "$s" || choose_ports "$s"
    if ! launch "$s"; then
        # Somebody may have taken a port in the meantime: once more, on others.
        act kill "$s"
        stop_epmd "$s"
        remove_container "$s"
        for name in $(ports_of "$s"); do rm -f "$DIR/$s/$name"; done
        choose_ports "$s"
        launch "$s" || { act kill "$s"; die "$s: did not start; see $DIR/$s/log"; }
    fi
    say "$s: up on 127.0.0.1:$(port_of "$s") ($((SECONDS - began)) s)"
}

start_one() {
    lock "$1"
    running "$1" || launch "$1" || die "$1: did not start again on port $(port_of "$1"); see $DIR/$1/log"
}

# act stop|kill|pause|resume SERVICE: to every process of the server.
act() {
    local what=$1 s=$2 process all verb
    if [ "$(mode_of "$s")" = docker ]; then
        case $what in pause) verb=pause ;; resume) verb=unpause ;; *) verb=$what ;; esac
        running "$s" || return 0
        if [ "$what" = stop ]; then docker unpause "$(container_of "$s")" >/dev/null 2>&1 || true; fi
        docker "$verb" "$(container_of "$s")" >/dev/null 2>&1 || [ "$what" = resume ]
        return
    fi
    process=$(process_of "$s") || return 0
    # The parent first: it must not have another child while its children are listed.
    if [ "$what" = pause ]; then signal STOP "$process"; fi
    all=$(family "$process")
    # shellcheck disable=SC2086
    case $what in
        pause) signal STOP $all ;;
        resume) signal CONT $all ;;
        kill)
            signal KILL $all
            wait_gone 10 $all ;;
        stop)
            signal CONT $all
            if [ "$(kind_of "$s")" = rabbitmq ]; then rabbitmq_before_stop "$s"; fi
            # PostgreSQL: SIGINT ends the sessions of its clients, SIGTERM would wait for them.
            if [ "$s" = postgres ]; then signal INT "$process"; else signal TERM "$process"; fi
            wait_gone "$STOP_SECS" "$process" || signal KILL $all
            wait_gone 5 $all || signal KILL $all
            wait_gone 5 $all ;;
    esac
}

# The name server of RabbitMQ's node stays while the node is restarted.
stop_epmd() {
    local process
    process=$(process_of "$1" epmd-process) || return 0
    signal TERM "$process"
    wait_gone 5 "$process" || signal KILL "$process"
}

has_container() { [ "$(mode_of "$1")" = docker ] && docker container inspect "$(container_of "$1")" >/dev/null 2>&1; }

remove_container() {
    if [ "$(mode_of "$1")" = docker ]; then docker rm -fv "$(container_of "$1")" >/dev/null 2>&1 || true; fi
}

down_one() {
    local s=$1 purge=$2 home
    [ -n "$(mode_of "$s")" ] || return 0
    lock "$s"
    act stop "$s"
    stop_epmd "$s"
    [ "$purge" = yes ] || return 0
    remove_container "$s"
    home=$(cat "$DIR/postgres/home" 2>/dev/null) || true
    case $s:$home in postgres:/tmp/referral-postgres.*) rm -rf "$home" ;; esac
    rm -rf "${DIR:?}/$s"
}

write_env() {
    local file s
    file=$(mktemp "$DIR/.env.XXXXXX")
    {
        if [ -e "$DIR/rabbitmq/port" ]; then
            echo "AMQP_URL=amqp://guest:guest@127.0.0.1:$(port_of rabbitmq)/%2f"
            echo "RABBITMQ_API=http://guest:guest@127.0.0.1:$(port_of rabbitmq api-port)"
        fi
        for s in rabbitmq2 rabbitmq3; do
            [ -e "$DIR/$s/port" ] || continue
            echo "AMQP_URL${s#rabbitmq}=amqp://guest:guest@127.0.0.1:$(port_of "$s")/%2f"
            echo "RABBITMQ_API${s#rabbitmq}=http://guest:guest@127.0.0.1:$(port_of "$s" api-port)"
        done
        [ ! -e "$DIR/postgres/port" ] || echo "POSTGRES_URL=postgres://postgres@127.0.0.1:$(port_of postgres)/postgres"
        [ ! -e "$DIR/mariadb/port" ] || echo "MARIADB_URL=mysql://root@127.0.0.1:$(port_of mariadb)/test"
    } >"$file"
    mv "$file" "$DIR/env"
}

# together COMMAND SERVICE...: all at once; false where one fails.
together() {
    local command=$1 s pid pids=() failed=0
    shift
    for s; do
        # shellcheck disable=SC2086
        (${command/SERVICE/$s}) &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
    return "$failed"
}

# ---- the command line ----

known() { case " $SERVICES " in *" $1 "*) ;; *) say "unknown service: $1"; usage ;; esac; }

enter() {
    DIR=$(cd "$1" 2>/dev/null && pwd) || return 1
    case $DIR in *[[:space:]]*) die "$DIR: RabbitMQ's scripts cannot live in a directory with white space in its name" ;; esac
}

enter_existing() {
    if ! enter "$1" || [ ! -e "$DIR/$2/port" ]; then die "$2: not set up in $1 (services.sh up $1 $2)"; fi
}

main() {
    local command=${1:-} purge=no args=() further=() s
    [ "$#" -ge 2 ] || usage
    shift
    case $command in
        up)
            [ "$#" -ge 2 ] || usage
            for s in "${@:2}"; do known "$s"; done
            mkdir -p "$1"
            enter "$1"
            shift
            choose_modes "$@"
            # The first node goes before those that join it, which they do one after the other.
            for s; do if is_further "$s"; then further+=("$s"); else args+=("$s"); fi; done
            together "up_one SERVICE" "${args[@]}"
            if [ "${#further[@]}" -gt 0 ]; then
                [ -e "$DIR/rabbitmq/port" ] || die "${further[*]}: only together with rabbitmq"
                together "up_one SERVICE" "${further[@]}"
                for s in "${further[@]}"; do rabbitmq_join "$s" || die "$s: did not join; see $DIR/$s/log/join.log"; done
            fi
            write_env ;;
        down)
            for s; do if [ "$s" = --purge ]; then purge=yes; else args+=("$s"); fi; done
            [ "${#args[@]}" -eq 1 ] || usage
            enter "${args[0]}" || return 0
            # The first node's name server goes last: whatever a node still asks would start another one.
            together "down_one SERVICE $purge" rabbitmq2 rabbitmq3
            together "down_one SERVICE $purge" rabbitmq postgres mariadb
            if [ "$purge" = yes ]; then
                rm -f "$DIR/env"
                rmdir "$DIR" 2>/dev/null || true
            fi ;;
        start | stop | kill | pause | resume)
            [ "$#" -eq 2 ] || usage
            known "$2"
            enter_existing "$1" "$2"
            if [ "$command" = start ]; then
                start_one "$2"
            else
                lock "$2"
                act "$command" "$2"
            fi ;;
        ctl)
            enter_existing "$1" rabbitmq
            shift
            if [ "$(mode_of rabbitmq)" = docker ]; then exec docker exec -i "$(container_of rabbitmq)" rabbitmqctl "$@"; fi
            rabbitmq_env rabbitmq
            exec "${RABBITMQ_ENV[@]}" "$(programs_of rabbitmq)/rabbitmqctl" "$@" ;;
        *) usage ;;
    esac
}

main "$@"
