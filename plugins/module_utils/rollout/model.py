# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The words of a rollout: what is asked for, and objects by kind and name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import Refused
from ..helm.objects import Obj, kind_name, name_of
from ..kube.kinds import DAEMONSET, DEPLOYMENT, STATEFULSET, Kind

Key = tuple[str, str]
Op = dict[str, Any]

WORKLOADS: dict[str, Kind] = {kind.kind: kind for kind in (DEPLOYMENT, STATEFULSET, DAEMONSET)}
CONTROLLERREVISION = Kind("apps", "v1", "ControllerRevision", "controllerrevisions")

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_AMOUNT = re.compile(r"\d+%?")


def key_of(obj: Mapping[str, Any]) -> Key:
    return kind_name(dict(obj)), name_of(dict(obj))


def titled(key: Key) -> str:
    return " ".join(key)


def is_named(key: Key, names: Iterable[str]) -> bool:
    """Whether one of the names, each a name or ``Kind/name``, is that of the object."""
    return bool({key[1], "/".join(key)} & set(names))


@dataclass(frozen=True)
class Image:
    """One container of one workload and the image it is to run.

    Without ``container`` it is the only one there is, or the one that runs another tag of the image.
    """

    kind: str
    name: str
    image: str
    container: str = ""

    @property
    def key(self) -> Key:
        return self.kind, self.name


@dataclass(frozen=True)
class Strategy:
    """How many pods of a Deployment may be missing, and how many may be too many, while it rolls."""

    max_unavailable: int | str | None = None
    max_surge: int | str | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any] | None) -> Strategy:
        return cls(**{name: _amount(name, value) for name, value in (given or {}).items() if value is not None})

    def over(self, present: Mapping[str, Any]) -> Obj:
        """The ``strategy`` of a Deployment that has ``present`` so far."""
        wanted = {"maxUnavailable": self.max_unavailable, "maxSurge": self.max_surge}
        given = {name: value for name, value in wanted.items() if value is not None}
        return {"type": "RollingUpdate", "rollingUpdate": {**(present.get("rollingUpdate") or {}), **given}}


def _amount(name: str, value: Any) -> int | str:
    text = str(value)
    if isinstance(value, bool) or not _AMOUNT.fullmatch(text):
        raise Refused(
            f"strategy.{name} is {value!r}, neither a number of pods nor a percentage",
            where="option strategy",
            remedy="give a number such as 1 or a percentage such as 25%",
        )
    return text if text.endswith("%") else int(text)


@dataclass(frozen=True)
class Waves:
    """Which workload goes in which wave, counted from 1; those that no wave names go last, together."""

    names: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, given: Sequence[Sequence[str]] | None) -> Waves:
        return cls(tuple(tuple(wave) for wave in given or ()))

    def number(self, key: Key) -> int:
        for number, wave in enumerate(self.names, 1):
            if is_named(key, wave):
                return number
        return len(self.names) + 1

    def check(self, keys: Iterable[Key]) -> None:
        """``Refused`` for a name that is none, or that is in two waves."""
        there = {name for key in keys for name in (key[1], "/".join(key))}
        named = [name for wave in self.names for name in wave]
        missing = sorted({name for name in named if name not in there})
        twice = sorted({name for name in named if named.count(name) > 1})
        if missing or twice:
            told = [f"no workload is called {name}" for name in missing] + [f"{name} is there twice" for name in twice]
            raise Refused(
                f"The waves do not fit the workloads: {'; '.join(told)}",
                where="option waves",
                remedy="name each workload of the source once, as name or as Kind/name",
            )


@dataclass(frozen=True)
class Want:
    """What is asked for: ``name`` of the release unit, its ``version``, and how to go there.

    ``only`` names the workloads that go back while the rest of the release stays; all go if it is empty. What is
    overdue at ``due`` counts as put back.
    """

    name: str
    namespace: str
    version: str
    waves: Waves = Waves()
    strategy: Strategy = Strategy()
    force: bool = False
    keep_budgets: bool = True
    only: tuple[str, ...] = ()
    due: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Refused(
                f"{self.name!r} cannot be part of the name of an object",
                where="option name",
                remedy="use lower case letters, digits and hyphens",
            )

    @property
    def where(self) -> str:
        return f"release unit {self.name} in namespace {self.namespace}"
