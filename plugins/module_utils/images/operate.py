# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Old images go from a registry: what nobody needs any more, by its digest, and nothing that was tagged meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Refused, ReleaseError
from ..pipeline.forge import Forge
from .decide import Plan, Want, decide
from .observe import observe, tagged
from .registry import Registry

_IMAGE = re.compile(r"[^/\s@]+(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+")

Delete = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    plan: Plan

    def report(self) -> dict[str, Any]:
        gone, kept = len(self.plan.gone), len(self.plan.kept)
        sentence = f"{gone} images are deleted, {kept} stay"
        return {"changed": bool(gone), "plan": sentence, **self.plan.report()}


def operate(registry: Registry, want: Want, delete: Delete, dry: bool = False) -> Outcome:
    """What went, or would in a ``dry`` run."""
    tags = tagged(registry)
    plan = decide(observe(registry, tags, want.live), want)
    if plan.gone and not dry:
        if moved := _moved(tags, tagged(registry)):
            raise Refused(
                f"Tags were written while we looked: {', '.join(moved)}",
                where=registry.name,
                remedy="run this again; nothing was deleted",
            )
        _apply(plan, delete)
    return Outcome(plan)


def parts_of(image: str) -> tuple[str, str]:
    """The host of the registry, and the name there."""
    host, _slash, name = image.partition("/")
    if not _IMAGE.fullmatch(image):
        raise Refused(
            f"{image!r} is no image with its registry", remedy="write it without a tag, like registry.example.com/shop"
        )
    return host, name


def from_packages(forge: Forge) -> Delete:
    """Deletes by the API of GitHub, where a version of the package is called by its digest."""
    numbers: dict[str, int] = {}

    def delete(digest: str) -> None:
        if not numbers:
            numbers.update({str(one["name"]): int(one["id"]) for one in forge.pages("versions", "")})
        if digest in numbers:
            forge.delete(f"versions/{numbers[digest]}")

    return delete


def _moved(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Tags that are new or name something else; one that is gone is not."""
    return sorted(tag for tag, digest in after.items() if before.get(tag) != digest)


def _apply(plan: Plan, delete: Delete) -> None:
    for number, one in enumerate(plan.gone):
        try:
            delete(one.digest)
        except ReleaseError as error:
            error.details["deleted"] = plan.report()["deleted"][:number]
            error.details["changed"] = number > 0
            raise
