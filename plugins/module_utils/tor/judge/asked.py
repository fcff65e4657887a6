# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The criteria of a gate, with what only the release knows: its versions, its witness, and who shares alpha. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..expect import ExpectError, InBaseline, OfBaseline
from ..grammar import parse

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Gate:
    """Where criteria are asked. `previous` is the version that still has a share of the traffic, empty if none has.

    `witness` is the witness's folder and `since` when traffic moved. The judge is asked `times` in the release, of
    each criterion; not `judged` where it cannot have heard anything yet. `compared` says whether there was a version
    before, out of which a baseline could be captured.
    """

    version: str
    previous: str = ""
    witness: str = ""
    since: float = 0.0
    times: int = 1
    judged: bool = True
    compared: bool = True


def asked(criteria: Sequence[Any], gate: Gate) -> list[Any]:
    """What has to hold at this gate; what a criterion says itself stays."""
    shared = gate.times * sum(map(is_judged, criteria))
    kept = [one for one in criteria if gate.judged or not is_judged(one)]
    kept = [one for one in kept if gate.compared or not is_compared(one)]
    return [_filled(one, gate, shared) if is_judged(one) else one for one in kept]


def is_judged(criterion: Any) -> bool:
    return isinstance(criterion, Mapping) and _source(criterion).get("kind") == "judge"


def is_witnessed(criterion: Any) -> bool:
    """Whether it judges what the witness of the release hears, and nothing that was measured elsewhere."""
    return is_judged(criterion) and not any(_source(criterion).get(name) for name in ("url", "service", "path"))


def is_compared(criterion: Any) -> bool:
    """Whether it refers to a baseline; a criterion that cannot be read is left to whoever reads them all."""
    try:
        return isinstance(criterion, Mapping) and isinstance(parse(criterion.get("expect")), OfBaseline | InBaseline)
    except ExpectError:
        return False


def _filled(criterion: Given, gate: Gate, shared: int) -> dict[str, Any]:
    own = _source(criterion)
    known: dict[str, Any] = {"canary": gate.version, "metrics": max(1, shared), "since": gate.since}
    if gate.previous not in ("", gate.version):
        known["baseline"] = gate.previous
    if is_witnessed(criterion):
        known["path"] = gate.witness
    return {**criterion, "source": {**known, **own}}


def _source(criterion: Given) -> Given:
    source = criterion.get("source")
    return source if isinstance(source, Mapping) else {}
