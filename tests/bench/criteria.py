# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to hold a gate: `tor_validate` as Ansible starts it, against a server that takes its time."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from runner import Line

MODULE, PEER = "runbook.release.tor_validate", "ansible.builtin.uri"
STARTS, GATES, CROWDS = 10, 5, 3
ANSWER_SECONDS = 0.2
MIB = 1024.0


class Server(http.server.ThreadingHTTPServer):
    """Remembers when the first request came."""

    daemon_threads = True
    request_queue_size = 1024
    seconds = 0.0
    first = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.server.first = self.server.first or time.time()
        time.sleep(self.server.seconds)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


@contextlib.contextmanager
def serving(seconds: float) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        server.seconds = seconds
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


@dataclass(frozen=True)
class Ended:
    """A module that has ended: when it was started (epoch), how long it ran, and the most memory it had."""

    began: float
    seconds: float
    mebibytes: float


@contextlib.contextmanager
def module(name: str, arguments: dict[str, Any]) -> Iterator[Callable[[], Ended]]:
    """A module with its arguments, packed as Ansible sends it; call it to run it."""
    packed = _packed(name, arguments)

    def run() -> Ended:
        began = time.time()
        process = subprocess.Popen([sys.executable, file.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        with process, process.stdout or contextlib.nullcontext() as stream:
            said = stream.read() if stream else b""
            _pid, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or json.loads(said).get("passed") is False:
            sys.exit(f"a module that had to succeed ended with {process.returncode}:\n{said[-2000:]!r}")
        return Ended(began, time.time() - began, used.ru_maxrss / MIB)

    with tempfile.NamedTemporaryFile(suffix=".py") as file:
        file.write(packed)
        file.flush()
        yield run


def _packed(name: str, arguments: dict[str, Any]) -> bytes:
    from ansible.executor.module_common import modify_module
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import module_loader
    from ansible.template import Templar

    found = module_loader.find_plugin_with_context(name)
    built = modify_module(
        module_name=name,
        module_path=found.plugin_resolved_path,
        module_args=arguments,
        templar=Templar(DataLoader()),
        task_vars={"ansible_python_interpreter": sys.executable},
        module_compression="ZIP_DEFLATED",
    )
    return bytes(built.b_module_data)


def answered(server: Server, count: int) -> dict[str, Any]:
    source = {"kind": "http", "url": server.url}
    criteria = [{"name": f"answer {n}", "source": source, "select": "status", "expect": 200} for n in range(count)]
    return {"criteria": criteria}


def start() -> Iterator[Line]:
    """In turns with the module that asks one URL, which says how busy the machine is."""
    ours: list[float] = []
    peers: list[float] = []
    with serving(0) as server, module(MODULE, answered(server, 1)) as own, module(PEER, {"url": server.url}) as peer:
        for run, values in [(own, ours), (peer, peers)] * STARTS:
            server.first = 0.0
            began = run().began
            values.append(server.first - began)
    ratio = round(sum(ours) / sum(peers), 3)
    yield Line(
        "tor_validate: process start to the first request",
        ours,
        "s",
        0.4,
        statistic="median",
        peer={"name": PEER, "values": peers, "ratio": ratio},
    )


def gate() -> Iterator[Line]:
    with serving(ANSWER_SECONDS) as server, module(MODULE, answered(server, 50)) as run:
        values = [run().seconds for _round in range(GATES)]
    yield Line("tor_validate: 50 criteria that wait 200 ms each, process start to end", values, "s", 1.5)


def crowd() -> Iterator[Line]:
    with serving(ANSWER_SECONDS) as server, module(MODULE, answered(server, 1000)) as run:
        ended = [run() for _round in range(CROWDS)]
    yield Line("tor_validate: memory for 1,000 criteria in one call", [one.mebibytes for one in ended], "MiB", 150)
    yield Line("tor_validate: 1,000 criteria that wait 200 ms each", [one.seconds for one in ended], "s")


def criteria() -> Iterator[Line]:
    for measure in (start, gate, crowd):
        yield from measure()
