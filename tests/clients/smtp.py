"""An SMTP server (aiosmtpd): smtp.py PORT DIRECTORY [--login USER:PASSWORD] [--tls CERTIFICATE KEY].

Writes every message that it was given whole into DIRECTORY, as N.json: envelope, bytes, and what
Python's parser finds in them. With --login nobody else may send; with --tls STARTTLS is required.
What it answers, a recipient's name decides:

nobody       550 5.1.1, always
refused      554 5.7.1 and the link in the message, always
later-N      451 4.7.1, N times
stall-N      nothing, N times
cut-N        the message is kept and the connection cut before the reply, N times
anybody else 250
"""
import argparse
import asyncio
import base64
import email
import email.policy
import json
import logging
import os
import re
import ssl
import warnings

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    def __init__(self, directory):
        self.directory = directory
        self.seen = {}

    def again(self, kind, address):
        """Whether this is one of the first N times of a recipient KIND-N."""
        name = re.fullmatch(kind + r"-(\d+)", address.split("@")[0])
        if name is None:
            return False
        self.seen[address] = self.seen.get(address, 0) + 1
        return self.seen[address] <= int(name[1])

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return f"550 5.1.1 <{address}> is nobody's"
        if self.again("later", address):
            return "451 4.7.1 come later"
        if self.again("stall", address):
            await asyncio.sleep(3600)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text = message.get_body(("plain",)).get_content()
        if envelope.rcpt_tos[0].startswith("refused@"):
            return "554 5.7.1 not this: " + re.search(r"\S+token=\S+", text)[0]
        self.keep(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "headers": [[name, str(value)] for name, value in message.items()],
                "type": message.get_content_type(),
                "text": text,
                "html": message.get_body(("html",)).get_content(),
                "bytes": base64.b64encode(envelope.content).decode(),
                "tls": session.ssl is not None,
                "login": session.auth_data.login.decode() if session.auth_data else None,
            }
        )
        if self.again("cut", envelope.rcpt_tos[0]):
            server.transport.abort()
        return "250 2.0.0 kept"

    def keep(self, message):
        name = os.path.join(self.directory, f"{len(os.listdir(self.directory)):06}.json")
        with open(name + ".new", "w") as file:
            json.dump(message, file)
        os.rename(name + ".new", name)


def authenticator(user, password):
    def authenticate(server, session, envelope, mechanism, data):
        if (data.login.decode(), data.password.decode()) == (user, password):
            return AuthResult(success=True, auth_data=data)
        # As a careless server would.
        told = f"535 5.7.8 {data.password.decode()} is not the password of {data.login.decode()}"
        return AuthResult(success=False, handled=False, message=told)

    return authenticate


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("directory")
    parser.add_argument("--login")
    parser.add_argument("--tls", nargs=2)
    arguments = parser.parse_args()
    options = {}
    if arguments.login:
        authenticate = authenticator(*arguments.login.split(":"))
        options.update(authenticator=authenticate, auth_required=True, auth_require_tls=False)
    if arguments.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*arguments.tls)
        options.update(tls_context=context, require_starttls=True)
    handler = Handler(arguments.directory)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, enable_SMTPUTF8=True, loop=loop, **options),
        "127.0.0.1",
        arguments.port,
    )
    await server.serve_forever()


# It warns of what is meant here: a login without TLS.
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
asyncio.run(main())
