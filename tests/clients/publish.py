"""Publishes messages with pika: publish.py AMQP_URL, on stdin a JSON array of
{key, content_type, headers: [[name, value]], body}. Every message is persistent, mandatory and
confirmed; anything else ends it with a traceback."""
import json
import sys

import pika

connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
channel.confirm_delivery()
for message in json.load(sys.stdin):
    channel.basic_publish(
        exchange="referral.events",
        routing_key=message["key"],
        body=message["body"].encode(),
        properties=pika.BasicProperties(
            content_type=message["content_type"],
            headers=dict(message["headers"]),
            delivery_mode=2,
        ),
        mandatory=True,
    )
connection.close()
