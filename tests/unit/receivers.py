# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told through, on the loopback interface: a mail server, and a web server that stands in for others.

The web server is also a proxy that ends every tunnel itself, so modules that know only the address of Slack or
PagerDuty reach it, with a certificate in their names by an authority that a test may trust or not.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.server
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMES = ("hooks.slack.com", "slack.com", "events.pagerduty.com", "localhost")


@dataclass
class Mailbox:
    """What arrived."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)


@dataclass
class Posts:
    """What was posted, as host, path and body; ``answer`` is the status and the body of every answer."""

    port: int = 0
    heard: list[tuple[str, str, Any]] = field(default_factory=list)
    answer: tuple[int, Any] = (200, {"ok": True, "ts": "1.1", "channel": "C1", "status": "success"})


class MailSession(socketserver.StreamRequestHandler):
    """One client; ``box`` gets what it sends."""

    box: Mailbox
    tls: Path | None

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
        self.wfile.flush()

    def handle(self) -> None:
        self.say("220 here")
        while line := self.rfile.readline().decode(errors="replace").strip():
            verb, _space, rest = line.partition(" ")
            if verb.upper() == "QUIT":
                self.say("221 bye")
                return
            getattr(self, f"on_{verb.lower()}", self.on_other)(rest)

    def on_ehlo(self, _rest: str) -> None:
        secured = isinstance(self.connection, ssl.SSLSocket)
        offered = ["250-AUTH PLAIN"] if secured else ["250-STARTTLS"] if self.tls else []
        self.say("250-here", *offered, "250 8BITMIME")

    def on_starttls(self, _rest: str) -> None:
        self.say("220 go on")
        self.connection = context_of(self.tls).wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")

    def on_auth(self, rest: str) -> None:
        self.box.logins.append(base64.b64decode(rest.split()[-1]).decode())
        self.say("235 in")

    def on_rcpt(self, rest: str) -> None:
        self.box.recipients.append(rest)
        self.say("250 ok")

    def on_data(self, _rest: str) -> None:
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.box.mails.append(message_from_bytes(b"".join(lines), _class=EmailMessage, policy=policy.default))
        self.say("250 taken")

    def on_other(self, _rest: str) -> None:
        self.say("250 ok")


@contextlib.contextmanager
def mail_server(tls: Path | None = None) -> Iterator[Mailbox]:
    """Takes every mail; with ``tls`` (certificate and key in one file) it offers STARTTLS, and a login after it."""
    box = Mailbox()
    with listening(type("Session", (MailSession,), {"box": box, "tls": tls})) as box.port:
        yield box


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections and says nothing, until the test is over."""
    over = threading.Event()

    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            over.wait()

    with listening(Session) as port:
        try:
            yield port
        finally:
            over.set()


@contextlib.contextmanager
def web_server(tls: Path) -> Iterator[Posts]:
    posts = Posts()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        tunnel = ""

        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.tunnel = self.path
            with contextlib.suppress(OSError):
                self.connection = context_of(tls).wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                self.close_connection = False
                return
            self.close_connection = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.heard.append((self.tunnel.partition(":")[0], self.path, json.loads(body)))
            status, answer = posts.answer
            said = json.dumps(answer).encode()
            self.send_response(202 if "pagerduty" in self.tunnel and status == 200 else status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_PUT = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with listening(Handler) as port:
        posts.port = port
        yield posts


@contextlib.contextmanager
def listening(handler: Any) -> Iterator[int]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False
        allow_reuse_address = True

    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def context_of(tls: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(tls))
    return context


def certificate(folder: Path) -> Path:
    """A certificate in the names of the services, which is its own authority, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in NAMES]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "service.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return file
