"""Tries with pika what a publisher may and may not do; prints a line each: what, and what came of it.

Usage: rights.py AMQP_URL
"""
import json
import sys
import uuid
from datetime import datetime, timezone

import pika

CODE = "b4b9e071006f409d8e6d"
connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))


def attempt(what, action):
    channel = connection.channel()
    channel.confirm_delivery()
    try:
        print(what, action(channel) or "done", flush=True)
    except pika.exceptions.ChannelClosedByBroker as refused:
        print(what, refused.reply_code, flush=True)


def event(kind, data):
    return json.dumps({
        "specversion": "1.0", "id": str(uuid.uuid4()), "source": "/tests/rights",
        "type": f"referral.{kind}.v1", "time": datetime.now(timezone.utc).isoformat(), "data": data,
    })


def publish(channel, exchange, key, body, **properties):
    properties = pika.BasicProperties(
        content_type="application/cloudevents+json", delivery_mode=2, **properties)
    channel.basic_publish(exchange, key, body, properties, mandatory=True)


def ask(channel):
    """A signup, and its reply by direct reply-to."""
    answers = []
    channel.basic_consume(
        "amq.rabbitmq.reply-to", lambda _c, _m, _p, body: answers.append(body), auto_ack=True)
    publish(channel, "referral.events", "signup", event("signup", {"user_hash": "alice"}),
            reply_to="amq.rabbitmq.reply-to", correlation_id="1")
    while not answers:
        connection.process_data_events(time_limit=1)
    return json.loads(answers[0])[0]["outcome"]


click = event("click", {"code": CODE})
attempt("publish", lambda c: publish(c, "referral.events", "click", click))
for exchange in ["referral.work", "referral.dead", "referral.unrouted", "amq.topic"]:
    attempt(f"publish-{exchange}", lambda c: publish(c, exchange, "billing", "{}"))
attempt("publish-default", lambda c: publish(c, "", "referral.credits", click))
attempt("declare-queue", lambda c: c.queue_declare("referral.mine") and None)
attempt("declare-own", lambda c: c.queue_declare("", exclusive=True) and None)
attempt("declare-exchange", lambda c: c.exchange_declare("referral.mine") and None)
attempt("consume", lambda c: c.basic_get("referral.credits.dead") and None)
attempt("bind", lambda c: c.queue_bind("referral.mail", "referral.events", "click") and None)
attempt("purge", lambda c: c.queue_purge("referral.credits.dead") and None)
attempt("delete", lambda c: c.queue_delete("referral.credits") and None)
attempt("delete-exchange", lambda c: c.exchange_delete("referral.events") and None)
if "--ask" in sys.argv:
    attempt("ask", ask)
connection.close()
