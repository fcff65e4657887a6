# SPDX-License-Identifier: GPL-3.0-or-later
"""An application that exposes the metrics a test writes."""

from __future__ import annotations

import http.server
import threading
import time
from typing import Any

MINUTE = 60


class App:
    """Metrics that a test exposes; each scrape that begins shows that the one before is over.

    Every line says when its sample was taken, so that a scrape that fails on a busy machine takes no series away.
    """

    def __init__(self) -> None:
        self._scraped = threading.Condition()
        self._scrapes = 0
        self._text = ""
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_args: Any) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                with app._scraped:
                    app._scrapes += 1
                    text = app._text.format(now=int(1000 * time.time()))
                    app._scraped.notify_all()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def expose(self, text: str) -> None:
        """`{now}` in it is the time of a scrape. Returns when it was scraped."""
        with self._scraped:
            self._text = text
            seen = self._scrapes
            assert self._scraped.wait_for(lambda: self._scrapes >= seen + 3, timeout=MINUTE)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> App:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
