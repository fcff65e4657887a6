# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The services that page people, by their APIs: silences of an Alertmanager, maintenance windows of PagerDuty."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from ..errors import ReleaseError
from ..tor.moments import moment
from ..web import Call, send, without_secrets
from .window import Window, written

PAGERDUTY = "https://api.pagerduty.com"
ACCEPT = {"Accept": "application/vnd.pagerduty+json;version=2"}
AUTHOR = "runbook.release"
PAGE = 100
SHOWN = 300


@dataclass(frozen=True)
class Wire:
    """How a service is reached; ``authorization`` is the whole value of that header."""

    url: str
    authorization: str = ""
    ca_cert: str = ""
    timeout: float = 30.0
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """What was answered, read; an error names what the service said of it."""
        login = {"Authorization": self.authorization} if self.authorization else {}
        body = None if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json", **self.headers, **login}
        url = self.url.rstrip("/") + path
        status, _headers, text = send(Call(url, "", self.ca_cert, method, headers, body), timeout=self.timeout)
        if not 200 <= status < 300:
            said = " ".join(text.decode(errors="replace").split())[:SHOWN]
            raise ReleaseError(
                f"{method} was answered with {status}: {said}",
                where=without_secrets(url),
                remedy="correct the address, the credentials and what the window is about",
            )
        return json.loads(text) if text.strip() else None


@dataclass(frozen=True)
class Alertmanager:
    """A silence is one; ``matchers`` are the labels of the alerts it is about."""

    wire: Wire
    matchers: Mapping[str, str]

    @property
    def about(self) -> frozenset[str]:
        return frozenset(map(_matcher, self._matchers()))

    def windows(self, name: str) -> list[Window]:
        found = self.wire.ask("GET", "/api/v2/silences")
        ours = [one for one in found if one["comment"] == name and one["createdBy"] == AUTHOR]
        return [
            Window(one["id"], moment(one["endsAt"]), frozenset(map(_matcher, one["matchers"])))
            for one in ours
            if one["status"]["state"] != "expired"
        ]

    def _matchers(self) -> list[dict[str, Any]]:
        return [
            {"name": label, "value": value, "isRegex": False, "isEqual": True}
            for label, value in sorted(self.matchers.items())
        ]

    def put(self, name: str, begins: datetime, ends: datetime, ref: str) -> Window:
        body = {"matchers": self._matchers(), "startsAt": written(begins), "endsAt": written(ends), "comment": name}
        body |= {"createdBy": AUTHOR, **({"id": ref} if ref else {})}
        return Window(str(self.wire.ask("POST", "/api/v2/silences", body)["silenceID"]), ends, self.about)

    def end(self, ref: str) -> None:
        self.wire.ask("DELETE", f"/api/v2/silence/{quote(ref, safe='')}")


@dataclass(frozen=True)
class PagerDuty:
    """``services`` are the ids of what is maintained; ``sender`` is the address of a user, in whose name it is done."""

    wire: Wire
    services: tuple[str, ...]
    sender: str

    @property
    def about(self) -> frozenset[str]:
        return frozenset(self.services)

    def windows(self, name: str) -> list[Window]:
        found: list[Any] = []
        more = True
        while more:
            query = urlencode({"query": name, "filter": "open", "limit": PAGE, "offset": len(found)})
            page = self.wire.ask("GET", f"/maintenance_windows?{query}")
            found += page["maintenance_windows"]
            more = bool(page.get("more")) and bool(page["maintenance_windows"])
        return [
            Window(one["id"], moment(one["end_time"]), frozenset(about["id"] for about in one.get("services") or ()))
            for one in found
            if one["description"] == name
        ]

    def put(self, name: str, begins: datetime, ends: datetime, ref: str) -> Window:
        window: dict[str, Any] = {"type": "maintenance_window", "description": name, "end_time": written(ends)}
        window["services"] = [{"id": one, "type": "service_reference"} for one in self.services]
        if not ref:
            window["start_time"] = written(begins)
        path = f"/maintenance_windows/{quote(ref, safe='')}" if ref else "/maintenance_windows"
        answer = self._from().ask("PUT" if ref else "POST", path, {"maintenance_window": window})
        return Window(str(answer["maintenance_window"]["id"]), ends, self.about)

    def end(self, ref: str) -> None:
        self._from().ask("DELETE", f"/maintenance_windows/{quote(ref, safe='')}")

    def _from(self) -> Wire:
        return replace(self.wire, headers={**self.wire.headers, "From": self.sender})


def _matcher(one: Mapping[str, Any]) -> str:
    """As Alertmanager writes it, for example ``namespace="shop"``."""
    equals = one.get("isEqual", True)
    sign = ("=~" if equals else "!~") if one.get("isRegex") else ("=" if equals else "!=")
    return f"{one['name']}{sign}{json.dumps(one['value'], ensure_ascii=False)}"
