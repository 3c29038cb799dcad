"""Publishes events to the referral pipeline, with pika: events.ndjson has an event in CloudEvents JSON per line.

    AMQP_URL=amqp://shop:...@broker/%2f python3 publisher.py < events.ndjson

Ends with 0 once the broker has confirmed all of them. Whatever is not confirmed is sent again, byte for byte: an event that
arrives twice counts once.
"""
import itertools
import json
import os
import sys
import time

import pika

EXCHANGE = "referral.events"
BATCH = 500  # events in one message; 1,000 is the limit


def messages(lines):
    """Events of one type that follow each other go together: routing key and body."""
    events = (line.strip() for line in lines if line.strip())
    for kind, group in itertools.groupby(events, lambda event: json.loads(event)["type"]):
        while chunk := list(itertools.islice(group, BATCH)):
            yield kind.split(".")[1], "[" + ",".join(chunk) + "]"


def publish(url, waiting):
    """Publishes the first message until it is confirmed, then the next."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # basic_publish then waits for the broker's word
        while waiting:
            key, body = waiting[0]
            channel.basic_publish(
                EXCHANGE,
                key,
                body.encode(),
                pika.BasicProperties(
                    content_type="application/cloudevents-batch+json",
                    delivery_mode=2,  # on disk
                ),
                mandatory=True,  # a message that no queue takes comes back as an error
            )
            waiting.pop(0)


waiting = list(messages(sys.stdin))
while waiting:
    try:
        publish(os.environ["AMQP_URL"], waiting)
    except pika.exceptions.UnroutableError:
        sys.exit("no queue takes it: the pipeline was never started on this broker")
    except (pika.exceptions.ProbableAuthenticationError, pika.exceptions.ProbableAccessDeniedError) as error:
        sys.exit(f"refused: {error!r}")
    except pika.exceptions.AMQPError as error:
        print(f"again in a second: {error!r}", file=sys.stderr)
        time.sleep(1)
print("all confirmed")
