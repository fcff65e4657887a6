# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventories of production ask of a release, and what those of staging leave for it."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.release.plugins.module_utils.release.guards import unguarded

from .test_inventories import SYSTEMS, host


def told(purpose: str, environment: str, system: str) -> list[str]:
    variables = host(environment, system)
    given = {
        "approvals": variables.get("release_approvals", {}).get("before"),
        "windows": variables.get("release_windows"),
        "proof": variables.get("release_proven_in"),
        "without": variables.get("release_without"),
    }
    return unguarded(purpose, variables["release_environment"], given)


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_environment_may_be_released_by_its_own_playbook_only(system: str) -> None:
    assert told("production", "prod", system) == []
    assert told("staging", "staging", system) == []
    assert told("production", "staging", system) != []
    assert told("staging", "prod", system) != []


@pytest.mark.parametrize("system", SYSTEMS)
def test_production_looks_for_its_proof_where_staging_leaves_it_signed(system: str) -> None:
    asked, staging = host("prod", system).get("release_proven_in"), host("staging", system)
    if asked is None:
        assert "staging" in host("prod", system)["release_without"]["proof"]
    else:
        assert asked["environment"] == staging["release_environment"]
        assert asked["records"] == staging["release_record"]
        assert asked["signers"].endswith("/signers/release.allowed_signers")
        assert staging["release_signing_key"]
