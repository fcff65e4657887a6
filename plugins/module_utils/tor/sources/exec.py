# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command in a container of the cluster: its exit code, and what it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import ReleaseError
from ...kube.kinds import POD
from ...web import without_secrets
from ..expect import NothingMeasured
from ..select import pick
from .base import Ask, Readings, World
from .measure import Measured, split

EXIT_CODE, OUTPUT = "exit_code", "output"
_EXCERPT = 400


@dataclass(frozen=True, kw_only=True)
class Exec(Measured):
    """Options: `command`: list of words, no shell and no secrets; `pod`: its name, or `labels`: a selector, which means
    every ready pod that has these labels; `container`; `namespace`.

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

    selects: ClassVar[Mapping[str, str | None]] = {EXIT_CODE: "", OUTPUT: None}

    def check_options(self) -> list[str]:
        mistakes = [] if self.command else [".command: is empty"]
        return mistakes + ([".pod: give either pod or labels"] if bool(self.pod) == bool(self.labels) else [])

    @property
    def text(self) -> str:
        return f"{without_secrets(' '.join(self.command))} in pod {self.pod or self.labels}"

    def read(self, ask: Ask, world: World) -> Readings:
        namespace = world.namespace_of(self.namespace)
        values: list[Any] = []
        silent = 0
        evidence: list[dict[str, Any]] = []
        pods = [self.pod] if self.pod else self._ready_pods(world, namespace)
        for pod in pods:
            code, output = world.client().exec(pod, namespace, self.container, self.command, max(ask.left, 0.001))
            evidence.append({"pod": pod, "exit_code": code, "output": without_secrets(output[:_EXCERPT])})
            own = self._values(ask.select, pod, code, output)
            silent += not own
            values += own
        return Readings(values, len(pods), evidence, silent=silent)

    def _ready_pods(self, world: World, namespace: str) -> list[str]:
        from ...kube.readiness import is_pod_ready

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
