# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The command of a migration in a pod that runs the image of the new version, and in no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ApiError, NotReady, Refused
from ..kube.kinds import POD
from ..kube.readiness import is_pod_ready
from .busy import APPLICATION
from .runner import Runner, failed, nobody_asks

if TYPE_CHECKING:
    from ..kube.client import KubeClient


WITHOUT_POD = "use job instead of pod (kind=job instead of kind=command), which needs no pod of the new version"


@dataclass(frozen=True)
class Place:
    """Which container; of several pods that match, the first that is ready and runs ``image``."""

    namespace: str
    name: str
    selector: str
    container: str
    image: str

    @property
    def title(self) -> str:
        return f"pod {self.namespace}/{self.name}" if self.name else f"pods {self.selector} in {self.namespace}"


class InPod(Runner):
    """By exec, which cannot end what it began. In check mode a command cannot be run in a pod, so nobody is asked then.

    ``options`` are for the sessions of the command.
    """

    def __init__(self, client: KubeClient, place: Place, timeout: float, options: str) -> None:
        self._client, self._place, self._timeout = client, place, timeout
        self._environment = ["env", f"PGOPTIONS={options}", f"PGAPPNAME={APPLICATION}"]
        self.asks_freely = not client.dry_run
        self.what = f"image {place.image}"

    def run(self, argv: Sequence[str], check: Callable[[], None] = nobody_asks, *, changes: bool = False) -> str:
        check()
        if changes:
            self._client.check_guard()
        pod, container = self._find()
        where = f"pod {self._place.namespace}/{pod}, container {container}"
        command = [*self._environment, *argv]
        try:
            code, said = self._client.exec(pod, self._place.namespace, container, command, self._timeout)
        except (NotReady, ApiError) as error:
            if error.what.startswith("env "):
                error.what = f"{argv[0]}{error.what.removeprefix('env')}"
            if not getattr(error, "status", 0):
                error.remedy += f"; {_may_run(argv, where)}"
            raise
        if code:
            raise failed(argv, where, code, said)
        return said

    def _find(self) -> tuple[str, str]:
        place = self._place
        if place.name:
            pod = self._client.get(POD, place.name, place.namespace)
            found = [pod] if pod else []
        else:
            found = self._client.list(POD, place.namespace, place.selector)
        return choose(found, place)


def _may_run(argv: Sequence[str], where: str) -> str:
    return (
        f"{argv[0]} may still run in {where}: end it there, or wait for it. It names its sessions {APPLICATION}, and as"
        " long as there is one nothing else is migrated"
    )


def choose(pods: Sequence[Mapping[str, Any]], place: Place) -> tuple[str, str]:
    """Pod and container; ``Refused`` if none that is ready runs the image."""
    ready = [pod for pod in pods if is_pod_ready(pod)]
    for pod in ready:
        for container in pod["spec"]["containers"]:
            if container["name"] == (place.container or container["name"]) and container["image"] == place.image:
                return str(pod["metadata"]["name"]), str(container["name"])
    images = sorted({one["image"] for pod in ready for one in pod["spec"]["containers"]})
    found = f"; what is ready there runs {', '.join(images)}" if images else "; none there is ready"
    raise Refused(
        f"No container runs {place.image}, the image that has the migrations{found}. Nothing was changed",
        where=place.title,
        remedy=f"{WITHOUT_POD}; a pod serves only where the new version runs before it migrates",
    )
