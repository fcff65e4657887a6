# SPDX-License-Identifier: GPL-3.0-or-later
"""What every cluster of ours has, wherever it runs: the images, a gateway, and a description of itself."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from cluster import catalogue, plan
from cluster.build import Build, module_folder
from cluster.certificates import authority, certificate
from cluster.plan import HERE, HTTP_PORT, HTTPS_PORT, Places
from cluster.say import Problem
from cluster.shell import run


class Cluster(ABC):
    parts: tuple[plan.Part, ...]
    """What has to be built for it."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.build = Build(places, self.parts)
        self._complete = places.state / "complete"

    @abstractmethod
    def start(self) -> None:
        """Brings it up from nothing."""

    @abstractmethod
    def close(self) -> None:
        """Ends it and removes it, whatever state it is in."""

    @abstractmethod
    def is_open(self) -> bool:
        """Whether anything of it runs."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Where this machine reaches its gateway and its node ports."""

    @property
    @abstractmethod
    def kubectl_program(self) -> Path: ...

    @abstractmethod
    def import_archive(self, archive: Path) -> None: ...

    def refresh(self) -> None:
        """What may change below a running cluster: images and the hosts of the inventory."""
        self.import_images()
        self._certify_gateway()

    def is_up(self) -> bool:
        """Came up completely, from this plan, and still answers."""
        complete = self._complete.exists() and self._complete.read_text() == plan.key()
        return complete and self.is_open() and self._api_is_ready() and self._gateway_answers()

    def import_images(self) -> None:
        done = self.places.state / "images"
        done.mkdir(exist_ok=True)
        for archive in catalogue.archives(self.places, self.build):
            if not (done / archive.name).exists():
                self.import_archive(archive)
                (done / archive.name).touch()

    def _define_gateway(self) -> None:
        crds = module_folder(plan.TRAEFIK, "sigs.k8s.io/gateway-api") / "config" / "crd"
        self.kubectl("apply", "--server-side", "-k", str(crds))
        self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        self.kubectl("apply", "-f", str(HERE / "manifests" / "gateway.yaml"))
        self._certify_gateway()

    def kubectl(self, *argv: str, stdin: str | None = None) -> str:
        return run([str(self.kubectl_program), f"--kubeconfig={self.places.kubeconfig}", *argv], stdin)

    def _certify_gateway(self) -> None:
        """A certificate for every host the inventory names: OpenSSL accepts no wildcard directly below `.local`."""
        folder = self.places.state
        hosts = sorted(f"{path.stem}.local" for path in (plan.INVENTORY / "host_vars").glob("[!.]*"))
        names = ",".join(f"DNS:{name}" for name in ("*.local", "*.release.local", *hosts))
        if not (folder / "gateway-ca.crt").exists():
            authority(folder, "gateway-ca")
        certificate(folder, "gateway", "/CN=gateway", "gateway-ca", names)
        secret = self.kubectl(
            *("create", "secret", "tls", "public-tls", "--dry-run=client", "-o", "yaml"),
            *(f"--cert={folder}/gateway.crt", f"--key={folder}/gateway.key"),
        )
        self.kubectl("apply", "--server-side", "-f", "-", stdin=secret)

    def _api_is_ready(self) -> bool:
        return self._answers(self.kubectl, "get", "--raw", "/readyz", "--request-timeout=5s")

    def _gateway_answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.address, HTTPS_PORT)) == 0

    def _answers(self, ask: Callable[..., str], *argv: str) -> bool:
        try:
            ask(*argv)
        except Problem:
            return False
        return True

    def _traefik(self, api: str, authority: str, token: str) -> list[str]:
        """Its command line."""
        return [
            "--providers.kubernetesgateway=true",
            f"--providers.kubernetesgateway.endpoint={api}",
            f"--providers.kubernetesgateway.token={token}",
            f"--providers.kubernetesgateway.certauthfilepath={authority}",
            f"--entrypoints.web.address=:{HTTP_PORT}",
            f"--entrypoints.websecure.address=:{HTTPS_PORT}",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
        ]

    def _finish(self, **more: object) -> None:
        """Describes the cluster and says that it is whole."""
        gateway = {
            "HELM4": self.places.programs(plan.HELM4) / "helm",
            "GATEWAY_ADDRESS": self.address,
            "GATEWAY_HTTP_PORT": HTTP_PORT,
            "GATEWAY_HTTPS_PORT": HTTPS_PORT,
            "GATEWAY_CA": self.places.state / "gateway-ca.crt",
        }
        text = catalogue.environment(self.places, self.places.kubeconfig, self.kubectl_program, {**gateway, **more})
        self.places.env.write_text(text)
        self._complete.write_text(plan.key())
