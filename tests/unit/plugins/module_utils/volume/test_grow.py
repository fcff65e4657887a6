# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume grows where that can be, and what cannot be is refused with what to do instead."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.volume.grow import AWAIT, GROW, LEAVE, Claim, decide

GROWS = {"allowVolumeExpansion": True}


def claim(requested: str = "100Gi", capacity: str = "100Gi", phase: str = "Bound", **status: Any) -> Claim:
    spec = {"storageClassName": "fast", "resources": {"requests": {"storage": requested}}}
    return Claim({"spec": spec, "status": {"phase": phase, "capacity": {"storage": capacity}, **status}})


@pytest.mark.parametrize(
    ("found", "size", "act", "said"),
    [
        (claim(), "200Gi", GROW, "it grows from 100Gi to 200Gi"),
        (claim(), "102400Mi", LEAVE, "it has 100Gi"),
        (claim("200Gi"), "200Gi", AWAIT, "200Gi is asked for already, and is awaited"),
        (claim("200Gi", "200Gi"), "200Gi", LEAVE, "it has 200Gi"),
        (claim("50Gi", "100Gi"), "60Gi", GROW, "it grows from 50Gi to 60Gi"),
    ],
)
def test_a_claim_grows_is_awaited_or_left(found: Claim, size: str, act: str, said: str) -> None:
    plan = decide(found, size, GROWS, "here")
    assert (plan.act, plan.sentence) == (act, said)


@pytest.mark.parametrize(
    ("found", "size", "storage_class", "said"),
    [
        (claim(), "50Gi", GROWS, "no volume ever shrinks"),
        (claim("200Gi", "100Gi"), "150Gi", GROWS, "asks for 200Gi already"),
        (claim(), "200Gi", {}, "StorageClass fast does not let its volumes grow"),
        (claim(phase="Pending"), "200Gi", GROWS, "has no volume yet"),
    ],
)
def test_what_cannot_be_is_refused(found: Claim, size: str, storage_class: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        decide(found, size, storage_class, "here")


def test_a_class_that_may_not_be_read_is_left_to_the_api_server() -> None:
    assert decide(claim(), "200Gi", None, "here").act == GROW


def test_a_driver_that_gave_up_is_told() -> None:
    condition = {"type": "ControllerResizeError", "status": "True", "message": "the account has no room"}
    assert claim(conditions=[condition]).problem() == "ControllerResizeError: the account has no room"
    assert (
        claim(allocatedResourceStatuses={"storage": "NodeResizeInfeasible"}).problem()
        == "storage is NodeResizeInfeasible"
    )
    waiting = {"type": "FileSystemResizePending", "status": "True", "message": "a pod has to start"}
    assert claim(conditions=[waiting]).problem() == ""
