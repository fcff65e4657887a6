# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server in memory over HTTP on the loopback interface, for what runs in processes of its own."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .api import Api


@contextlib.contextmanager
def served(api: Api, kubeconfig: Path) -> Iterator[None]:
    """Answer to whoever uses ``kubeconfig``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            parts, length = urlsplit(self.path), int(self.headers.get("Content-Length") or 0)
            query = dict(parse_qsl(parts.query))
            asked: Any = SimpleNamespace(
                method=self.command,
                path=parts.path,
                query=query,
                body=json.loads(self.rfile.read(length)) if length else None,
                asked=SimpleNamespace(verb="list" if "labelSelector" in query else "get"),
            )
            given = api.handle(asked)
            self.send_response(given.status)
            self.send_header("Content-Length", str(len(given.data)))
            self.end_headers()
            self.wfile.write(given.data)

        do_GET = do_POST = do_PATCH = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    named = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}, "user": {"token": "x"}}
    context = {"name": "here", "context": {"cluster": "here", "user": "here"}}
    config = {"clusters": [named], "users": [named], "contexts": [context], "current-context": "here"}
    kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
