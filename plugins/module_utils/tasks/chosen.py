# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What one run of maintenance does: a list by its name, or tasks by theirs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ReleaseError
from ..window.inputs import duration
from .catalogue import Task, mistakes
from .kinds import KINDS

Given = Mapping[str, Any]
LIST = ("name", "every", "windowed", "mode", "backup", "tasks")


@dataclass(frozen=True)
class Chosen:
    """``windowed`` says that it waits for a window; ``longest`` is in seconds, 0 without a limit."""

    name: str
    tasks: tuple[str, ...]
    windowed: bool
    mode: bool
    backup: bool
    longest: float

    def report(self) -> dict[str, Any]:
        return {**asdict(self), "tasks": list(self.tasks)}


def wrong(maintenance: Given, catalogue: Any) -> list[str]:
    """One sentence for everything that is wrong with ``release_tasks`` and ``release_maintenance``."""
    lists = maintenance.get("lists") or []
    if not isinstance(lists, list) or not all(isinstance(one, Mapping) for one in lists):
        return ["release_maintenance.lists is no list of lists."]
    names = [str(one.get("name") or "") for one in lists]
    found = [
        f"List {name} stands in release_maintenance.lists twice."
        for name in sorted(set(names))
        if names.count(name) > 1
    ]
    found += [what for one in lists for what in _of_list(one, maintenance)]
    return found + mistakes(catalogue, {f"list {one.get('name')}": one.get("tasks") for one in lists})


def _of_list(one: Given, maintenance: Given) -> Iterator[str]:
    name = one.get("name")
    if not name:
        yield "A list of release_maintenance has no name."
    for key in one:
        if key not in LIST:
            yield f"List {name} has the key {key}: known are {', '.join(LIST)}."
    if one.get("mode") and not maintenance.get("mode"):
        yield f"List {name} wants the mode of maintenance, and release_maintenance.mode says not how."


def choose(maintenance: Given, catalogue: Any, name: str = "", names: Sequence[str] = ()) -> Chosen:
    """A list, or single tasks; everything that is wrong with any of it is one error.

    What changes anything waits for a window, unless the list says otherwise.
    """
    found = wrong(maintenance, catalogue)
    if bool(name) == bool(names):
        found.append(
            "Say what to do: either maintenance_list, the name of a list, or maintenance_tasks, names of tasks."
        )
    lists = {one.get("name"): one for one in maintenance.get("lists") or [] if isinstance(one, Mapping)}
    if name and name not in lists:
        found.append(f"There is no list {name}: there is {', '.join(map(str, lists)) or 'none'}.")
    found += mistakes(catalogue, {"maintenance_tasks": list(names)}) if names and not found else []
    if found:
        raise ReleaseError(" ".join(found))
    one = lists[name] if name else {"tasks": names}
    tasks = tuple(dict.fromkeys(one["tasks"]))
    alone = [each["name"] for each in catalogue if each["name"] in tasks and KINDS[Task.of(each).kind].own_lock]
    if alone:
        locking = ", ".join(alone)
        raise ReleaseError(f"{locking} takes the lock itself. Do: leave it to an incident, or run rollback.yml.")
    works = any(not Task.of(each).looks for each in catalogue if each["name"] in tasks)
    longest = duration("release_maintenance.longest", maintenance.get("longest") or 0).total_seconds()
    return Chosen(
        name, tasks, bool(one.get("windowed", works)), bool(one.get("mode")), bool(one.get("backup")), longest
    )
