# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.ledger.cluster import Cluster


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()
