# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A release stuck in a pending state: whether its Helm process may still be alive.

Helm takes no lock; it writes a pending revision, works, and writes the outcome. A process that was killed leaves
the pending revision behind and every later operation is turned away. The rule here: an operation never outlives
its own timeout, so a record that has not moved for longer than that has no owner. Only the idle colour is ever
recovered; the live one is not written at all.

Who holds the lock of a release is alone: whoever began the operation held it before, and is dead or has been told to
stop. Helm dies with who started it, however that was killed. Then there is nobody to wait for.
"""

from __future__ import annotations

from ..errors import Refused
from .record import Revision


def is_abandoned(revision: Revision, now: float, timeout: float, alone: bool = False) -> bool:
    """Whether the pending revision may be marked failed; Refused while its owner may be alive."""
    if not revision.pending:
        return False
    age = now - revision.modified
    if age < timeout and not alone:
        raise Refused(
            f"Release {revision.release} is {revision.status} since {age:.0f} s: another Helm operation may be running",
            where=f"Secret {revision.secret}",
            remedy=f"wait for it to end; after {timeout:.0f} s (the option timeout) without a change it counts as dead "
            "and is recovered",
        )
    return True
