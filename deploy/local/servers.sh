# shellcheck shell=bash
# How each of the servers is found, prepared, launched and asked whether it is ready, as a
# process of this machine or as a container.
# Owns: the contents of DIR/SERVICE and each server's settings. Refuses: to decide when; services.sh does.

# rabbitmq2 and rabbitmq3 are further nodes of the cluster that rabbitmq begins.
kind_of() { case $1 in rabbitmq*) echo rabbitmq ;; *) echo "$1" ;; esac; }
is_further() { case $1 in rabbitmq2 | rabbitmq3) true ;; *) false ;; esac; }

package_of() { case $(kind_of "$1") in rabbitmq) echo rabbitmq-server ;; postgres) echo postgresql ;; mariadb) echo mariadb-server ;; esac; }
image_of() { case $(kind_of "$1") in rabbitmq) echo rabbitmq:4-management ;; postgres) echo postgres:17 ;; mariadb) echo mariadb:11 ;; esac; }
# The nodes of a cluster find each other through one name server, the first one's.
ports_of() { case $1 in rabbitmq) echo port api-port dist-port epmd-port ;; rabbitmq*) echo port api-port dist-port ;; *) echo port ;; esac; }

# The last in order of version of the files that exist.
newest() { printf '%s\n' "$@" | sort -V | while IFS= read -r file; do [ ! -e "$file" ] || echo "$file"; done | tail -n 1; }

# The directory of the server's own programs; empty where it is not installed.
programs_of() {
    local found
    case $(kind_of "$1") in
        # Not /usr/sbin/rabbitmq-server: Debian's wrapper insists on su.
        rabbitmq) found=$(newest /usr/lib/rabbitmq/bin/rabbitmq-server /usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server) ;;
        postgres) found=$(newest /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb)
            [ -n "$found" ] || found=$(command -v initdb) || true ;;
        mariadb) found=$(command -v mariadbd) || true
            have mariadb-install-db || found= ;;
    esac
    [ -z "$found" ] || dirname "$found"
}

mode_of() { cat "$DIR/$1/mode" 2>/dev/null || true; }
port_of() { cat "$DIR/$1/${2:-port}"; }
container_of() { echo "referral-$(printf %s "$DIR" | cksum | cut -d ' ' -f 1)-$1"; }

# The server's process as PID:START, where it lives.
process_of() {
    local process
    process=$(cat "$DIR/$1/${2:-process}" 2>/dev/null) && alive "$process" && echo "$process"
}

# An engine's port proxy accepts before its server does, so each server must speak its own protocol.
answers() {
    local port
    port=$(port_of "$1")
    case $(kind_of "$1") in
        rabbitmq) [ "$(first_byte "$port" 'AMQP\0\0\11\1' 0)" = 01 ] \
            && [ "$(first_byte "$(port_of "$1" api-port)" 'GET / HTTP/1.0\r\n\r\n' 0)" = 48 ] ;;
        postgres) postgres_answers "$port" ;;
        mariadb) [ "$(first_byte "$port" '' 4)" = 0a ] ;;
    esac
}

# ---- RabbitMQ ----

rabbitmq_env() {
    local d=$DIR/$1
    RABBITMQ_ENV=(env -i PATH="$PATH" LANG=C.UTF-8 HOME="$d/home"
        RABBITMQ_NODENAME="$(cat "$d/node")" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$(port_of "$1")"
        RABBITMQ_DIST_PORT="$(port_of "$1" dist-port)"
        ERL_EPMD_PORT="$(port_of rabbitmq epmd-port)" ERL_EPMD_ADDRESS=127.0.0.1
        RABBITMQ_MNESIA_BASE="$d/data" RABBITMQ_LOG_BASE="$d/log" RABBITMQ_PID_FILE="$d/pid"
        RABBITMQ_ENABLED_PLUGINS_FILE="$d/plugins" RABBITMQ_CONFIG_FILE="$d/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE=/dev/null
        # The command-line tools take any free port instead of one of eleven that all nodes of the machine share.
        RABBITMQ_CTL_DIST_PORT_MIN=0 RABBITMQ_CTL_DIST_PORT_MAX=0
        # Two schedulers that do not spin while idle: the machine is shared with what is being tested.
        RABBITMQ_CTL_ERL_ARGS="+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -rabbit quorum_tick_interval 1000 -kernel inet_dist_use_interface {127,0,0,1}")
}

# What an engine's node has in common with a native one: small, cheap while idle, and counts of messages
# that the management API and rabbitmqctl give a second late instead of five to ten.
rabbitmq_conf() {
    cat <<'CONF'
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 64000000
collect_statistics_interval = 1000
management.rates_mode = basic
management.sample_retention_policies.global.minute = 1
management.sample_retention_policies.basic.minute = 1
management.sample_retention_policies.detailed.minute = 1
CONF
}

rabbitmq_prepare() {
    local d=$DIR/$1
    mkdir -p "$d/home" "$d/data" "$d/log"
    if is_further "$1"; then
        cp -f "$DIR/rabbitmq/home/.erlang.cookie" "$d/home/.erlang.cookie"
    elif [ ! -e "$d/home/.erlang.cookie" ]; then
        od -An -N20 -tx1 /dev/urandom | tr -d ' \n' >"$d/home/.erlang.cookie"
        chmod 400 "$d/home/.erlang.cookie"
    fi
    # The data belongs to the node's name, which therefore stays when the port has to change.
    [ -e "$d/node" ] || echo "referral-$(port_of "$1")@localhost" >"$d/node"
    echo '[rabbitmq_management].' >"$d/plugins"
    {
        echo "listeners.tcp.1 = 127.0.0.1:$(port_of "$1")"
        echo "management.tcp.ip = 127.0.0.1"
        echo "management.tcp.port = $(port_of "$1" api-port)"
        rabbitmq_conf
    } >"$d/rabbitmq.conf"
}

rabbitmq_launch() {
    local d=$DIR/$1
    rabbitmq_env "$1"
    # Started here, and so known: one that Erlang starts would outlive the node unseen.
    process_of rabbitmq epmd-process >/dev/null \
        || spawn "$DIR/rabbitmq/epmd-process" "$DIR/rabbitmq/log/epmd.log" "${RABBITMQ_ENV[@]}" epmd
    # This variable makes the script become the node instead of its parent.
    spawn "$d/process" "$d/log/console.log" "${RABBITMQ_ENV[@]}" RUNNING_UNDER_SYSTEMD=true "$(programs_of "$1")/rabbitmq-server"
}

# rabbitmq_ctl NODE ARGS...
rabbitmq_ctl() { rabbitmq_env "$1" && "${RABBITMQ_ENV[@]}" "$(programs_of "$1")/rabbitmqctl" "${@:2}"; }

# Once: a node that has joined stays one of the cluster's across its restarts.
rabbitmq_join() {
    [ ! -e "$DIR/$1/joined" ] || return 0
    { rabbitmq_ctl "$1" stop_app && rabbitmq_ctl "$1" reset && rabbitmq_ctl "$1" join_cluster "$(cat "$DIR/rabbitmq/node")" \
        && rabbitmq_ctl "$1" start_app && rabbitmq_ctl "$1" await_startup; } >>"$DIR/$1/log/join.log" 2>&1 || return 1
    touch "$DIR/$1/joined"
}

# In 3.10 this handler asks, while the node stops, for what the stopping node cannot answer: five idle
# seconds. Taken away first, a stop takes one.
rabbitmq_before_stop() {
    rabbitmq_ctl "$1" -q -t 5 eval 'gen_event:delete_handler(rabbit_event, rabbit_mgmt_db_handler, []).' >/dev/null 2>&1 || true
}

# ---- PostgreSQL ----

# Its server refuses root: as root it runs as the user of its package.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then
        AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --init-groups env -i PATH="$PATH" LANG=C.UTF-8 HOME=/)
    else
        AS_POSTGRES=(env -i PATH="$PATH" LANG=C.UTF-8 HOME=/)
    fi
}

postgres_prepare() {
    local d=$DIR/postgres home
    home=$(cat "$d/home" 2>/dev/null) || true
    if [ -z "$home" ] || [ ! -d "$home" ]; then
        home=$d
        if [ "$(id -u)" -eq 0 ]; then
            home=$(mktemp -d /tmp/referral-postgres.XXXXXX)
            chown postgres: "$home"
        fi
        echo "$home" >"$d/home"
    fi
    as_postgres
    # Built aside, so that an interrupted initdb is not taken for a database.
    if [ ! -d "$home/data" ]; then
        rm -rf "$home/new"
        (cd / && "${AS_POSTGRES[@]}" "$(programs_of postgres)/initdb" -D "$home/new" -U postgres -E UTF8 --no-locale -A trust --no-sync) \
            >"$d/log" 2>&1 || return 1
        mv "$home/new" "$home/data"
    fi
}

postgres_launch() {
    local d=$DIR/postgres
    # The caller knows that the server is gone; PostgreSQL itself would take a zombie, or another
    # process under the old number, for it.
    rm -f "$(cat "$d/home")/data/postmaster.pid"
    as_postgres
    spawn "$d/process" "$d/log" "${AS_POSTGRES[@]}" "$(programs_of postgres)/postgres" -D "$(cat "$d/home")/data" \
        -c port="$(port_of postgres)" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c max_connections=300 -c shared_buffers=128MB
}

postgres_answers() {
    local ask=(docker exec "$(container_of postgres)" pg_isready -p 5432)
    if [ "$(mode_of postgres)" = native ]; then ask=("$(programs_of postgres)/pg_isready" -p "$1"); fi
    "${ask[@]}" -q -t 2 -h 127.0.0.1 -U postgres >/dev/null 2>&1
}

# ---- MariaDB ----

mariadb_prepare() {
    local d=$DIR/mariadb
    if [ ! -d "$d/data" ]; then
        rm -rf "$d/new"
        # This method gives root@127.0.0.1 full rights without a password; the database `test` comes along.
        (cd / && mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$d/new" --skip-name-resolve \
            --auth-root-authentication-method=normal) >"$d/log" 2>&1 || return 1
        mv "$d/new" "$d/data"
    fi
}

mariadb_launch() {
    local d=$DIR/mariadb
    # The socket is named relative to the data, so that its path is short in any directory.
    spawn "$d/process" "$d/log" env -i PATH="$PATH" LANG=C.UTF-8 HOME=/ mariadbd --no-defaults --user="$(id -un)" \
        --datadir="$d/data" --socket=mariadb.sock --pid-file="$d/pid" --port="$(port_of mariadb)" --bind-address=127.0.0.1 \
        --skip-name-resolve --max-connections=300 --innodb-buffer-pool-size=256M \
        --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci
}

# ---- Docker: the same services where no package can be had ----

docker_launch() {
    local s=$1 name args=()
    name=$(container_of "$s")
    if docker container inspect "$name" >/dev/null 2>&1; then
        docker start "$name" >/dev/null
        return
    fi
    case $s in
        rabbitmq)
            rabbitmq_conf >"$DIR/rabbitmq/rabbitmq.conf"
            chmod 644 "$DIR/rabbitmq/rabbitmq.conf"
            # The data belongs to the host's name.
            args=(--hostname referral -e "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-rabbit quorum_tick_interval 1000" -p "127.0.0.1:$(port_of rabbitmq):5672" -p "127.0.0.1:$(port_of rabbitmq api-port):15672"
                -v "$DIR/rabbitmq/rabbitmq.conf:/etc/rabbitmq/conf.d/20-referral.conf:ro" "$(image_of rabbitmq)") ;;
        postgres)
            args=(-p "127.0.0.1:$(port_of postgres):5432" -e POSTGRES_HOST_AUTH_METHOD=trust
                "$(image_of postgres)" -c max_connections=300) ;;
        mariadb)
            args=(-p "127.0.0.1:$(port_of mariadb):3306" -e MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1 -e MARIADB_ROOT_HOST=%
                -e MARIADB_DATABASE=test "$(image_of mariadb)"
                --skip-name-resolve --max-connections=300 --innodb-buffer-pool-size=256M) ;;
    esac
    docker run -d --name "$name" "${args[@]}" >>"$DIR/$s/log" 2>&1
}
