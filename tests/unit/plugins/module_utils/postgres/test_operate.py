# SPDX-License-Identifier: GPL-3.0-or-later
"""What two runs that are about the same backup leave of each other's words about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres import age
from ansible_collections.runbook.release.plugins.module_utils.postgres.decide import VERIFIED, Request
from ansible_collections.runbook.release.plugins.module_utils.postgres.manifest import Check, Manifest
from ansible_collections.runbook.release.plugins.module_utils.postgres.operate import Outcome, operate
from ansible_collections.runbook.release.plugins.module_utils.postgres.server import Server
from ansible_collections.runbook.release.plugins.module_utils.postgres.store.local import LocalStore

from .backups import kept, proof


class Shared(LocalStore):
    """While a run proves a backup, another one amends what is said about it."""

    meanwhile: Callable[[Manifest], Manifest]

    def checked(self, manifest: Manifest) -> list[Check]:
        self.amend(manifest.id, self.meanwhile(self.the(manifest.id)))
        return super().checked(manifest)


@pytest.fixture
def store(tmp_path: Path) -> Shared:
    shared = Shared(str(tmp_path / "backups"))
    kept(shared)
    return shared


def verify(store: Shared, meanwhile: Callable[[Manifest], Manifest], **more: Any) -> Outcome:
    store.meanwhile = meanwhile
    request = Request(VERIFIED, "shop", "shop-1", level="checksum", **more)
    return operate(store, None, request, scratch=cast(Server, object()))


def test_a_pin_that_was_set_during_a_proof_stays(store: Shared) -> None:
    outcome = verify(store, lambda now: replace(now, pinned="the audit"))
    now = store.the("shop-1")
    assert (now.pinned, now.level) == ("the audit", "checksum")
    assert outcome.report()["backup"]["pinned"] == "the audit"


def test_a_pin_does_not_take_back_a_proof(store: Shared) -> None:
    verify(store, lambda now: replace(now, proof=proof("full")), pin="the audit")
    assert (store.the("shop-1").pinned, store.the("shop-1").level) == ("the audit", "full")


def test_a_younger_proof_that_fails_is_not_replaced_by_an_older_one_that_holds(store: Shared) -> None:
    def fails(now: Manifest) -> Manifest:
        return replace(now, proof=replace(proof("restore", ok=False), at=datetime.now(UTC)))

    with pytest.raises(ReleaseError, match=r"backup shop-1 is not good, level restore fails: rows of public\.orders"):
        verify(store, fails)
    assert not age.sound(store.the("shop-1"))


def test_a_proof_that_fails_replaces_one_that_holds_whatever_its_level(store: Shared) -> None:
    archive = Path(store.where) / "shop-1" / "data.dump"
    archive.write_bytes(archive.read_bytes()[::-1])
    with pytest.raises(ReleaseError, match="level checksum fails"):
        verify(store, lambda now: replace(now, proof=proof("full")))
    assert not age.sound(store.the("shop-1"))
