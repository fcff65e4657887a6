# SPDX-License-Identifier: GPL-3.0-or-later
"""One criterion, evaluated; a server that gives the answers a test wrote down; and canaries that are simulated."""

from __future__ import annotations

import contextlib
import http.server
import importlib.util
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.tor.verdict import Verdict

REPORTS = Path(__file__).parent / "reports"
MINUTE = 60

Answer = Callable[[dict[str, str]], Any]
"""From the query to the document, or to None for 404."""


def judge(entry: Mapping[str, Any], world: World | None = None) -> Verdict:
    (verdict,) = evaluate(parse_criteria([{"name": "it", "timeout": MINUTE, **entry}]), world or World()).verdicts
    return verdict


def of(path: Any, source: dict[str, Any], select: str, expect: str, world: World | None = None, **more: Any) -> Any:
    return judge({"source": {**source, "path": str(path), **more}, "select": select, "expect": expect}, world)


@contextlib.contextmanager
def answering(answers: Mapping[str, Answer]) -> Iterator[str]:
    """The URL of a server with these answers by path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *dummy: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            found = answers.get(parts.path, lambda dummy: None)(query)
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def load_simulation() -> Any:
    """The simulation `make bench` prints the table of, which is no package."""
    path = Path(__file__).resolve().parents[4] / "bench" / "judge.py"
    spec = importlib.util.spec_from_file_location("judge_simulation", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
