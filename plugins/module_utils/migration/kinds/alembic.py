# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Migrations that Alembic runs, in the image of the new version or from a folder on this machine."""

from __future__ import annotations

from collections.abc import Sequence

from ..decide import DOWN
from ..history import BASE, History
from ..runner import Runner
from .base import Kind, Work


class Alembic(Kind):
    """``program`` is how Alembic is called, for example ``python -m alembic -c /app/alembic.ini``."""

    def __init__(self, runner: Runner, program: Sequence[str]) -> None:
        self.what, self._runner, self._program = runner.what, runner, list(program)

    def history(self) -> History | None:
        if not self._runner.asks_freely:
            return None
        return History.alembic(self._runner.run([*self._program, "history"]))

    def underway(self) -> bool:
        return self._runner.underway()

    def carry_out(self, work: Work) -> str:
        goal = work.plan.goal or ()
        if work.plan.action == DOWN:
            argv = [*self._program, "downgrade", *(goal or (BASE,))]
        else:
            argv = [*self._program, "upgrade", goal[0] if len(goal) == 1 else "heads"]
        return self._runner.run(argv, work.check, changes=True)
