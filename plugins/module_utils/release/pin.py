# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The head of a release's ledger as it is kept outside of the cluster: a tail that is cut off later is seen by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ReleaseError
from ..ledger.chain import Head, root
from ..ledger.mirror import Mirror
from ..ledger.sign import sign
from .run import Run


def pin(run: Run, head: Head, warn: Callable[[str], None]) -> dict[str, Any]:
    """The head for a log; signed, and kept in the mirror, if the run has a key.

    A release goes on without a signature: what keeps a head from being signed or kept is a warning.
    """
    if not run.signing_key:
        return head.report()
    try:
        signed = sign(run.release, head, run.signing_key)
    except ReleaseError as error:
        warn(str(error))
        return head.report()
    if run.mirror:
        try:
            Mirror(run.mirror).keep(signed)
        except ReleaseError as error:
            warn(str(error))
    return signed.report()


def require_signature(run: Run) -> None:
    """Refuse to begin what nobody could vouch for: the head of an empty ledger is signed, and thrown away."""
    if run.signing_key:
        sign(run.release, root(run.release), run.signing_key)
