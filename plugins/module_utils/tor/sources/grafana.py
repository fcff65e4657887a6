# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dashboard of Grafana: is it there, and do its panels have data?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar
from urllib.parse import quote

from ...errors import ReleaseError
from ..expect import NothingMeasured
from .api import Api
from .base import Ask, Readings, World

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))|\[\[(\w+)\]\]")
_ALL = "$__all"
_SHOWN = 10
_MOST_FOUND = 5000

Obj = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Grafana(Api):
    """Options, besides those of `Api` (by `url` only): `dashboard`: its title or uid; `range`: seconds back from now
    (3600) in which a panel must have data; `variables` of the dashboard, by default as it was saved.

    Selects: `exists` (true or false); `panels` with queries; `empty_panels` of them, without data or with an error;
    `data_share` of them, which have data. A dashboard without a panel that asks for data is `insufficient`.
    """

    dashboard: str
    range: float = 3600.0
    variables: dict[str, str] = field(default_factory=dict)

    selects: ClassVar[Mapping[str, str | None]] = {
        "exists": None,
        "panels": "",
        "empty_panels": "",
        "data_share": "share",
    }
    selects_freely: ClassVar[bool] = False

    def check_options(self) -> list[str]:
        mistakes = super().check_options()
        if self.service:
            mistakes.append(".service: Grafana is asked by url only")
        return mistakes + ([".range: is not more than 0"] if self.range <= 0 else [])

    @property
    def text(self) -> str:
        return f"dashboard {self.dashboard} at {self.where}"

    def read(self, ask: Ask, world: World) -> Readings:
        uid = self._uid(ask, world)
        if ask.select == "exists":
            return Readings([bool(uid)], 1, {"uid": uid})
        if not uid:
            raise ReleaseError(f"there is no dashboard {self.dashboard}", where=self.where)
        model = self._object(ask, world, f"/api/dashboards/uid/{quote(uid, safe='')}").get("dashboard") or {}
        variables = {**_saved_variables(model), **self.variables}
        panels = list(_panels(model))
        if not panels:
            raise NothingMeasured("no panel of it asks for data")
        if ask.select == "panels":
            return Readings([len(panels)], len(panels), {"uid": uid})
        empty = [(_title(panel), why) for panel in panels if (why := self._lacks(ask, world, panel, variables))]
        count = len(empty)
        value = count if ask.select == "empty_panels" else 1 - Fraction(count, len(panels))
        return Readings([value], len(panels), {"uid": uid, "empty": dict(empty[:_SHOWN])})

    def _uid(self, ask: Ask, world: World) -> str:
        """The uid of the dashboard with this title, or with this uid; empty when there is neither."""
        titled = [uid for title, uid in self._search(ask, world, {"query": self.dashboard}) if title == self.dashboard]
        if len(titled) > 1:
            raise ReleaseError(f"{len(titled)} dashboards are called {self.dashboard}", remedy="name the uid of one")
        if titled:
            return titled[0]
        found = self._search(ask, world, {"dashboardUIDs": self.dashboard})
        return self.dashboard if any(uid == self.dashboard for _title, uid in found) else ""

    def _search(self, ask: Ask, world: World, query: Mapping[str, str]) -> list[tuple[str, str]]:
        """Titles and uids."""
        found = self.ask_json(ask, world, "/api/search", {"type": "dash-db", "limit": _MOST_FOUND, **query})
        try:
            if not isinstance(found, list):
                raise TypeError
            return [(str(one["title"]), str(one["uid"])) for one in found]
        except (KeyError, TypeError) as exc:
            raise ReleaseError("the answer is not a list of dashboards", where=self.where) from exc

    def _object(self, ask: Ask, world: World, path: str, body: Any = None) -> Obj:
        found = self.ask_json(ask, world, path, body=body)
        if not isinstance(found, dict):
            raise ReleaseError("the answer is not one of Grafana", where=self.where)
        return found

    def _lacks(self, ask: Ask, world: World, panel: Obj, variables: Mapping[str, str]) -> str:
        """Why a panel has no data; empty when it has."""
        queries = [
            {
                "refId": f"Q{place}",
                "datasource": panel.get("datasource"),
                "intervalMs": max(1000, round(self.range * 1000 / 100)),
                "maxDataPoints": 100,
                **{key: value for key, value in target.items() if key != "refId"},
            }
            for place, target in enumerate(_targets(panel))
        ]
        body = {"queries": _filled(queries, variables), "from": f"now-{max(1, round(self.range))}s", "to": "now"}
        try:
            results = self._object(ask, world, "/api/ds/query", body).get("results") or {}
        except ReleaseError as exc:
            if "the answer was 400" in exc.what:
                return exc.what
            raise
        errors = [str(result["error"]) for result in results.values() if result.get("error")]
        if errors:
            return errors[0]
        return "" if any(_has_data(frame) for one in results.values() for frame in one.get("frames") or []) else "empty"


def _panels(model: Obj) -> Iterator[Obj]:
    """Those that ask for data, also inside collapsed rows."""
    for panel in model.get("panels") or []:
        if panel.get("type") == "row":
            yield from _panels(panel)
        elif _targets(panel):
            yield panel


def _targets(panel: Obj) -> list[Obj]:
    return [target for target in panel.get("targets") or [] if not target.get("hide")]


def _title(panel: Obj) -> str:
    return str(panel.get("title") or f"panel {panel.get('id')}")


def _saved_variables(model: Obj) -> dict[str, str]:
    """The values the dashboard was saved with; several are alternatives of a regular expression."""
    found = {}
    for variable in (model.get("templating") or {}).get("list") or []:
        value = (variable.get("current") or {}).get("value", "")
        values = value if isinstance(value, list) else [value]
        if _ALL in values:
            found[str(variable["name"])] = str(variable.get("allValue") or ".*")
        else:
            found[str(variable["name"])] = str(values[0]) if len(values) == 1 else f"({'|'.join(map(str, values))})"
    return found


def _filled(queries: Any, variables: Mapping[str, str]) -> Any:
    """The queries with the variables of the dashboard put in; what Grafana knows by itself stays."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        return json.dumps(variables[name])[1:-1] if name in variables else match[0]

    return json.loads(_VARIABLE.sub(value, json.dumps(queries)))


def _has_data(frame: Obj) -> bool:
    """Whether any field but the time has a value."""
    fields = (frame.get("schema") or {}).get("fields") or []
    columns = (frame.get("data") or {}).get("values") or []
    return any(
        value is not None
        for place, column in enumerate(columns)
        if not (place < len(fields) and fields[place].get("type") == "time")
        for value in column
    )
