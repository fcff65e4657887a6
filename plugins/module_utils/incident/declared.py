# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a system says about its incidents: the variable release_incidents, read without judging it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Refused
from ..window.inputs import duration

Given = Mapping[str, Any]

SCALE = ("critical", "high", "medium", "low")
OTHER = "other"


@dataclass(frozen=True)
class Severity:
    """``name`` is the system's own word, ``scale`` the word all systems share; spans in seconds, 0 for none."""

    name: str
    scale: str
    respond: int = 0
    resolve: int = 0
    update: int = 0
    tells: tuple[str, ...] = ()
    rollback: bool = False

    @classmethod
    def of(cls, given: Given) -> Severity:
        name = str(given["name"])
        spans = {key: _seconds(f"{name}.{key}", given.get(key)) for key in ("respond", "resolve", "update")}
        return cls(
            name, str(given["scale"]), tells=_texts(given, "tells"), rollback=bool(given.get("rollback")), **spans
        )

    def limits(self) -> dict[str, int]:
        return {"respond": self.respond, "resolve": self.resolve, "update": self.update}


@dataclass(frozen=True)
class Remedy:
    """A task an incident calls for; ``back`` is the task that takes it back, empty if it needs none or is temporary."""

    task: str
    back: str = ""

    @classmethod
    def of(cls, given: Any) -> Remedy:
        return cls(str(given["task"]), str(given.get("back") or "")) if isinstance(given, Mapping) else cls(str(given))


@dataclass(frozen=True)
class Type:
    """One kind of incident; ``symptoms`` are criteria that hold while all is well."""

    name: str
    severity: str = ""
    title: str = ""
    impact: str = ""
    security: bool = False
    affected: tuple[str, ...] = ()
    symptoms: tuple[Given, ...] = ()
    evidence: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    contain: tuple[Remedy, ...] = ()
    follow_up: tuple[str, ...] = ()
    contact: str = ""

    @classmethod
    def of(cls, given: Given) -> Type:
        def text(key: str) -> str:
            return str(given.get(key) or "")

        def remedies(key: str) -> tuple[Remedy, ...]:
            return tuple(map(Remedy.of, given.get(key) or ()))

        return cls(
            name=str(given["name"]),
            severity=text("severity"),
            title=text("title"),
            impact=text("impact"),
            security=bool(given.get("security")),
            affected=_texts(given, "affected"),
            symptoms=tuple(given.get("symptoms") or ()),
            evidence=_texts(given, "evidence"),
            remedies=remedies("remedies"),
            contain=remedies("contain"),
            follow_up=_texts(given, "follow_up"),
            contact=text("contact"),
        )

    def remedy(self, task: str) -> Remedy | None:
        return next((one for one in (*self.contain, *self.remedies) if one.task == task), None)

    def contains(self, task: str) -> bool:
        return any(one.task == task for one in self.contain)


@dataclass(frozen=True)
class Step:
    """Whom an incident that nobody has acknowledged is passed on to, ``after`` so many seconds."""

    role: str
    contact: str
    after: int
    tells: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Given) -> Step:
        after = _seconds(f"{given['role']}.after", given.get("after"))
        return cls(str(given["role"]), str(given.get("contact") or ""), after, _texts(given, "tells"))


@dataclass(frozen=True)
class Declared:
    severities: tuple[Severity, ...] = ()
    types: tuple[Type, ...] = ()
    escalation: tuple[Step, ...] = ()
    channels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Given) -> Declared:
        return cls(
            tuple(Severity.of(one) for one in given.get("severities") or ()),
            tuple(Type.of(one) for one in given.get("types") or ()),
            tuple(Step.of(one) for one in given.get("escalation") or ()),
            {str(key): str(value) for key, value in (given.get("channels") or {}).items()},
        )

    def type(self, name: str) -> Type:
        """A type by its name; ``other`` is there for what nobody foresaw."""
        found = next((one for one in self.types if one.name == name), None)
        if found or name == OTHER:
            return found or Type(OTHER)
        raise Refused(
            f"there is no type of incident called {name}",
            where="release_incidents.types",
            remedy=f"use {', '.join([one.name for one in self.types] + [OTHER])}",
        )

    def severity(self, name: str) -> Severity:
        """A severity by the system's own word, or by the word all systems share."""
        for one in self.severities:
            if name in (one.name, one.scale):
                return one
        if name in SCALE and not self.severities:
            return Severity(name, name)
        known = [one.name for one in self.severities] or list(SCALE)
        raise Refused(
            f"there is no severity called {name}" if name else "nobody said how severe the incident is",
            where="release_incidents.severities",
            remedy=f"give one of {', '.join(known)}",
        )


def _seconds(field: str, given: Any) -> int:
    return 0 if given in (None, "") else int(duration(field, given).total_seconds())


def _texts(given: Given, key: str) -> tuple[str, ...]:
    return tuple(str(one) for one in given.get(key) or ())
