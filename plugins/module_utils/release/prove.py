# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Find the proof of a version in the records of another environment, and hold what runs here against it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import Refused
from ..ledger.sign import SignedHead, signer_of
from ..window.inputs import duration
from . import machine
from .images import unknown, unproven
from .journal import journal
from .live import look
from .proven import Asked, Proof, judge
from .proven_records import Records
from .run import Run

if TYPE_CHECKING:
    from ..kube.client import KubeClient

Report = dict[str, Any]


def verified(params: Mapping[str, Any]) -> Report:
    """The proof; ``params`` are the options of release_proof."""
    given = params["proven_in"]
    asked = Asked(
        system=params["system"],
        version=params["version"],
        environment=given["environment"],
        at=datetime.now(UTC),
        within=duration("proven_in.within", given["within"]),
        stood=duration("proven_in.stood", given["stood"]),
        pinned=params["images"],
        vouch=partial(_vouched, given["signers"]) if given["signers"] else None,
    )
    proof = judge(asked, Records(os.path.join(given["records"], params["system"])))
    return {"proof": proof.report(), "sentence": proof.sentence + "."}


def _vouched(signers: str, release: str, signed: SignedHead) -> str:
    return signer_of(release, signed, signers)


def compared(client: KubeClient, params: Mapping[str, Any], run: Run | None, warn: Callable[[str], None]) -> Report:
    """What runs here, if it was proven; ``Refused`` names every image that was not."""
    proof = Proof.of(params["proof"])
    found = look(client, params["namespace"], params["components"], params["colours"])
    images = {name: list(one.images) for name, one in found.items()}
    where = f"{proof.release} in {proof.environment}"
    if nameless := unknown(images):
        raise Refused(
            f"Nobody can tell whether {proof.version} runs the images that were proven: {'; '.join(nameless)}",
            where=where,
            remedy="look at the pods; what has no image cannot be compared",
        )
    if others := unproven(images, proof.images):
        raise Refused(
            f"{proof.version} is not what was proven in {proof.environment}: {'; '.join(others)}",
            where=where,
            remedy=f"find out who moved the tag, and prove this version in {proof.environment} again",
            images=images,
        )
    with journal(client, run, warn) as book:
        book.note(machine.PROVEN, None, {"by": proof.release, "environment": proof.environment, "images": images})
    sentence = f"{proof.version} runs the images that were proven by {where}."
    return {"proof": proof.report(), "images": images, "sentence": sentence}
