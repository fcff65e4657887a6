# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What is asked for: the options of workload_change, typed and refused where they contradict themselves. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import Refused
from ..release.pod_program import Image
from ..rollout.model import Key
from ..window.spans import seconds
from .put_back import HIDDEN, is_secret

RESTARTED, SCALED, CONFIGURED, AUTOSCALED, REVERTED = "restarted", "scaled", "configured", "autoscaled", "reverted"
ISOLATED, PINNED, UNDONE = "isolated", "pinned", "undone"
FOR_GOOD = (RESTARTED, PINNED, UNDONE, REVERTED)

Given = Mapping[str, Any]
_VERSION = re.compile(r"\w[\w.-]{0,127}|sha256:[0-9a-f]{64}", re.ASCII)


def time_of(text: str) -> int:
    """Seconds for which something is temporary."""
    if not (found := int(seconds("temporary.for", text))):
        raise Refused(f"temporary.for is {text!r}, which is no time", remedy="write it as 90, 30m, 2h or 1d")
    return found


@dataclass(frozen=True)
class Bounds:
    """Of an autoscaler: pods, and the use of CPU in percent it keeps, None to leave that."""

    minimum: int
    maximum: int
    cpu: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.minimum <= self.maximum or (self.cpu is not None and self.cpu < 1):
            raise Refused(
                f"An autoscaler cannot keep {self.minimum} to {self.maximum} pods"
                + (f" at {self.cpu} % CPU" if self.cpu is not None else ""),
                where="option autoscaler",
                remedy="set min to 1 or more, max to min or more, and cpu to 1 or more",
            )


@dataclass(frozen=True)
class Settings:
    """Of one container; ``append`` are entries of lists with commas."""

    container: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    append: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, params: Given) -> Settings:
        resources = {part: given for part, given in (params["resources"] or {}).items() if given}
        return cls(
            params["container"] or "",
            {name: _text(name, value) for name, value in (params["env"] or {}).items()},
            tuple(params["unset"] or ()),
            {name: _entries(value) for name, value in (params["append"] or {}).items()},
            {part: {name: str(value) for name, value in given.items()} for part, given in resources.items()},
        )

    def __post_init__(self) -> None:
        names = [*self.env, *self.unset, *self.append]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise Refused(
                f"{', '.join(twice)} would be set in two ways",
                where="options env, unset and append",
                remedy="name each variable in one of them",
            )


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool | Mapping | list) or value is None:
        told = HIDDEN if is_secret(name) else repr(value)
        raise Refused(
            f"The value of {name} is no text: {told}", where="option env", remedy="put the value in quotation marks"
        )
    return str(value)


def _entries(value: Any) -> tuple[str, ...]:
    given = value if isinstance(value, list) else str(value).split(",")
    return tuple(str(one).strip() for one in given)


@dataclass(frozen=True)
class Want:
    """``seconds`` is how long it is temporary, 0 for good; ``image`` is for the Job that puts it back.

    ``allow`` has the peers that an isolated workload still hears (``from``) and reaches (``to``).
    """

    state: str
    namespace: str
    kind: str = "Deployment"
    name: str = ""
    components: Sequence[Given] = ()
    after_change_of: tuple[Key, ...] = ()
    since: str = ""
    replicas: int = 0
    contain: bool = False
    settings: Settings = Settings()
    bounds: Bounds | None = None
    allow: Given = field(default_factory=dict)
    seconds: int = 0
    reason: str = ""
    image: Image | None = None
    everything: bool = False
    keep_budgets: bool = True
    timeout: float = 300
    stable: float = 5
    who: str = ""
    version: str = ""
    revision: int = 0

    @classmethod
    def of(cls, params: Given) -> Want:
        temporary, bounds = params["temporary"] or {}, params["autoscaler"]
        image = Image(params["image"], params["image_pull_policy"], params["user"]) if params["image"] else None
        return cls(
            params["state"],
            params["namespace"],
            params["kind"],
            params["name"] or "",
            params["components"] or (),
            tuple((one["kind"], one["name"]) for one in params["after_change_of"] or ()),
            params["since"] or "",
            params["replicas"] or 0,
            params["contain"],
            Settings.of(params),
            Bounds(bounds["min"], bounds["max"], bounds["cpu"]) if bounds else None,
            params["allow"] or {},
            time_of(temporary["for"]) if temporary else 0,
            temporary.get("reason") or "",
            image,
            params["everything"],
            params["keep_budgets"],
            params["timeout"],
            params["stable"],
            (params["run"] or {}).get("who", ""),
            params["version"] or "",
            params["revision"] or 0,
        )

    def __post_init__(self) -> None:
        if self.seconds and self.state in FOR_GOOD:
            raise Refused(
                f"What is {self.state} leaves nothing that could be put back",
                where="option temporary",
                remedy="leave it out",
            )
        if self.state == ISOLATED and not self.seconds:
            raise Refused(
                "Who isolates for good forgets it; what is never to be reached belongs in a NetworkPolicy of its own",
                where="option temporary",
                remedy="say for how long",
            )
        if self.kind == "DaemonSet" and self.state in (SCALED, AUTOSCALED):
            raise Refused(
                "A DaemonSet has one pod on each node, and cannot be scaled",
                where="option kind",
                remedy="change the nodes, or its nodeSelector in its source",
            )
        if self.state == SCALED and self.replicas < (0 if self.contain else 1):
            raise Refused(
                f"With {self.replicas} replicas {self.name} would stop",
                where="option replicas",
                remedy="set contain to true if that is what you want",
            )

        if self.state == PINNED and not _VERSION.fullmatch(self.version):
            raise Refused(
                f"{self.version!r} is neither a tag nor a digest. Nothing was changed",
                where="option version",
                remedy="give the tag of the image to go back to, such as v1.4.0, or its digest; its repository stays",
            )

    @property
    def where(self) -> str:
        return f"namespace {self.namespace}"
