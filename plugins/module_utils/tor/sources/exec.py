# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command in a container of the cluster: its exit code, and what it writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, cast

from ...errors import ReleaseError
from ...kube.kinds import ENDPOINTSLICE, POD
from ...web import without_secrets
from ..expect import NothingMeasured
from ..select import pick
from .base import Ask, Readings, World
from .measure import Measured, split

EXIT_CODE, OUTPUT = "exit_code", "output"
Ran: TypeAlias = tuple[str, int, str]
_EXCERPT = 400


@dataclass(frozen=True, kw_only=True)
class Exec(Measured):
    """Options: `command`: list of words, no shell and no secrets; `pod`: its name, or `labels`: a selector, which means
    every ready pod that has these labels, or `service`: its name, which means every ready pod behind it; `container`;
    `namespace`; `once`: it runs in one of these pods, once for all criteria that ask it and as long as a gate is held.

    Selects: `exit_code`; `output`: all of it as text, without the end of its last line; else a regular expression
    between slashes, a dotted key or JMESPath in the output of a command that ended with 0 (any other exit code is an
    error), followed by `in UNIT` where it has one. Both streams are the output. Each pod gives values of its own: set
    aggregate where they may differ. In check mode the command is not run, and the verdict is an error.
    """

    command: tuple[str, ...]
    pod: str = ""
    labels: str = ""
    container: str = ""
    namespace: str = ""
    service: str = ""
    once: bool = False

    selects: ClassVar[Mapping[str, str | None]] = {EXIT_CODE: "", OUTPUT: None}

    def check_options(self) -> list[str]:
        mistakes = [] if self.command else [".command: is empty"]
        given = [name for name in (self.pod, self.labels, self.service) if name]
        return mistakes + ([".pod: give one of pod, labels and service"] if len(given) != 1 else [])

    @property
    def text(self) -> str:
        where = f"pod {self.pod or self.labels}" if not self.service else f"the pods of Service {self.service}"
        return f"{without_secrets(' '.join(self.command))} in {where}"

    def read(self, ask: Ask, world: World) -> Readings:
        namespace = world.namespace_of(self.namespace)
        values: list[Any] = []
        silent = 0
        evidence: list[dict[str, Any]] = []
        ran = self._once(ask, world, namespace) if self.once else self._everywhere(ask, world, namespace)
        for pod, code, output in ran:
            evidence.append({"pod": pod, "exit_code": code, "output": without_secrets(output[:_EXCERPT])})
            own = self._values(ask.select, pod, code, output)
            silent += not own
            values += own
        return Readings(values, len(evidence), evidence, silent=silent)

    def _everywhere(self, ask: Ask, world: World, namespace: str) -> Iterator[Ran]:
        for pod in [self.pod] if self.pod else self._ready_pods(world, namespace):
            code, output = world.client().exec(pod, namespace, self.container, self.command, max(ask.left, 0.001))
            yield pod, code, output

    def _once(self, ask: Ask, world: World, namespace: str) -> list[Ran]:
        key = ("exec", namespace, self.pod, self.labels, self.service, self.container, tuple(self.command))
        return [cast("Ran", world.once(key, lambda: next(self._everywhere(ask, world, namespace))))]

    def _ready_pods(self, world: World, namespace: str) -> list[str]:
        from ...kube.readiness import is_pod_ready, ready_endpoints

        if self.service:
            label = f"kubernetes.io/service-name={self.service}"
            behind = sorted(ready_endpoints(world.client().list(ENDPOINTSLICE, namespace, label)))
            if not behind:
                raise NothingMeasured(f"no pod behind Service {self.service} is ready in namespace {namespace}")
            return behind
        pods = world.client().list(POD, namespace, self.labels)
        ready = sorted(str(pod["metadata"]["name"]) for pod in pods if is_pod_ready(pod))
        if not ready:
            raise NothingMeasured(f"no pod with the labels {self.labels} is ready in namespace {namespace}")
        return ready

    def _values(self, select: str, pod: str, code: int, output: str) -> list[Any]:
        if select == EXIT_CODE:
            return [code]
        if code:
            said = output.strip()[-200:]
            raise ReleaseError(f"{self.command[0]} ended with exit code {code} in pod {pod}: {said}")
        return [output.rstrip("\r\n")] if select == OUTPUT else pick(split(select)[0], output)
