# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that look and write in any order, with answers lost and API servers whose clocks disagree.

The model knows what no operator knows: which tokens were given, and when the look before the newest write was.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.errors import Conflict, Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.lock.decide import Plan, Want, decide
from ansible_collections.runbook.release.plugins.module_utils.lock.keep import observe, write
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from .lease_api import LeaseApi, LeaseClient

LEASE = "shop/shop-prod"
TTL = 60


@dataclass
class Operator:
    client: LeaseClient
    token: int | None = None
    plan: Plan | None = None
    looked: datetime | None = None


@dataclass
class Given:
    """Everything the lock ever gave away."""

    tokens: list[int] = field(default_factory=list)
    renewed: datetime | None = None
    live: bool = False


class Operators(RuleBasedStateMachine):
    """Every operator has the same name, which is the worst case: nothing but the token tells them apart."""

    skews = st.just(0.0)

    @initialize(data=st.data(), count=st.integers(2, 3))
    def start(self, data: st.DataObject, count: int) -> None:
        self.api = LeaseApi()
        self.claims = itertools.count()
        self.given = Given()
        self.operators = [Operator(LeaseClient(self.api, skew=data.draw(self.skews))) for _number in range(count)]

    @rule(seconds=st.sampled_from([0.3, 1.0, 7.5, 29.0, 59.9, 61.0, 600.0]))
    def time_passes(self, seconds: float) -> None:
        self.api.pass_time(seconds)

    @rule(number=st.integers(0, 2), state=st.sampled_from(["held", "renewed", "released"]), takeover=st.booleans())
    def look(self, number: int, state: str, takeover: bool) -> None:
        """Observe and decide; the write comes whenever it comes, or never."""
        one = self.operators[number % len(self.operators)]
        token = None if state == "held" else one.token
        if state != "held" and token is None:
            return
        forced: dict[str, Any] = {"takeover": True, "reason": "asked"} if takeover and state == "held" else {}
        want = Want(LEASE, state, "ops@bastion", str(next(self.claims)), ttl=TTL, token=token, **forced)
        have, now = observe(one.client, LEASE)  # type: ignore[arg-type]
        try:
            one.plan = decide(have, want, now)
            one.looked = self.api.now
        except Refused:
            one.plan = None
            if token is not None:
                one.token = None

    @rule(number=st.integers(0, 2), lost=st.booleans())
    def act(self, number: int, lost: bool) -> None:
        one = self.operators[number % len(self.operators)]
        plan, one.plan = one.plan, None
        if plan is None or plan.after is None or not plan.changes:
            return
        one.client.lost = lost
        try:
            after = write(one.client, LEASE, plan.before, plan.after)  # type: ignore[arg-type]
        except (Conflict, ReleaseError):
            return
        finally:
            one.client.lost = False
        self.acquired(one, plan, after.token) if after.token != one.token else self.kept(one, after.holder)

    @rule(lost=st.booleans(), seconds=st.sampled_from([0.0, 59.9, 60.4, 61.0]))
    def race(self, lost: bool, seconds: float) -> None:
        """All look at the same moment, then all write."""
        self.api.pass_time(seconds)
        for number in range(len(self.operators)):
            self.look(number, "held", False)
        for number in range(len(self.operators)):
            self.act(number, lost)

    def acquired(self, one: Operator, plan: Plan, token: int) -> None:
        assert all(token > earlier for earlier in self.given.tokens), "a token came back"
        taken = plan.taken_over
        if self.given.live and (taken is None or taken["why"] != "asked"):
            self.assert_over()
        self.given = Given([*self.given.tokens, token], one.looked, True)
        one.token = token

    def assert_over(self) -> None:
        assert self.given.renewed is not None
        assert self.api.now - self.given.renewed > timedelta(seconds=TTL), "taken from a living holder"

    def kept(self, one: Operator, holder: str) -> None:
        if holder:
            self.given.renewed = one.looked
        else:
            self.given.live = False

    @invariant()
    def one_valid_token(self) -> None:
        if not hasattr(self, "api") or self.api.lease is None:
            return
        newest = int(self.api.lease["metadata"]["annotations"]["runbook.release/token"])
        held = self.api.lease["spec"]["holderIdentity"]
        assert len([one for one in self.operators if held and one.token == newest]) <= 1


class SkewedServers(Operators):
    """Each operator is answered by an API server of its own, up to ten minutes off: tokens stay unique and rising."""

    skews = st.sampled_from([-600.0, -61.0, 0.0, 61.0, 600.0])

    def assert_over(self) -> None:
        """Without one time there is no telling; fencing is what remains."""


QUICK = settings(max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
TestOperators = Operators.TestCase
TestOperators.settings = QUICK
TestSkewedServers = SkewedServers.TestCase
TestSkewedServers.settings = QUICK
