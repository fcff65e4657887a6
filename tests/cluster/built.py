# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster from built parts: which process, with which flags, in which order."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from string import Template

from cluster import machine, plan
from cluster.certificates import authority, certificate, signing_key
from cluster.plan import HERE, NODE, Places
from cluster.provider import Cluster
from cluster.sandbox import Sandbox
from cluster.say import Problem
from cluster.shell import tail

MASTERS = "system:masters"
USERS = {
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "traefik": ("traefik", MASTERS),
    "metrics-server": ("metrics-server", MASTERS),
}


class BuiltCluster(Cluster):
    parts = plan.PARTS

    def __init__(self, places: Places) -> None:
        super().__init__(places)
        self.sandbox = Sandbox(places)
        self.pki = places.state / "pki"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._tokens = {name: secrets.token_hex(16) for name in USERS}

    # The order of things

    def start(self) -> None:
        self.build.start()
        self.sandbox.open()
        self._write_keys()
        self._write_configuration()
        self.build.wait(plan.ETCD, plan.CONTAINERD)
        self._start_etcd()
        self._start_containerd()
        self.build.wait(plan.KUBERNETES_PROGRAMS)
        self._start_api_server()
        self._wait(30, "containerd answers", lambda: self._answers(self.ctr, "version"))
        self.import_images()
        self._wait(90, "the API server is ready", self._api_is_ready)
        self._start_controllers()
        self._start_kubelet()
        self._define_gateway()
        self.build.wait(plan.TRAEFIK)
        token = self._tokens["traefik"]
        traefik = self.places.programs(plan.TRAEFIK) / "traefik"
        self._start("traefik", traefik, *self._traefik(self.places.api, f"{self.pki}/ca.crt", token))
        self.build.wait(plan.METRICS_SERVER)
        self._start_metrics_server()
        self._wait_for_everything()
        self._finish(AUDIT_LOG=self.places.state / "audit.log")

    def _wait_for_everything(self) -> None:
        self.kubectl("wait", "--for=condition=Ready", f"node/{NODE}", "--timeout=90s")
        self.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=60s")
        self.kubectl("wait", "--for=condition=Programmed", "gateway/public", "--timeout=60s")
        self._wait(10, "the gateway answers", self._gateway_answers)

    # Processes

    def _start_etcd(self) -> None:
        self._start(
            "etcd",
            self.places.programs(plan.ETCD) / "etcd",
            f"--data-dir={self.places.state}/etcd",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
        )

    def _start_containerd(self) -> None:
        programs = self.places.programs(plan.CONTAINERD)
        self._start(
            "containerd",
            programs / "containerd",
            f"--config={self.places.state}/containerd.toml",
            env={"PATH": f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin"},
        )

    def _start_api_server(self) -> None:
        self._start_kubernetes_program(
            "kube-apiserver",
            f"--advertise-address={self.places.address}",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--service-cluster-ip-range={plan.SERVICE_RANGE}",
            "--authorization-mode=Node,RBAC",
            f"--token-auth-file={self.pki}/tokens.csv",
            f"--client-ca-file={self.pki}/ca.crt",
            f"--tls-cert-file={self.pki}/api.crt",
            f"--tls-private-key-file={self.pki}/api.key",
            f"--kubelet-client-certificate={self.pki}/admin.crt",
            f"--kubelet-client-key={self.pki}/admin.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.pki}/service-accounts.key",
            f"--service-account-signing-key-file={self.pki}/service-accounts.key",
            f"--requestheader-client-ca-file={self.pki}/front-ca.crt",
            "--requestheader-allowed-names=front",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={self.pki}/front.crt",
            f"--proxy-client-key-file={self.pki}/front.key",
            "--enable-aggregator-routing=true",
            "--allow-privileged=true",
            f"--audit-policy-file={HERE}/manifests/audit.yaml",
            f"--audit-log-path={self.places.state}/audit.log",
        )

    def _start_controllers(self) -> None:
        self._start_kubernetes_program(
            "kube-controller-manager",
            f"--kubeconfig={self.pki}/kube-controller-manager.kubeconfig",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self.pki}/service-accounts.key",
            f"--root-ca-file={self.pki}/ca.crt",
        )
        self._start_kubernetes_program(
            "kube-scheduler",
            f"--kubeconfig={self.pki}/kube-scheduler.kubeconfig",
            "--leader-elect=false",
        )
        self._start_kubernetes_program(
            "kube-proxy",
            f"--kubeconfig={self.pki}/kube-proxy.kubeconfig",
            "--proxy-mode=nftables",
            f"--hostname-override={NODE}",
            f"--cluster-cidr={plan.POD_RANGE}",
            "--conntrack-max-per-core=0",
            "--conntrack-min=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
        )

    def _start_kubelet(self) -> None:
        self._start_kubernetes_program(
            "kubelet",
            f"--kubeconfig={self.pki}/kubelet.kubeconfig",
            f"--config={self.places.state}/kubelet.yaml",
            f"--hostname-override={NODE}",
            f"--node-ip={self.places.address}",
        )
        self._wait(60, "the node registers", lambda: self._answers(self.kubectl, "get", "node", NODE))

    def _start_metrics_server(self) -> None:
        kubeconfig = f"{self.pki}/metrics-server.kubeconfig"
        self._start(
            "metrics-server",
            self.places.programs(plan.METRICS_SERVER) / "metrics-server",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--secure-port=4443",
            f"--cert-dir={self.places.state}/metrics-server",
            "--kubelet-insecure-tls",
            "--kubelet-preferred-address-types=InternalIP",
            "--metric-resolution=15s",
        )
        self.kubectl("apply", "-f", "-", stdin=self._manifest("metrics.yaml"))

    # Means

    def close(self) -> None:
        if self.sandbox.exists():
            machine.require_root()
            self.sandbox.close()

    def is_open(self) -> bool:
        return self.sandbox.is_open()

    @property
    def address(self) -> str:
        return self.places.address

    @property
    def kubectl_program(self) -> Path:
        return self.places.programs(plan.KUBERNETES_PROGRAMS) / "kubectl"

    def import_archive(self, archive: Path) -> None:
        self.ctr("images", "import", str(archive))

    def ctr(self, *argv: str) -> str:
        program = self.places.programs(plan.CONTAINERD) / "ctr"
        return self.sandbox.run(str(program), "-n", "k8s.io", *argv)

    def _start(self, name: str, program: Path, *argv: str, env: dict[str, str] | None = None) -> None:
        self._running[name] = self.sandbox.start(name, str(program), *argv, env=env)

    def _start_kubernetes_program(self, name: str, *argv: str) -> None:
        self._start(name, self.places.programs(plan.KUBERNETES_PROGRAMS) / name, *argv)

    def _wait(self, seconds: float, until: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise Problem(
                        f"{name} stopped before {until}:\n{tail((self.places.logs / f'{name}.log').read_text())}"
                    )
            if time.monotonic() > deadline:
                raise Problem(f"Waited {seconds:.0f} s until {until}, in vain; the logs are in {self.places.logs}.")
            time.sleep(0.1)

    # Files

    def _write_keys(self) -> None:
        self.pki.mkdir(mode=0o700)
        authority(self.pki, "ca")
        authority(self.pki, "front-ca")
        service = plan.SERVICE_RANGE.replace(".0.0/16", ".0.1")
        names = f"DNS:kubernetes.default.svc,DNS:localhost,IP:127.0.0.1,IP:{self.places.address},IP:{service}"
        certificate(self.pki, "api", "/CN=kube-apiserver", "ca", names)
        certificate(self.pki, "admin", f"/O={MASTERS}/CN=admin", "ca")
        certificate(self.pki, "front", "/CN=front", "front-ca")
        signing_key(self.pki / "service-accounts.key")
        lines = [f'{self._tokens[name]},{user},{name},"{group}"\n' for name, (user, group) in USERS.items()]
        (self.pki / "tokens.csv").write_text("".join(lines))
        for name, token in self._tokens.items():
            self._write_kubeconfig(self.pki / f"{name}.kubeconfig", {"token": token})
        pair = {"client-certificate-data": "admin.crt", "client-key-data": "admin.key"}
        self._write_kubeconfig(self.places.kubeconfig, {key: _encoded(self.pki / name) for key, name in pair.items()})

    def _write_kubeconfig(self, path: Path, user: dict[str, str]) -> None:
        name = self.places.name
        cluster = {"server": self.places.api, "certificate-authority-data": _encoded(self.pki / "ca.crt")}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(content, indent=2))

    def _write_configuration(self) -> None:
        (self.places.state / "cni").mkdir()
        (self.places.state / "cni" / "10-pods.conflist").write_text(self._manifest("network.conflist"))
        for name in ("kubelet.yaml", "containerd.toml"):
            (self.places.state / name).write_text(self._manifest(name))

    def _manifest(self, name: str) -> str:
        return Template((HERE / "manifests" / name).read_text()).substitute(
            name=self.places.name, state=self.places.state, address=self.places.address, pod_range=plan.POD_RANGE
        )


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
