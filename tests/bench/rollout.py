# SPDX-License-Identifier: GPL-3.0-or-later
"""Sixteen services go to a version: all at once by us, the slowest alone, and one after the other by a peer."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner import BIN, ROOT, Line, Run, must

Obj = dict[str, Any]
NAMESPACE = "bench-rollout"
VERSIONS = ("6.9.2", "6.9.3")
SERVICES, ROUNDS, SLOWEST = 16, 3, 8


def service(number: int, version: str) -> Obj:
    """A service that takes one to eight seconds until it is asked whether it is ready."""
    name = f"service-{number:02}"
    probe = {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1}
    container = {
        "name": "app",
        "image": f"localhost/podinfo:{version}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["./podinfo", "--port=9898"],
        "readinessProbe": {**probe, "initialDelaySeconds": number % SLOWEST + 1},
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}},
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def ours(objects: list[Obj], version: str) -> Obj:
    source = {"kind": "manifests", "objects": objects}
    own: Obj = {"name": "bench", "namespace": NAMESPACE, "version": version, "source": source}
    own |= {"stable": 0, "force": True}
    return {"runbook.release.rollout": own}


def peer(objects: list[Obj]) -> Obj:
    task = {"definition": "{{ item }}", "apply": True, "wait": True, "wait_timeout": 300}
    return {"kubernetes.core.k8s": task, "loop": objects, "loop_control": {"label": "{{ item.metadata.name }}"}}


def timed(task: Obj) -> float:
    """Seconds of a playbook with this one task, from the command to its end."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        file = Path(folder, "play.yml")
        file.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        began = time.time()
        done = subprocess.run(
            [str(BIN / "ansible-playbook"), str(file)], check=False, env=env, capture_output=True, text=True
        )
    return must(Run(done.returncode, began, time.time() - began, done.stdout + done.stderr)).seconds


def by_kubectl(objects: list[Obj]) -> float:
    """Seconds until kubectl has applied all of them at once, and says that each is rolled out."""
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        file = Path(folder, "objects.json")
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        began = time.time()
        kubectl("apply", "--server-side", "--force-conflicts", f"--filename={file}")
        kubectl("rollout", "status", "--timeout=300s", f"--filename={file}")
        return time.time() - began


def kubectl(*args: str) -> None:
    subprocess.run([os.environ["KUBECTL"], *args], check=True, capture_output=True)


def rollout() -> Iterator[Line]:
    together, alone, one_by_one, floor = [], [], [], []
    kubectl("create", "namespace", NAMESPACE)
    try:
        timed(ours([service(number, VERSIONS[0]) for number in range(SERVICES)], "first"))
        for round_ in range(ROUNDS):
            old, new = VERSIONS[round_ % 2], VERSIONS[1 - round_ % 2]
            everything = [service(number, new) for number in range(SERVICES)]
            together.append(timed(ours(everything, f"{round_} all")))
            alone.append(timed(ours([service(SLOWEST - 1, old)], f"{round_} one")))
            timed(ours([service(number, old) for number in range(SERVICES)], f"{round_} back"))
            one_by_one.append(timed(peer(everything)))
            both = by_kubectl([service(number, old) for number in range(SERVICES)])
            floor.append(both / by_kubectl([service(SLOWEST - 1, new)]))
            by_kubectl(everything)
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    yield Line(
        f"rollout: {SERVICES} services at once, against the slowest of them alone",
        [both / one for both, one in zip(together, alone, strict=True)],
        "times",
        1.3,
        statistic="median",
        peer={"name": "kubectl apply and kubectl rollout status, the same way", "values": floor},
    )
    yield Line(
        f"rollout: {SERVICES} services to a version, from the command to all of them ready",
        together,
        "s",
        statistic="median",
        peer={
            "name": "a loop of kubernetes.core.k8s with wait",
            "values": one_by_one,
            "ratio": round(sum(one_by_one) / sum(together), 1),
        },
    )
