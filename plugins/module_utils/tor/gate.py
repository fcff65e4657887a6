# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One gate as tor_validate is asked to hold it, with a policy, a baseline and the release it is part of, or without."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from .baseline import Baseline
from .capture import capture
from .criterion import Criterion
from .evaluate import Gate, evaluate
from .sources.base import World
from .subject import Subject

if t.TYPE_CHECKING:
    from ..kube.client import KubeClient
    from ..policy.engine import Decision
    from ..policy.follow import Policy
    from ..release.run import Run

Params = dict[str, t.Any]


def policy_of(params: Params) -> Policy | None:
    """Imported for those who have one."""
    if params["policy"] is None:
        return None
    from ..policy.follow import Policy

    return Policy.of(params["policy"], params["standing"] or {}, strict=params["fail"])


def measured(
    params: Params,
    criteria: list[Criterion],
    policy: Policy | None,
    world: World,
    check: t.Callable[[], None],
    note: t.Callable[[Decision], None],
) -> Gate:
    if params["state"] == "captured":
        return capture(criteria, world, params["deadline"])
    if not policy:
        return evaluate(criteria, world, params["deadline"], params["hold"], check)
    follower = policy.follower(criteria, world.baseline, note)
    gate = evaluate(criteria, world, params["deadline"], params["hold"], check, follower.see)
    return dataclasses.replace(gate, decision=follower.decision)


def nothing(*_told: t.Any) -> None:
    """For a gate that is no part of a release."""


def in_release(
    params: Params, run: Run, client: KubeClient, look: t.Callable[..., Gate], warn: t.Callable[[str], None]
) -> tuple[Gate, dict[str, t.Any]]:
    """The gate, held under the lock and recorded if it has a name, and what else is returned.

    What this needs takes longer to import than most criteria take, so it is imported here.
    """
    from ..release import machine
    from ..release.journal import journal
    from .baseline_ledger import captured_once

    more: dict[str, t.Any] = {}
    name, component = params["gate"], params["component"]
    with journal(client, run, warn) as book:

        def decided(decision: Decision) -> None:
            book.note(machine.decided(component, decision.action), after=decision.told())

        held = functools.partial(look, book.check, decided if name else nothing)
        if params["state"] == "captured":
            gate, more["baseline"] = captured_once(client, run.namespace, run.release, book, held)
        else:
            gate = held()
            if name:
                book.note(machine.gate(name, component), after=gate.record())
        if head := book.sign():
            more["head"] = head
    return gate, more


def known_baseline(
    params: Params, run: Run | None, compared: bool, connect: t.Callable[[], KubeClient]
) -> dict[str, t.Any] | None:
    """What is given, else what the release kept, if anything is compared with it."""
    if params["baseline"] is not None or not run or params["state"] == "captured" or not compared:
        return t.cast("dict[str, t.Any] | None", params["baseline"])
    from .baseline_ledger import before

    return before(connect(), run.namespace, run.release).baseline


def world_of(params: Params, connect: t.Callable[[], KubeClient], baseline: dict[str, t.Any] | None) -> World:
    about = {name: text for name, text in (params["subject"] or {}).items() if text}
    return World(params["namespace"] or "", connect, Subject(**about).checked(), Baseline.parse(baseline))
