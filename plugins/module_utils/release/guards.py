# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Whether an inventory asks of a release what its environment has to ask. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Given = Mapping[str, Any]

PRODUCTION, STAGING = "production", "staging"
CALLED: dict[str, tuple[str, ...]] = {PRODUCTION: ("prod", "production"), STAGING: ("staging", "stage")}
APPROVALS, WINDOWS, PROOF = "approvals", "windows", "proof"
LACKS = {
    APPROVALS: ("release_approvals.before", "nobody has to approve"),
    WINDOWS: ("release_windows", "a release may begin at any time"),
    PROOF: ("release_proven_in", "nothing has to be proven anywhere before"),
}
LEAST_WORDS = 3


def unguarded(purpose: str, environment: str, given: Given) -> list[str]:
    """One sentence for everything that keeps an inventory from being one for ``purpose``, production or staging.

    ``given`` has what is set of ``approvals``, ``windows`` and ``proof``; ``without`` has the reasons for what is not.
    """
    return [*_elsewhere(purpose, environment), *(_open(given) if purpose == PRODUCTION else ())]


def _elsewhere(purpose: str, environment: str) -> Iterator[str]:
    if environment not in CALLED[purpose]:
        yield (
            f"The inventory is for {environment}, and {purpose}.yml is for {' or '.join(CALLED[purpose])}. "
            f"Do: give the inventory of {purpose}, or set release_environment in it."
        )


def _open(given: Given) -> Iterator[str]:
    reasons: Given = given.get("without") or {}
    for name, (variable, what) in LACKS.items():
        reason = str(reasons.get(name) or "")
        if given.get(name) and reason:
            yield f"{variable} is set, and release_without.{name} says why it is not. Do: take one of them away."
        elif not given.get(name) and not reason:
            yield f"{variable} is not set, so {what}. Do: set it, or say in release_without.{name} why not."
        elif not given.get(name) and len(reason.split()) < LEAST_WORDS:
            yield f"release_without.{name} is {reason!r}, which is no reason. Do: write a sentence."
    for name in sorted(set(reasons) - set(LACKS)):
        yield f"release_without.{name} is none of {', '.join(LACKS)}."
