# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents in OpenSearch or Elasticsearch, counted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar
from urllib.parse import quote

from ...errors import ReleaseError
from ..expect import NothingMeasured
from .api import Api
from .base import Ask, Readings, World

_UNMAPPED = re.compile(r"unmapped fields \[([^\]]+)\]")


@dataclass(frozen=True, kw_only=True)
class OpenSearch(Api):
    """Options, besides those of `Api`: `index`, a name or pattern (all of them); `query` in the syntax of the search
    box, such as `level:ERROR AND service:api`; `range`: whole seconds back from now that count, 0 (default) is all
    time; `time_field` (`@timestamp`).

    Selects: `count` of documents that match; `rate`, the same per time, which needs a range; `health` of the cluster:
    green, yellow or red. Where no document at all was written in the range the verdict is `insufficient`, as it is when
    no index matches, a shard failed, the search ran out of time, or no index has a field that the query names.
    """

    index: str = "*"
    query: str = ""
    range: int = 0
    time_field: str = "@timestamp"

    selects: ClassVar[Mapping[str, str | None]] = {"count": "", "rate": "/s", "health": None}
    selects_freely: ClassVar[bool] = False

    def check_options(self) -> list[str]:
        return super().check_options() + ([".range: is less than 0"] if self.range < 0 else [])

    @property
    def text(self) -> str:
        over = f" in the last {self.range} s" if self.range else ""
        return f"{self.query or 'documents'} in {self.index}{over} at {self.where}"

    def read(self, ask: Ask, world: World) -> Readings:
        if ask.select == "health":
            return self._health(ask, world)
        if ask.select == "rate" and not self.range:
            raise ReleaseError("a rate needs a range", remedy="set range in the source")
        everything = self._count(ask, world, "")
        if not everything:
            raise NothingMeasured("not one document was written" + (" in the range" if self.range else ""))
        count = everything
        if self.query:
            self._require_fields(ask, world)
            count = self._count(ask, world, self.query)
        value = count if ask.select == "count" else Fraction(count, self.range)
        return Readings([value], everything, {"matching": count, "all": everything})

    def _count(self, ask: Ask, world: World, query: str) -> int:
        filters: list[dict[str, Any]] = [_box(query)] if query else []
        if self.range:
            filters.append({"range": {self.time_field: {"gte": f"now-{self.range}s", "lte": "now"}}})
        search = {"size": 0, "track_total_hits": True, "query": {"bool": {"filter": filters}}}
        return _total(self._asked(ask, world, "_search", search))

    def _require_fields(self, ask: Ask, world: World) -> None:
        """A field that no index has matches nothing, however many errors there are."""
        found = self._asked(ask, world, "_validate/query", {"query": _box(self.query)}, explain="true")
        try:
            lacking = [set(_UNMAPPED.findall(one.get("explanation", ""))) for one in found["explanations"]]
        except (KeyError, TypeError) as exc:
            raise ReleaseError("the answer does not explain the query", where=self.where) from exc
        if names := set.intersection(*lacking) if lacking else set():
            raise NothingMeasured(f"no document has the field {', '.join(sorted(names))} that the query names")

    def _asked(self, ask: Ask, world: World, what: str, search: Any, **more: str) -> Any:
        query = {"source": json.dumps(search), "source_content_type": "application/json", **more}
        return self.ask_json(ask, world, f"/{quote(self.index, safe='*,-_.')}/{what}", query)

    def _health(self, ask: Ask, world: World) -> Readings:
        found = self.ask_json(ask, world, "/_cluster/health")
        if not isinstance(found, dict) or found.get("status") not in ("green", "yellow", "red"):
            raise ReleaseError("the answer does not tell the health of a cluster", where=self.where)
        if found.get("timed_out"):
            raise NothingMeasured("the cluster could not tell its health in time")
        return Readings([found["status"]], 1, {"nodes": found.get("number_of_nodes")})


def _box(query: str) -> dict[str, Any]:
    return {"query_string": {"query": query}}


def _total(found: Any) -> int:
    """How many documents a search found, if it looked everywhere."""
    try:
        shards, total = found["_shards"], found["hits"]["total"]
        if not shards["total"]:
            raise NothingMeasured("no index matches")
        if shards["failed"] or found["timed_out"]:
            raise NothingMeasured(f"{shards['failed']} of {shards['total']} shards failed, or the time ran out")
        if total["relation"] != "eq":
            raise NothingMeasured("the documents were not counted to the end")
        return int(total["value"])
    except (KeyError, TypeError) as exc:
        raise ReleaseError("the answer is not one of a search") from exc
