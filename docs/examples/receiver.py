#!/usr/bin/env python3
"""A billing system's receiver of our webhooks, with Python's standard library alone.

    WEBHOOK_SECRETS=whsec_... LEDGER=ledger.jsonl PORT=9000 python3 receiver.py

Verifies the signature, charges each webhook-id once however often it comes, answers fast.
"""
import base64, hashlib, hmac, json, os, threading, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds that a webhook-timestamp may be off
BODY_MAX = 65536
SECRETS = [base64.b64decode(s.strip().removeprefix("whsec_")) for s in os.environ["WEBHOOK_SECRETS"].split(",")]


class Ledger:
    """A file of what was charged, a line each; written to disk before it counts."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.file = open(path, "a+", encoding="utf-8")
        self.file.seek(0)
        self.seen = {json.loads(line)["webhook_id"] for line in self.file}

    def charge(self, webhook_id, user, amount):
        with self.lock:  # two copies at once: one is charged
            if webhook_id in self.seen:
                return False
            self.file.write(json.dumps({"webhook_id": webhook_id, "user": user, "amount": amount}) + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())
            self.seen.add(webhook_id)
            return True


def is_genuine(headers, body):
    webhook_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not webhook_id or not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    expected = ["v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in SECRETS]
    given = headers.get("webhook-signature", "").split()
    # Every pair, in constant time: secrets rotate on both sides.
    return any([hmac.compare_digest(one, other) for one in expected for other in given])


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections alive

    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        if length > BODY_MAX:
            return self.answer(413)
        body = self.rfile.read(length)
        if not is_genuine(self.headers, body):
            return self.answer(401)
        fields = dict(urllib.parse.parse_qsl(body.decode()))
        # The credited user is in the path: ENDPOINT_CALLBACK_CREDIT_ON_SIGNUP=http://HOST:PORT/credits/%s
        user = urllib.parse.unquote(self.path.rsplit("/", 1)[-1])
        ledger.charge(self.headers["webhook-id"], user, fields["amount"])
        self.answer(204)  # also for a copy: it is charged already

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


ledger = Ledger(os.environ["LEDGER"])
server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Receiver)
print(f"listening at http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
