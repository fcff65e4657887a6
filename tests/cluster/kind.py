# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster in Docker, made by kind; our gateway runs as one more process inside its only node."""

from __future__ import annotations

import shutil
from pathlib import Path

from cluster import plan
from cluster.plan import Places
from cluster.provider import Cluster
from cluster.shell import attempt, run


def is_available() -> bool:
    """Everything it needs is installed, and a docker engine answers."""
    return (
        all(shutil.which(tool) for tool in ("docker", "kind", "kubectl")) and not attempt(["docker", "info"]).returncode
    )


class KindCluster(Cluster):
    parts = (plan.PODINFO, plan.FAULTY, plan.TRAEFIK)

    def start(self) -> None:
        self.build.start()
        self.places.state.mkdir(parents=True)
        _marker(self.places).touch()
        named = ("--name", self.places.name, "--kubeconfig", str(self.places.kubeconfig))
        run(["kind", "create", "cluster", *named, "--wait", "180s"])
        self.import_images()
        self._define_gateway()
        self.build.wait(plan.TRAEFIK)
        self._start_traefik()
        self.kubectl("wait", "--for=condition=Programmed", "gateway/public", "--timeout=60s")
        self._finish()

    @staticmethod
    def was_started(places: Places) -> bool:
        return _marker(places).exists()

    def close(self) -> None:
        if shutil.which("kind"):
            run(["kind", "delete", "cluster", "--name", self.places.name])
        if self.places.state.exists():
            shutil.rmtree(self.places.state)

    def is_open(self) -> bool:
        return self.places.name in attempt(["kind", "get", "clusters"]).stdout.split()

    @property
    def address(self) -> str:
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return run(["docker", "inspect", "--format", template, self._node]).strip()

    @property
    def kubectl_program(self) -> Path:
        return Path(shutil.which("kubectl") or "kubectl")

    def import_archive(self, archive: Path) -> None:
        run(["kind", "load", "image-archive", str(archive), "--name", self.places.name])

    @property
    def _node(self) -> str:
        return f"{self.places.name}-control-plane"

    def _start_traefik(self) -> None:
        self.kubectl("create", "serviceaccount", "traefik", "--namespace=kube-system")
        rights = ("--clusterrole=cluster-admin", "--serviceaccount=kube-system:traefik")
        self.kubectl("create", "clusterrolebinding", "traefik", *rights)
        token = self.kubectl("create", "token", "traefik", "--namespace=kube-system", "--duration=720h").strip()
        run(
            [
                "docker",
                "cp",
                str(self.places.programs(plan.TRAEFIK) / "traefik"),
                f"{self._node}:/usr/local/bin/traefik",
            ]
        )
        options = self._traefik("https://127.0.0.1:6443", "/etc/kubernetes/pki/ca.crt", token)
        run(["docker", "exec", "--detach", self._node, "traefik", *options])


def _marker(places: Places) -> Path:
    return places.state / "kind"
