# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster is made of: pinned parts, addresses, image tags and places on disk."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
STAND_INS = HERE.parent / "stand_ins"
INVENTORY = REPOSITORY / "inventories" / "local"

KUBERNETES = "v1.36.3"
PODINFO_TAGS = ("6.9.2", "6.9.3", "6.9.6")
PODINFO_ERRORS = "6.9.4"
PODINFO_CRASHES = "6.9.5"
STAND_IN_TAGS = ("1.5.0", "1.6.0", *(f"1.6.{fault}" for fault in range(1, 10)), "1.7.0")
DATABASE_MAJOR, DATABASE_SUITE = 17, "trixie"

NODE = "node"
POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
HTTP_PORT, HTTPS_PORT = 8000, 8443

GIGABYTE = 1 << 30
DISK_NEEDED = 8 * GIGABYTE
APT_PACKAGES = {
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "busybox": "busybox-static",
    "openssl": "openssl",
    "mmdebstrap": "mmdebstrap",
}
TOOLS = ("go", "git", "make")


@dataclass(frozen=True)
class Part:
    """One Go module of ours and the programs built from it."""

    name: str
    seconds: int
    """What a cold build takes on two cores; only the announced remaining time depends on it."""
    package: str = "tool"
    ldflags: str = ""
    editions: tuple[str, ...] = ()
    """Versions to link one by one, each in a folder of its own; `{}` in ldflags stands for it."""
    links: tuple[str, ...] = ()
    """Names under which the one program built is called."""
    overlaid: tuple[str, str] | None = None
    """A module and a file of it that our overlay.go replaces."""
    home: Path = HERE / "go"

    @property
    def source(self) -> Path:
        return self.home / self.name

    @cached_property
    def key(self) -> str:
        digest = hashlib.sha256(repr((self.package, self.ldflags, self.editions, self.links, self.overlaid)).encode())
        for path in sorted(self.source.iterdir()):
            if path.suffix in {".go", ".mod", ".sum"}:
                digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()[:12]


def kubernetes_version_flags() -> str:
    major, minor, _patch = KUBERNETES.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())


ETCD = Part("etcd", 40, package=".")
CONTAINERD = Part("containerd", 55)
KUBERNETES_PROGRAMS = Part(
    "kubernetes",
    235,
    package=".",
    ldflags=kubernetes_version_flags(),
    links=("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
)
PODINFO = Part(
    "podinfo",
    25,
    ldflags="-X github.com/stefanprodan/podinfo/pkg/version.VERSION={}",
    editions=(*PODINFO_TAGS, PODINFO_ERRORS),
)
FAULTY = Part("faulty", 2, package=".", home=STAND_INS)
TRAEFIK = Part("traefik", 120, overlaid=("github.com/go-acme/lego/v4", "providers/dns/zz_gen_dns_providers.go"))
METRICS_SERVER = Part("metrics-server", 95)

PARTS = (ETCD, CONTAINERD, PODINFO, FAULTY, KUBERNETES_PROGRAMS, TRAEFIK, METRICS_SERVER)

# Only tests of Helm 4 need it, and they ask for it: no `up` waits for it.
HELM4 = Part("helm4", 90)

# Only the bench of a fleet needs it.
KWOK = Part("kwok", 180)


def key() -> str:
    """Changes with every pin: a cluster started from other parts is started anew."""
    return "-".join(part.key for part in PARTS)


@dataclass(frozen=True)
class Places:
    """Where one cluster lives. The number keeps two clusters on one machine apart."""

    number: int = 77
    cache: Path = Path.home() / ".cache" / "runbook-release"

    @classmethod
    def from_environment(cls) -> Places:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(int(os.environ.get("RUNBOOK_CLUSTER") or 77), base / "runbook-release")

    @property
    def name(self) -> str:
        return f"runbook-{self.number}"

    @property
    def host_address(self) -> str:
        return f"10.213.{self.number}.1"

    @property
    def address(self) -> str:
        return f"10.213.{self.number}.2"

    @property
    def state(self) -> Path:
        return self.cache / f"cluster-{self.number}"

    @property
    def scratch(self) -> Path:
        return self.cache / f"scratch-{self.number}"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def env(self) -> Path:
        return self.state / "env"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def api(self) -> str:
        return f"https://{self.address}:6443"

    def programs(self, part: Part, edition: str = "") -> Path:
        return self.cache / "parts" / f"{part.name}-{part.key}" / edition
