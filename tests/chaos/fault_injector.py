# SPDX-License-Identifier: GPL-3.0-or-later
"""A fault injector: an API server that answers badly, for those whose kubeconfig names it."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient

HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
TOO_MANY = (429, "TooManyRequests", {"Retry-After": "1"})
BROKEN = (500, "InternalError", {})


class FaultInjector:
    """Stands in front of the API server and spoils the given share of the answers.

    A third of them are a 429, a third a 500, and a third a 500 although the request took effect.
    """

    def __init__(self, share: float) -> None:
        self.spoilt = 0
        self.requests = 0
        self._share = share
        self._chance = random.Random(1)
        self._lock = threading.Lock()
        self._connection = KubeClient().connection

    @contextmanager
    def serving(self, folder: Path) -> Iterator[str]:
        """The kubeconfig of those who are to suffer from it."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = folder / "kubeconfig"
        path.write_text(json.dumps(_kubeconfig(f"http://127.0.0.1:{server.server_port}")))
        try:
            yield str(path)
        finally:
            server.shutdown()

    def fault(self) -> str:
        with self._lock:
            self.requests += 1
            if self._chance.random() >= self._share:
                return ""
            self.spoilt += 1
            return self._chance.choice(("too many", "broken", "broken after it took effect"))

    def forward(self, asked: BaseHTTPRequestHandler) -> Any:
        length = int(asked.headers.get("Content-Length") or 0)
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in HOP_BY_HOP}
        return self._connection.pool.request(
            asked.command,
            self._connection.host + asked.path,
            body=asked.rfile.read(length) if length else None,
            headers={**headers, **self._connection.credential()},
            preload_content=False,
            decode_content=False,
            redirect=False,
            retries=False,
            timeout=180,
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        injector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                fault = injector.fault()
                answer = None if fault in ("too many", "broken") else injector.forward(self)
                if fault:
                    _drain(self, answer)
                    _refuse(self, *(TOO_MANY if fault == "too many" else BROKEN))
                else:
                    _pass_on(self, answer)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_args: object) -> None:
                """Its count is enough."""

        return Handler


def _drain(asked: BaseHTTPRequestHandler, answer: Any) -> None:
    """What was sent and what came back is read, so that the connection can be used again."""
    if answer is None:
        asked.rfile.read(int(asked.headers.get("Content-Length") or 0))
    elif "watch=true" in asked.path:
        answer.close()
    else:
        answer.read()
        answer.release_conn()


def _refuse(asked: BaseHTTPRequestHandler, code: int, reason: str, headers: dict[str, str]) -> None:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    body = json.dumps({**status, "message": "spoilt by the fault injector"}).encode()
    asked.send_response(code)
    for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
        asked.send_header(name, value)
    asked.end_headers()
    asked.wfile.write(body)


def _pass_on(asked: BaseHTTPRequestHandler, answer: Any) -> None:
    """Piece by piece, as a watch has no end."""
    asked.send_response(answer.status)
    for name, value in answer.headers.items():
        if name.lower() not in HOP_BY_HOP:
            asked.send_header(name, value)
    asked.send_header("Transfer-Encoding", "chunked")
    asked.end_headers()
    try:
        for piece in answer.stream(65536):
            asked.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        asked.wfile.write(b"0\r\n\r\n")
        answer.release_conn()
    except OSError:
        asked.close_connection = True
        answer.close()


def _kubeconfig(server: str) -> dict[str, Any]:
    name = "fault-injector"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
