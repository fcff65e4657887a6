# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove a backup: its files, that they can be decoded, and that what comes back is what was there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .manifest import Manifest, Proof

if TYPE_CHECKING:
    from .server import Server
    from .store.base import Store


def prove(
    server: Server,
    store: Store,
    manifest: Manifest,
    level: str,
    scratch_server: Server | None = None,
    *,
    identity: str = "",
    jobs: int = 1,
) -> Proof:
    """Every check up to ``level``, ending after the first level of which one fails: see ``Proof.holds``.

    ``identity``: file with the age identity, for an encrypted backup. The scratch database is on ``scratch_server``, or
    beside the live one, and is always dropped.
    """
    raise NotImplementedError


def sweep_scratch(server: Server) -> list[str]:
    """Drop scratch databases whose maker is gone; their names."""
    raise NotImplementedError
