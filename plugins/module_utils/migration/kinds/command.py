# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Migrations that a program of the application runs; the kinds ``job`` and ``command`` differ only in where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...errors import Refused
from ..decide import DOWN
from ..history import History
from ..runner import Runner
from .base import Kind, Work


@dataclass(frozen=True)
class Commands:
    """``up`` migrates, ``history`` prints the revisions it knows, ``down`` takes back; ``{to}`` is the goal."""

    up: Sequence[str]
    history: Sequence[str] = ()
    down: Sequence[str] = ()


class Command(Kind):
    """A command of the new version."""

    def __init__(self, runner: Runner, commands: Commands) -> None:
        self.what, self._runner, self._commands = runner.what, runner, commands

    def history(self) -> History | None:
        if not self._commands.history or not self._runner.asks_freely:
            return None
        return History.listed(self._runner.run(self._commands.history))

    def underway(self) -> bool:
        return self._runner.underway()

    def carry_out(self, work: Work) -> str:
        argv = self._commands.down if work.plan.action == DOWN else self._commands.up
        if not argv:
            raise Refused(
                "There is no command that takes the migration back. Nothing was changed",
                where=self.what,
                remedy="set down to that command, or restore the backup from before",
            )
        goal = ", ".join(work.plan.goal or ())
        return self._runner.run([word.replace("{to}", goal) for word in argv], work.check, changes=True)
