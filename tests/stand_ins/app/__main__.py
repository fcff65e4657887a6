# SPDX-License-Identifier: GPL-3.0-or-later
"""A small application that stands in for a real one: its paths, its faults and its manners come from one file."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

from server import Server
from settings import Settings, read


def main() -> None:
    settings = read(os.environ)
    if settings.fault.crash and not settings.fault.after:
        crash(settings)
    server = Server(settings)
    leave = threading.Event()

    def begin_to_leave(_signal: int, _frame: FrameType | None) -> None:
        server.leaving = True
        leave.set()

    signal.signal(signal.SIGTERM, begin_to_leave)
    signal.signal(signal.SIGINT, begin_to_leave)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(f"version {settings.version} listens on port {server.server_port}", flush=True)
    if settings.fault.crash and not leave.wait(settings.fault.after):
        crash(settings)
    leave.wait()
    threading.Event().wait(settings.drain)
    server.shutdown()
    server.wait_until_idle()


def crash(settings: Settings) -> None:
    print(f"fatal: version {settings.version} cannot read its configuration", file=sys.stderr, flush=True)
    os._exit(1)


if __name__ == "__main__":
    main()
