# shellcheck shell=bash
# Processes that outlive the script which starts them, and free ports.
# Owns: what `spawn` started, known by number and start time. Refuses: signals to anything else.

# Below the range of ephemeral ports, so that no client's socket sits on a server's port after its restart.
PORT_FIRST=20000 PORT_COUNT=12000

# Sets stat_state, stat_ppid and stat_start of PID $1; false where there is none.
read_stat() {
    local line
    { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The name may hold blanks and brackets: what follows the last bracket is regular.
    read -r -a stat_fields <<<"${line##*) }"
    stat_state=${stat_fields[0]} stat_ppid=${stat_fields[1]} stat_start=${stat_fields[19]}
}

alive() { read_stat "${1%:*}" && [ "$stat_state" != Z ] && [ "$stat_start" = "${1#*:}" ]; }

# The process $1 and all its descendants, as PID:START.
family() {
    local known=" ${1%:*} " all="$1" grew=1 stat pid
    local -a pids=() parents=() starts=()
    for stat in /proc/[0-9]*/stat; do
        pid=${stat#/proc/} pid=${pid%/stat}
        read_stat "$pid" || continue
        pids+=("$pid") parents+=("$stat_ppid") starts+=("$stat_start")
    done
    while [ "$grew" = 1 ]; do
        grew=0
        for stat in "${!pids[@]}"; do
            case $known in
                *" ${pids[stat]} "*) ;;
                *" ${parents[stat]} "*) known+="${pids[stat]} " all+=" ${pids[stat]}:${starts[stat]}" grew=1 ;;
            esac
        done
    done
    echo "$all"
}

signal() {
    local name=$1 process
    shift
    for process; do
        if alive "$process"; then kill "-$name" "${process%:*}" 2>/dev/null || true; fi
    done
}

# wait_gone SECONDS PROCESS...: false where one still lives then.
wait_gone() {
    local until=$((SECONDS + $1)) process
    shift
    for process; do
        while alive "$process"; do
            [ "$SECONDS" -lt "$until" ] || return 1
            sleep 0.05
        done
    done
}

# spawn FILE LOG COMMAND...: in a session of its own, so that it outlives this script and its terminal.
spawn() {
    local file=$1 log=$2 pid fd
    shift 2
    (
        cd /
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            [ "$fd" -le 2 ] || eval "exec $fd>&-"
        done
        exec setsid "$@"
    ) </dev/null >>"$log" 2>&1 &
    pid=$!
    read_stat "$pid" || return 1
    echo "$pid:$stat_start" >"$file"
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

random_port() { echo $((PORT_FIRST + (RANDOM * 32768 + RANDOM) % PORT_COUNT)); }

# first_byte PORT SEND SKIP: the byte after SKIP others that the server says to SEND, in hexadecimal.
first_byte() {
    # shellcheck disable=SC2016
    timeout 2 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "$2" >&3 && head -c $(($3 + 1)) <&3 | tail -c 1 | od -An -tx1' \
        - "$@" 2>/dev/null | tr -d ' \n'
}
