# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.certificate.renew import (
    AWAIT,
    LEAVE,
    RENEW,
    Certificate,
    asked_for,
    decide,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 86400.0


def certificate(days: float | None, **conditions: str) -> Certificate:
    status: dict[str, Any] = {"revision": 3, "conditions": [{"type": t, "status": s} for t, s in conditions.items()]}
    if days is not None:
        status["notAfter"] = (NOW + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Certificate({"metadata": {"name": "tls", "resourceVersion": "7", "generation": 2}, "status": status})


@pytest.mark.parametrize(
    ("found", "valid_for", "act", "said"),
    [
        (certificate(60, Ready="True"), 30 * DAY, LEAVE, "it is valid for another 60 d, 30 d is enough"),
        (certificate(12, Ready="True"), 30 * DAY, RENEW, "it was valid for 12 d"),
        (certificate(60, Ready="True"), None, RENEW, "it was valid for 60 d"),
        (certificate(60, Ready="False"), 30 * DAY, RENEW, "it was valid for 60 d"),
        (certificate(-2, Ready="False"), 30 * DAY, RENEW, "it ended 2 d ago"),
        (certificate(None), 30 * DAY, RENEW, "it was never issued, and is asked for again"),
        (certificate(60, Ready="True", Issuing="True"), None, AWAIT, "it is being issued already, and is awaited"),
    ],
)
def test_what_is_valid_for_long_enough_is_left_and_what_is_being_issued_is_awaited(
    found: Certificate, valid_for: float | None, act: str, said: str
) -> None:
    plan = decide(found, valid_for, NOW)
    assert (plan.act, plan.sentence) == (act, said)


def test_the_wish_leaves_the_other_conditions_and_fails_if_somebody_was_faster() -> None:
    wish = asked_for(certificate(12, Ready="True", Issuing="False"), NOW)
    assert wish["metadata"] == {"resourceVersion": "7"}
    kept, asked = wish["status"]["conditions"]
    assert kept == {"type": "Ready", "status": "True"}
    assert (asked["type"], asked["status"], asked["observedGeneration"]) == ("Issuing", "True", 2)
