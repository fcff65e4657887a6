# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in that is asked for something all the time."""

from __future__ import annotations

import contextlib
import random
import threading
import urllib.request
from dataclasses import replace

from app.endpoint import Endpoint
from app.server import Server
from app.settings import Fault, Settings
from services.debian import free_port

RATE, PATIENCE = 30, 10
GOOD = Fault()


class Application:
    """At `address` until it is closed. So many `users` together ask `RATE` times a second, as long as it is fast."""

    def __init__(self, fault: Fault = GOOD, users: int = 1) -> None:
        self._over = threading.Event()
        self._server = Server(Settings("1.0.0", port=free_port(), endpoints={"/": Endpoint()}, fault=fault))
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        for _user in range(users):
            threading.Thread(target=self._ask, args=(RATE / users,), daemon=True).start()

    @property
    def fault(self) -> Fault:
        return self._server.settings.fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._server.settings = replace(self._server.settings, fault=fault)

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def _ask(self, rate: float) -> None:
        while not self._over.wait(random.expovariate(rate)):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{self.address}/", timeout=PATIENCE).close()
