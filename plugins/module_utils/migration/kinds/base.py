# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What every kind of migration can be asked for and told to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from ..decide import Plan
from ..history import History
from ..shape import Shape


@dataclass(frozen=True)
class Work:
    """What a kind needs to carry a plan out; ``before`` is the schema an expand must take nothing away from.

    ``check`` ends a long wait by an error once the lock of the release is lost.
    """

    plan: Plan
    before: Shape | None
    check: Callable[[], None]


class Kind(ABC):
    """One way to migrate. Errors say what was kept of the migration."""

    what: str
    """Who knows the revisions, for messages: an image, a folder."""

    @abstractmethod
    def history(self) -> History | None:
        """The revisions it knows; None when nobody can be asked, or must not be in check mode."""

    def underway(self) -> bool:
        """Whether a killed run left it running, so that its own sessions must not stop it from being waited for."""
        return False

    @abstractmethod
    def carry_out(self, work: Work) -> str:
        """Run or take back what the plan says; what was said meanwhile."""
