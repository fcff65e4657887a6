# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Service inside the cluster, asked through the API server: works before the Service gets any traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ...errors import ReleaseError
from ...kube.kinds import SERVICE
from ...web import without_secrets
from .answers import SELECTS, Answer, Pace, sample
from .base import Ask, Readings, World
from .measure import Measured

if TYPE_CHECKING:
    from ...kube.client import KubeClient


@dataclass(frozen=True)
class Service(Measured):
    """Options: `service`; `path`; `port`: number or name, needed when there are several and none is called http;
    `namespace`; `duration`: seconds over which the samples are spread evenly, 0 sends one after the other.

    Selects: those of `Http` but the certificate.
    """

    service: str
    path: str = "/"
    port: str = ""
    namespace: str = ""
    duration: float = 0.0

    selects: ClassVar[dict[str, str]] = SELECTS

    @property
    def text(self) -> str:
        return f"GET {without_secrets(self.path)} of Service {self.service}"

    def read(self, ask: Ask, world: World) -> Readings:
        client = world.client()
        namespace = world.namespace_of(self.namespace)
        port = self.port or only_port(client, self.service, namespace)

        def request(seconds: float) -> Answer:
            return Answer(*client.service_get(self.service, namespace, port, self.path, timeout=seconds))

        return sample(request, ask, Pace(self.duration))


def only_port(client: KubeClient, service: str, namespace: str) -> str:
    """The port when there is one, the one named http when there are more."""
    found = client.get(SERVICE, service, namespace)
    if found is None:
        raise ReleaseError(f"Service {namespace}/{service} does not exist", remedy="correct service or namespace")
    ports = found["spec"].get("ports") or []
    named = [port for port in ports if port.get("name") == "http"] or ports
    if len(named) != 1:
        raise ReleaseError(f"Service {namespace}/{service} has {len(ports)} ports", remedy="say which one with port")
    return str(named[0]["port"])
