# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a step refuses before anything changes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..colours import COLOURS
from ..errors import Refused
from .entry import Side
from .patch import Plan
from .probe import Identity
from .prober import Terms
from .routers import router_for
from .service import disjoint
from .state import EntryState


def check_request(kind: str, colour: str, weight: int, from_version: str = "", force: str = "") -> None:
    """What needs no look at the cluster."""
    if not 0 <= weight <= 100:
        raise Refused(f"Weight {weight} is not a percentage", remedy="use 0 to 100")
    if weight not in (0, 100) and not router_for(kind).gradual:
        raise Refused(
            f"An entry of kind {kind} gives its traffic to one colour, so it cannot give {weight} % to {colour}",
            remedy="use weight 0 or 100, or an entry that can split traffic, such as an HTTPRoute",
        )
    if colour == "previous" and weight != 100:
        raise Refused(
            f"Going back is whole: colour previous with weight {weight} is neither here nor there",
            remedy="leave weight out, or name the colour: blue or green",
        )
    if from_version and colour != "previous":
        raise Refused(
            f"from_version {from_version} says what to go back from, but colour {colour} does not go back",
            remedy="use it with colour previous only",
        )
    if force and colour != "previous":
        raise Refused(
            f"force ({force}) says why to go back to a colour that is too small, but colour {colour} does not go back",
            remedy="use it with colour previous only",
        )


def check_identity(urls: Sequence[Mapping[str, Any]], identity: Identity) -> None:
    """An answer that cannot be told apart proves nothing."""
    if urls and not (identity.json or identity.header):
        raise Refused(
            "Answers cannot be told apart: identity does not say where they name their version",
            where="option urls",
            remedy="set identity.json or identity.header",
        )


def check_terms(terms: Terms) -> Terms:
    """A proof that asks for nothing would prove nothing."""
    if terms.connections < 1 or terms.seconds < 0 or terms.timeout <= terms.seconds:
        raise Refused(
            f"{terms.connections} connections over {terms.seconds:g} s within {terms.timeout:g} s is no proof",
            where="option proof",
            remedy="use at least one connection and a timeout longer than seconds",
        )
    return terms


def check_witness(path: str) -> str:
    """A witness that was never started is found now, not after the switch."""
    if path:
        from ..witness.log import read

        read(path, since=time.time())
    return path


def check(state: EntryState, plan: Plan, *, with_urls: bool) -> None:
    """What the cluster as observed forbids."""
    for colour in COLOURS:
        if plan.wanted[colour]:
            _check_side(state, state.sides[colour], plan.wanted[colour], with_urls)
    _check_overlap(state)


def _check_side(state: EntryState, side: Side, weight: int, with_urls: bool) -> None:
    where = f"entry {state.entry}, Service {side.service}"
    share = f"{side.colour} cannot get {weight} % of the traffic"
    if side.obj is None:
        raise Refused(
            f"{share}: Service {side.service} does not exist",
            where=where,
            remedy="stage a version on this colour, or correct services",
        )
    if not side.selector:
        raise Refused(
            f"{share}: Service {side.service} selects no pods, so nothing proves who answers",
            where=where,
            remedy="give it the selector of the colour's pods",
        )
    if not side.ready:
        raise Refused(
            f"{share}: no endpoint of Service {side.service} is ready",
            where=where,
            remedy="bring the colour up first (helm_bluegreen with state staged or warm)",
        )
    if with_urls and not side.version:
        raise Refused(
            f"{share}: Service {side.service} does not say which version it runs, so answers cannot be told apart",
            where=where,
            remedy="let helm_bluegreen stage it, or annotate the Service with runbook.release/version",
        )


def _check_overlap(state: EntryState) -> None:
    one, two = (state.sides[colour] for colour in COLOURS)
    if one.selector and two.selector and not disjoint(one.selector, two.selector):
        raise Refused(
            f"Services {one.service} and {two.service} can select the same pods, so neither is one colour",
            where=f"entry {state.entry}",
            remedy="make their selectors want different values of one label",
            selectors={side.service: side.selector for side in (one, two)},
        )
