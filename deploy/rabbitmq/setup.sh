#!/usr/bin/env bash
# Users with no more rights than they need, and policies for the queues. Safe to repeat: it sets again what is there.
#
# Owns: the users PIPELINE_USER, PUBLISHER_USER and MONITOR_USER of the virtual host VHOST, their passwords and rights, and
#   the policies `referral-work` and `referral-kept`. Refuses: to remove anything, to touch the queues, and to have a password
#   in a command line or in its output.
#
#   VHOST=/ PUBLISHER_USER=shop PUBLISHER_PASSWORD_FILE=shop.password deploy/rabbitmq/setup.sh
#
#   VHOST                  the virtual host (/); made where it is missing
#   PIPELINE_USER          for AMQP_URL of the programs: the topology `referral.*` and replies
#   PUBLISHER_USER         for upstream systems: may write to the exchange referral.events, and nothing else
#   MONITOR_USER           for dashboards and KEDA: sees everything by the management interface, reads no message
#   …_PASSWORD_FILE        of each: a file with the password, without it …_PASSWORD
#   GROUP_SIZE             members of each queue in a cluster, such as 3 (RabbitMQ 3.13 or later; before: rabbitmq-queues grow)
#   RABBITMQCTL            how to reach the node: `rabbitmqctl`, `docker compose exec -T rabbitmq rabbitmqctl`, …
# A user that is not named is not made.
set -euo pipefail

VHOST=${VHOST:-/}
read -ra ctl <<<"${RABBITMQCTL:-rabbitmqctl}"

# password PREFIX: from the file, or from the environment.
password() {
    local file=$1_PASSWORD_FILE text=$1_PASSWORD
    if [ -n "${!file:-}" ]; then
        head -n 1 "${!file}" | tr -d '\r\n'
    elif [ -n "${!text:-}" ]; then
        printf %s "${!text}"
    else
        echo "$1_PASSWORD_FILE or $1_PASSWORD is missing" >&2
        return 1
    fi
}

# user PREFIX TAGS CONFIGURE WRITE READ: three patterns of names.
user() {
    local prefix=$1 tags=$2 name=$1_USER secret verb=add_user
    shift 2
    name=${!name:-}
    [ -n "$name" ] || return 0
    secret=$(password "$prefix")
    if "${ctl[@]}" -q list_users </dev/null | cut -f 1 | grep -qxF -- "$name"; then verb=change_password; fi
    # The password goes by standard input: others can see command lines.
    printf '%s\n' "$secret" | "${ctl[@]}" -q "$verb" "$name" >/dev/null
    # shellcheck disable=SC2086 # none or one
    "${ctl[@]}" -q set_user_tags "$name" $tags </dev/null
    "${ctl[@]}" -q set_permissions -p "$VHOST" "$name" "$@" </dev/null
    echo "user $name"
}

# policy NAME PATTERN DELIVERY_LIMIT: the limit is the topology's own; of two the lower one would count.
policy() {
    local definition="\"delivery-limit\": $3"
    if [ -n "${GROUP_SIZE:-}" ]; then definition+=", \"target-group-size\": $GROUP_SIZE"; fi
    "${ctl[@]}" -q set_policy -p "$VHOST" --apply-to queues --priority 10 "$1" "$2" "{$definition}" </dev/null
    echo "policy $1"
}

if ! "${ctl[@]}" -q list_vhosts </dev/null | grep -qxF -- "$VHOST"; then "${ctl[@]}" -q add_vhost "$VHOST" </dev/null; fi
# Replies go by the default exchange, which is called amq.default here.
user PIPELINE '' '^referral\.' '^(referral\..*|amq\.default)$' '^referral\.'
# Replies come without a right of their own (direct reply-to).
user PUBLISHER '' '^$' '^referral\.events$' '^$'
user MONITOR monitoring '^$' '^$' '^$'
policy referral-work '^referral\.(daily-records|credits|billing|mail)$' 1000
policy referral-kept '^referral\.(unrouted|.+\.dead)$' 1000000000
