# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The catalogue of a system, ``release_tasks``: everything that is wrong with it, and one task of it. Pure."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ReleaseError
from ..window.inputs import duration
from .kinds import KINDS

COMMON = ("name", "clause", "consent", "before", "after", "for")


@dataclass(frozen=True)
class Task:
    """One piece of work on a running system; ``seconds`` is how long what is temporary stays, 0 for good.

    ``options`` are what is under the key of its kind, ``looks`` says that it changes nothing.
    """

    name: str
    clause: str
    kind: str
    options: Any
    consent: bool
    before: Sequence[Any]
    after: Sequence[Any]
    seconds: float
    looks: bool

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Task:
        """One entry of a catalogue in which nothing is wrong."""
        kind = next(key for key in given if key not in COMMON)
        return cls(
            name=given["name"],
            clause=str(given.get("clause") or ""),
            kind=kind,
            options=given[kind],
            consent=bool(given.get("consent")),
            before=given.get("before") or [],
            after=given.get("after") or [],
            seconds=duration("for", given.get("for") or 0).total_seconds(),
            looks=KINDS[kind].looks,
        )

    def report(self) -> dict[str, Any]:
        return dict(vars(self))


def task(catalogue: Any, name: str) -> Task:
    """The task of that name; an error says which names there are."""
    wrong = mistakes(catalogue, {"what is asked for": [name]})
    if wrong:
        raise ReleaseError(" ".join(wrong))
    return next(Task.of(one) for one in catalogue if one["name"] == name)


def mistakes(catalogue: Any, named: Mapping[str, Any] | None = None) -> list[str]:
    """One sentence for everything that is wrong.

    ``named`` maps what refers to tasks, in words, to their names.
    """
    if not isinstance(catalogue, list):
        return ["release_tasks is no list of tasks."]
    found: list[str] = []
    for number, one in enumerate(catalogue, 1):
        found += [f"{_title(number, one)} {what}." for what in _of_task(one)]
    names = [str(one["name"]) for one in catalogue if isinstance(one, Mapping) and one.get("name")]
    found += [
        f"Task {name} stands in release_tasks {times} times." for name, times in Counter(names).items() if times > 1
    ]
    for who, wanted in (named or {}).items():
        found += _unknown(who, wanted, names)
    return found


def _title(number: int, one: Any) -> str:
    name = one.get("name") if isinstance(one, Mapping) else None
    return f"Task {name}" if name else f"The {number}. of release_tasks"


def _of_task(one: Any) -> Iterator[str]:
    if not isinstance(one, Mapping):
        yield f"is {one!r}, not a mapping"
        return
    if not isinstance(one.get("name"), str) or not one["name"].strip():
        yield "has no name"
    for key in ("before", "after"):
        if not _criteria(one.get(key) or []):
            yield f"has no list of criteria in {key}"
    if not isinstance(one.get("consent", False), bool):
        yield f"has consent {one['consent']!r}, which is neither true nor false"
    keys = [str(key) for key in one if key not in COMMON]
    unknown = [key for key in keys if key not in KINDS]
    if unknown:
        yield from (f"has the key {key}, {_meant(key, (*COMMON, *KINDS))}" for key in unknown)
    elif len(keys) != 1:
        yield f"says {' and '.join(keys) or 'nothing'} to do: it needs exactly one of {', '.join(KINDS)}"
    else:
        yield from _of_kind(keys[0], one[keys[0]])
        yield from _temporary(keys[0], one)


def _of_kind(name: str, options: Any) -> Iterator[str]:
    kind = KINDS[name]
    if kind.listed:
        if not options or not _criteria(options):
            yield f"has no criteria under {name}"
        return
    if not isinstance(options, Mapping):
        yield f"has {options!r} under {name}, where options belong"
        return
    yield from (f"lacks {name}.{option}" for option in kind.needs if options.get(option) in (None, "", []))
    if kind.one_of and not any(options.get(option) for option in kind.one_of):
        yield f"lacks {name}.{f' or {name}.'.join(kind.one_of)}"
    yield from (
        f"has the option {name}.{option}, {_meant(option, kind.options)}"
        for option in map(str, options)
        if option not in kind.options
    )
    if options.get("names") and options.get("do") not in kind.several:
        yield f"has {name}.names, and only {', '.join(kind.several) or 'nothing'} is done to several"
    command = options.get("command", [])
    if not isinstance(command, list) or not all(isinstance(word, str | int | float) for word in command):
        yield f"has in {name}.command no list of words: it is run without a shell"


def _temporary(name: str, one: Mapping[str, Any]) -> Iterator[str]:
    if one.get("for") is None:
        return
    try:
        seconds = duration("for", one["for"]).total_seconds()
    except ReleaseError as error:
        yield f"has a for that is no duration: {error.what}"
        return
    if not seconds:
        yield "has a for that is over at once"
    kind, options = KINDS[name], one[name]
    does = options.get("do") if isinstance(options, Mapping) else None
    if does not in kind.temporary:
        what = f"{name} ({does})" if does else name
        yield f"has a for, and {what} cannot be temporary: {_can_be()}"


def _can_be() -> str:
    those = [f"{name} ({', '.join(kind.temporary)})" for name, kind in KINDS.items() if kind.temporary]
    return f"only {', '.join(those)} can"


def _criteria(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(one, Mapping) for one in given)


def _unknown(who: str, wanted: Any, names: Collection[str]) -> list[str]:
    if not isinstance(wanted, list | tuple):
        return [f"{_capital(who)} has no list of names of tasks."]
    there = sorted(set(names))
    return [
        f"{_capital(who)} names the task {name}, and there is none: {_meant(str(name), there)}."
        for name in dict.fromkeys(wanted)
        if name not in there
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _meant(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
