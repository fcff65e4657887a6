# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alerts an Alertmanager knows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from ...errors import ReleaseError
from ..expect import NothingMeasured
from ..moments import SKEW
from .api import Api
from .base import Ask, Readings, World

_SHOWN = 10
_STATES = {
    "firing": ("active", "unprocessed"),
    "silenced": ("suppressed",),
    "alerts": ("active", "suppressed", "unprocessed"),
}


@dataclass(frozen=True, kw_only=True)
class Alertmanager(Api):
    """Options, besides those of `Api`: `matchers`, such as `severity="critical"`, all of which an alert must meet;
    `since`: only alerts that began then, in seconds since the epoch; `watchdog`: name of the alert that always fires
    (Watchdog). When it is not there, silence may as well be a broken connection, and the verdict is `insufficient`;
    an empty text demands none.

    Selects: `firing` alerts, `silenced` (or inhibited) ones, or all `alerts`; the watchdog never counts.
    """

    matchers: tuple[str, ...] = ()
    since: float = 0.0
    watchdog: str = "Watchdog"

    selects: ClassVar[dict[str, str]] = dict.fromkeys(_STATES, "")
    selects_freely: ClassVar[bool] = False

    @property
    def text(self) -> str:
        which = " ".join(["alerts", *self.matchers]) + (f" since {self.since:.3f}" if self.since else "")
        return f"{which} at {self.where}"

    def read(self, ask: Ask, world: World) -> Readings:
        if self.since > time.time() + SKEW:
            raise NothingMeasured("since lies in the future")
        if self.watchdog and not self._alerts(ask, world, [f'alertname="{self.watchdog}"']):
            raise NothingMeasured(f"the alert {self.watchdog} that always fires is not there")
        alerts = self._alerts(ask, world, self.matchers)
        try:
            found = [alert for alert in alerts if self._counts(alert, _STATES[ask.select])]
        except (KeyError, TypeError, ValueError) as exc:
            raise ReleaseError("the answer has no alerts as Alertmanager writes them", where=self.where) from exc
        return Readings([len(found)], 1, [alert["labels"] for alert in found[:_SHOWN]])

    def _counts(self, alert: dict[str, Any], states: tuple[str, ...]) -> bool:
        began = datetime.fromisoformat(alert["startsAt"]).timestamp()
        own = not self.watchdog or alert["labels"].get("alertname") != self.watchdog
        return own and alert["status"]["state"] in states and began >= self.since

    def _alerts(self, ask: Ask, world: World, matchers: list[str] | tuple[str, ...]) -> list[Any]:
        found = self.ask_json(ask, world, "/api/v2/alerts", {"filter": list(matchers)} if matchers else None)
        if not isinstance(found, list):
            raise ReleaseError("the answer is not a list of alerts", where=self.where)
        return found
