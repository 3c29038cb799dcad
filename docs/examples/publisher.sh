#!/bin/sh
# Publishes events to the referral pipeline, with amqp-publish of Debian's amqp-tools: events.ndjson has an event in CloudEvents
# JSON per line.
#
#     AMQP_URL=amqp://shop:...@broker/%2f sh publisher.sh < events.ndjson
#
# amqp-publish knows no confirms: its 0 says that the broker took the message, not that a quorum has it on disk. For trying,
# and for jobs that may be repeated as a whole.
set -eu

while IFS= read -r event; do
    kind=$(printf '%s\n' "$event" | sed -n 's/.*"type" *: *"referral\.\([a-z]*\)\.v1".*/\1/p')
    [ -n "$kind" ] || { echo "no type: $event" >&2; exit 1; }
    amqp-publish --url "$AMQP_URL" --exchange referral.events --routing-key "$kind" --persistent \
        --content-type application/cloudevents+json --body "$event" </dev/null
done
echo "all sent"
