# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""One step of a shift, from looking to proof: observe, decide, guard, patch, prove, drain."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..colours import COLOURS, other
from ..kube.transport import RUN_PATIENCE
from ..release import machine
from ..release.journal import Book
from . import guards
from .back import check_room, observe_room
from .drain import Drained, drain
from .entry import FENCE, SHIFT, Entry, annotations_of, colour_services
from .observe import observe_entry
from .patch import Plan, apply, decide
from .probe import Identity, Probe
from .prober import Terms
from .proof import Cutover, Moment, prove
from .state import EntryState

if TYPE_CHECKING:
    from ..kube.client import KubeClient


@dataclass(frozen=True)
class Step:
    """What a step is asked to do."""

    name: str
    entry: Entry
    services: Mapping[str, str]
    colour: str
    weight: int
    from_version: str
    force: str
    probes: Sequence[Probe]
    terms: Terms
    budget: float
    witness: str

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Step:
        entry = Entry.of(params["entry"], params["namespace"], params["port"])
        from_version, force = params["from_version"] or "", params["force"] or ""
        guards.check_request(entry.kind, params["colour"], params["weight"], from_version, force)
        urls, identity = params["urls"] or [], Identity.of(params["identity"] or {})
        guards.check_identity(urls, identity)
        name = params["name"] or entry.name
        return cls(
            name=name,
            entry=entry,
            services=colour_services(name, params["services"]),
            colour=params["colour"],
            weight=params["weight"],
            from_version=from_version,
            force=force,
            probes=[Probe(identity, url["url"], url["address"] or "", url["ca_cert"] or "") for url in urls],
            terms=guards.check_terms(Terms(**params["proof"], grace=RUN_PATIENCE if params.get("run") else 0.0)),
            budget=params["drain"]["budget"],
            witness=guards.check_witness(params["witness"] or ""),
        )

    @property
    def goes_back(self) -> bool:
        return self.colour == "previous"

    @property
    def title(self) -> str:
        """What the ledger calls it."""
        return machine.switch_back(self.name) if self.goes_back else machine.switch(self.name, self.weight)


@dataclass(frozen=True)
class Outcome:
    """What a step did."""

    before: EntryState
    after: EntryState
    plan: Plan
    cutover: Cutover | None = None
    proven_after: float = 0.0
    drained: Drained | None = None
    forced: str = ""

    def report(self) -> dict[str, Any]:
        """The result of the module."""
        return {
            "changed": self.plan.changes,
            "colour": self.plan.target,
            "version": self.after.sides[self.plan.target].version,
            "before": self.before.weights,
            "after": self.after.weights,
            "patch": self.plan.ops,
            "cutover": self.cutover.report(self.proven_after) if self.cutover else {"proven": False},
            "drain": self.drained.report() if self.drained else {},
            "forced": self.forced,
        }

    def record(self) -> dict[str, Any]:
        """What the ledger keeps of it."""
        proof = self.report()["cutover"]
        known = ("proven", "seconds", "last_old_ms", "connections", "failed")
        return {
            "weights": self.after.weights,
            "version": self.after.sides[self.plan.target].version,
            "cutover": {key: proof[key] for key in known if key in proof},
        }

    def diff(self) -> dict[str, Any]:
        header = str(self.before.entry)
        return {
            "before_header": header,
            "after_header": header,
            "before": shown(self.before),
            "after": shown(self.after),
        }


def take(client: KubeClient, step: Step, began: float, book: Book | None = None) -> Outcome:
    """Observe, decide, guard; then patch, prove and drain as one step of the release's book."""
    book = book or Book()
    before = observe_entry(client, step.entry, step.services)
    plan = decide(before, step.colour, step.weight, step.from_version, book.fence)
    guards.check(before, plan, with_urls=bool(step.probes))
    forced = checked_room(client, step, before, plan)
    if plan.stays:
        book = Book()
    seen = {"weights": before.weights, "live": before.sides[before.live].version if before.live else ""}
    if forced:
        seen["forced"] = forced
    with book.step(step.title, seen, plan.ops) as done:
        outcome = replace(carry_out(client, step, before, plan, began), forced=forced)
        done(outcome.record())
    return outcome


def checked_room(client: KubeClient, step: Step, before: EntryState, plan: Plan) -> str:
    """Why traffic goes back to a colour that is too small for it; empty if it is not, or nothing goes back."""
    if not (step.goes_back and plan.changes):
        return ""
    room = observe_room(client, before, plan.target)
    if not step.force:
        check_room(before, plan, room)
    return step.force if room.too_small else ""


def carry_out(client: KubeClient, step: Step, before: EntryState, plan: Plan, began: float) -> Outcome:
    """Patch; then prove and drain, unless the patch was a dry run."""
    after = apply(client, before, plan)
    if client.dry_run:
        return Outcome(before, after, plan)
    patched = Moment.now()
    cutover = prove(client, after, plan, step.probes, step.terms, patched, step.witness)
    proven_after = time.monotonic() - began
    old = before.sides[other(plan.target)]
    drained = None
    if plan.whole and step.budget and old.obj:
        drained = drain(client, step.entry.namespace, old, step.budget, step.witness)
    return Outcome(before, after, plan, cutover, proven_after, drained)


def shown(state: EntryState) -> dict[str, Any]:
    """What a step can change in an entry, for people."""
    picture: dict[str, Any] = {"weights": {colour: state.weights[colour] for colour in COLOURS}}
    if selector := state.obj["spec"].get("selector"):
        picture["selector"] = selector
    if said := {key: text for key, text in annotations_of(state.obj).items() if key in (SHIFT, FENCE)}:
        picture["annotations"] = said
    return picture
