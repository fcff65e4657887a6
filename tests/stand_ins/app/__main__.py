# SPDX-License-Identifier: GPL-3.0-or-later
"""A small application that stands in for a real one: its paths, its faults and its manners come from one file."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from app.misbehave import crash, grow
from app.server import Server
from app.settings import mine


def main() -> None:
    settings = mine()
    fault = settings.fault
    if fault.crash and not fault.after:
        crash(settings.version)
    server = Server(settings)
    leave = threading.Event()

    def begin_to_leave(_signal: int, _frame: FrameType | None) -> None:
        server.leaving = True
        leave.set()

    signal.signal(signal.SIGTERM, begin_to_leave)
    signal.signal(signal.SIGINT, begin_to_leave)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(f"version {settings.version} listens on port {server.server_port}", flush=True)
    if fault.crash and not leave.wait(fault.after):
        crash(settings.version)
    if fault.memory_growth and not leave.wait(fault.after):
        grow(fault.memory_growth, leave)
    leave.wait()
    threading.Event().wait(settings.drain)
    server.shutdown()
    server.wait_until_idle()


if __name__ == "__main__":
    main()
