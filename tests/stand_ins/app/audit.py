# SPDX-License-Identifier: GPL-3.0-or-later
"""Who did what, and how it was answered: in memory, and in the table audit_log when there is a database."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

KEPT = 1000
INSERT = "insert into audit_log (time, action, response_status) values (to_timestamp(%s), %s, %s)"


@dataclass(frozen=True)
class Entry:
    time: float
    action: str
    response_status: int


class Audit:
    def __init__(self, database: str = "") -> None:
        self._kept: deque[Entry] = deque(maxlen=KEPT)
        self._waiting: queue.Queue[Entry] = queue.Queue(KEPT)
        self._database = database
        if database:
            threading.Thread(target=self._write, daemon=True).start()

    def record(self, action: str, status: int) -> None:
        entry = Entry(time.time(), action, status)
        self._kept.append(entry)
        if self._database and not self._waiting.full():
            self._waiting.put(entry)

    def entries(self) -> list[dict[str, Any]]:
        return [asdict(entry) for entry in list(self._kept)]

    def _write(self) -> None:
        """No request waits for the database, and none fails without it."""
        connection: Any = None
        while True:
            entry = self._waiting.get()
            try:
                connection = connection or connect(self._database)
                with connection.cursor() as cursor:
                    cursor.execute(INSERT, (entry.time, entry.action, entry.response_status))
            except Exception as exc:  # the driver's own errors have no name here
                print(f"the audit log was not written: {exc}", file=sys.stderr, flush=True)
                connection = None


def connect(database: str) -> Any:
    import psycopg2  # only an application with a database needs it

    connection = psycopg2.connect(database, connect_timeout=3)
    connection.autocommit = True
    return connection
