# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods wrote: lines that match, and of how many kinds they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import ReleaseError
from ...kube.kinds import POD
from ..expect import NothingMeasured, kind_digest
from .base import Ask, Readings, Source, World

if TYPE_CHECKING:
    from ...kube.client import KubeClient

KINDS = "kinds"
_LINES, _BYTES = 100_000, 8 * 1024 * 1024
_LONGEST, _MOST, _SHOWN = 200, 500, 20
_ERRORS = r"(?i)\b(error|fatal|panic|critical)\b"
_SAYS = ("level", "severity", "message", "msg", "error", "exception")
_VARIES = re.compile(
    r"""\b\d{4}-\d\d-\d\d[T ]\S+|"[^"]*"|'[^']*'"""
    r"""|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[a-z]*\d)[0-9a-z]{8,}\b|\d+"""
)


@dataclass(frozen=True)
class Logs(Source):
    """Options: `labels`, a selector of pods; `range`: whole seconds back from now that count; `matching`: a regular
    expression for the lines that count, by default those that say error, fatal, panic or critical; `container`, all of
    them if not set; `namespace`.

    Selects: `count` of lines that match; `rate`, the same per time; `kinds` of these lines, which are lines alike but
    for numbers, times, identifiers and what is quoted. Expect of kinds that they are `in baseline`. Where no pod wrote
    a line, or one wrote more than can be read, the verdict is `insufficient`.
    """

    labels: str
    range: int
    matching: str = _ERRORS
    container: str = ""
    namespace: str = ""

    selects: ClassVar[Mapping[str, str | None]] = {"count": "", "rate": "/s", KINDS: None}
    selects_freely: ClassVar[bool] = False

    def check_options(self) -> list[str]:
        mistakes = [] if self.range > 0 else [".range: is not above 0"]
        try:
            re.compile(self.matching)
        except re.error as exc:
            mistakes.append(f".matching: is not a regular expression: {exc}")
        return mistakes

    @property
    def text(self) -> str:
        return f"logs of pods {self.labels} in the last {self.range} s"

    def read(self, ask: Ask, world: World) -> Readings:
        client = world.client().beside(patience=max(ask.left, 0.1))
        lines = list(self._lines(client, world.namespace_of(self.namespace)))
        if not lines:
            raise NothingMeasured("no pod wrote a line in the range")
        pattern = re.compile(self.matching)
        found = [line for line in lines if pattern.search(line)]
        kinds = sorted({kind_of(line) for line in found})
        if len(kinds) > _MOST:
            raise NothingMeasured(f"the lines are of more than {_MOST} kinds; write what they are in matching")
        evidence = {
            "lines": len(lines),
            "matching": len(found),
            "kinds": {kind_digest(one): one for one in kinds[:_SHOWN]},
        }
        values: dict[str, Any] = {"count": len(found), "rate": Fraction(len(found), self.range), KINDS: tuple(kinds)}
        return Readings([values[ask.select]], len(lines), evidence)

    def _lines(self, client: KubeClient, namespace: str) -> Iterator[str]:
        pods = [pod for pod in client.list(POD, namespace, self.labels) if not pod["metadata"].get("deletionTimestamp")]
        if not pods:
            raise NothingMeasured(f"no pod matches in namespace {namespace}")
        for pod in pods:
            name = pod["metadata"]["name"]
            for container in self._containers(pod):
                said = client.logs(name, namespace, container, tail=_LINES, limit=_BYTES, since=self.range)
                lines = [line for line in said.splitlines() if line.strip()]
                if len(said.encode()) >= _BYTES or len(lines) >= _LINES:
                    raise NothingMeasured(f"{name} wrote more than can be read; make range shorter")
                yield from lines

    def _containers(self, pod: Mapping[str, Any]) -> list[str]:
        names = [one["name"] for one in pod["spec"]["containers"]]
        if self.container and self.container not in names:
            raise ReleaseError(f"pod {pod['metadata']['name']} has no container {self.container}")
        return [self.container] if self.container else names


def kind_of(line: str) -> str:
    """The line without what is different each time; of JSON what it says."""
    try:
        given = json.loads(line)
    except ValueError:
        given = None
    if isinstance(given, dict):
        line = " ".join(str(given[name]) for name in _SAYS if given.get(name)) or line
    return _VARIES.sub("#", line).strip()[:_LONGEST]
