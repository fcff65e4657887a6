# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of a source: where values come from."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import ReleaseError
from .. import select as selecting
from ..baseline import Baseline
from ..expect import ExpectError
from ..judge.counts import Counts
from ..subject import Subject
from .sign_in import Tokens

if TYPE_CHECKING:
    from ...kube.client import KubeClient


@dataclass(frozen=True)
class Readings:
    """What was read: `samples` counts observations, which may be more than the values they boil down to.

    `remark` is what an operator should read beside the value, `silent` counts the observations that had no value.
    `heard` is what a share was taken of, if looking again adds to it.
    """

    values: Sequence[Any]
    samples: int
    evidence: Any = None
    remark: str = ""
    silent: int = 0
    heard: Counts | None = None


@dataclass(frozen=True)
class Ask:
    """What a criterion wants from its source; `deadline` is on the monotonic clock.

    Who is not patient asks again soon, and need not wait for what others send.
    """

    select: str
    samples: int
    deadline: float
    patient: bool = True

    @property
    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def wait(self, seconds: float) -> bool:
        """Let so many seconds pass; at once false when no time is left after them."""
        if self.left <= max(0.0, seconds):
            return False
        time.sleep(max(0.0, seconds))
        return True


@dataclass
class World:
    """What sources share: a namespace, and one connection to the cluster, made when the first one needs it.

    `subject` is what reports have to be about, `baseline` what was measured before the release, `tokens` are those that
    one criterion got and the others use, too. What is done `once` is kept as long as this is.
    """

    namespace: str = ""
    connect: Callable[[], KubeClient] | None = None
    subject: Subject = field(default_factory=Subject)
    baseline: Baseline = field(default_factory=Baseline)
    tokens: Tokens = field(default_factory=Tokens)
    _client: KubeClient | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _kept: dict[Hashable, tuple[threading.Lock, list[Any]]] = field(default_factory=dict, init=False)

    def once(self, key: Hashable, do: Callable[[], Any]) -> Any:
        """What `do` returned to whoever asked first; the others wait for it. What it raises is not kept."""
        with self._lock:
            lock, done = self._kept.setdefault(key, (threading.Lock(), []))
        with lock:
            if not done:
                done.append(do())
            return done[0]

    def client(self) -> KubeClient:
        with self._lock:
            if self._client is None:
                if self.connect is None:
                    raise ReleaseError("There is no connection to a cluster")
                self._client = self.connect()
            return self._client

    def namespace_of(self, own: str) -> str:
        if own or self.namespace:
            return own or self.namespace
        raise ReleaseError("It is not known in which namespace to look", remedy="set namespace in the source or module")


class Source(ABC):
    """A kind of source is a frozen dataclass: its fields are its options, a field without default is required."""

    selects: ClassVar[Mapping[str, str | None]] = {}
    """What can be selected by name, and its unit; None if only the answer knows."""
    selects_freely: ClassVar[bool] = True
    """Whether any other `select` is looked up in what the source answers."""

    @classmethod
    def check_select(cls, select: str) -> None:
        if select in cls.selects:
            return
        if not cls.selects_freely:
            raise ExpectError(f"{select!r} is none of {', '.join(cls.selects)}")
        selecting.check(select)

    @property
    def repeatable(self) -> bool:
        """Whether reading it once more does nothing to what is read."""
        return True

    def check_options(self) -> list[str]:
        """What is wrong with the options taken together, each mistake with the field it is in: `.url: …`."""
        return []

    @classmethod
    def unit_of(cls, select: str) -> str | None:
        """The unit of the values, None if only the answer knows."""
        return cls.selects.get(select)

    @property
    @abstractmethod
    def text(self) -> str:
        """What is read, for people; without secrets."""

    @abstractmethod
    def read(self, ask: Ask, world: World) -> Readings:
        """The values now. Raises for what could not be read; no values mean that nothing was there."""
