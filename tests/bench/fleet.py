# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets of Deployments go to a version at once: what the machine that releases spends; their pods are only claimed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner import BIN, ROOT, Line

Obj = dict[str, Any]
NAMESPACE, NODE = "bench-fleet", "bench-fleet"
SIZES = (16, 100, 1000)
VERSIONS = ("1.0.0", "1.0.1", "1.0.2")
CLAIMED = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
ROOM = {"cpu": "4000", "memory": "4Ti", "pods": "4000"}


def kubectl(*argv: str, given: Obj | None = None) -> None:
    text = json.dumps(given) if given else None
    subprocess.run([os.environ["KUBECTL"], *argv], check=True, capture_output=True, text=True, input=text)


@contextmanager
def claimed_node() -> Iterator[None]:
    """A node without a machine: kwok says of each of its pods what a kubelet would."""
    program = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "cluster"), "kwok"], check=True, capture_output=True, text=True
    ).stdout.strip()
    metadata = {"name": NODE, "labels": {"type": "kwok"}, "annotations": {"kwok.x-k8s.io/node": "fake"}}
    status = {"allocatable": ROOM, "capacity": ROOM}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [CLAIMED]}, "status": status}
    command = [program, f"--kubeconfig={os.environ['KUBECONFIG']}", "--server-address=127.0.0.1:0"]
    options = ["--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake", "--node-lease-duration-seconds=40"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        kubectl("create", "--filename=-", given=node)
        kubectl("create", "namespace", NAMESPACE)
        yield
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
        kubectl("delete", "node", NODE, "--ignore-not-found")
        process.terminate()
        process.wait()


def deployment(number: int, version: str) -> Obj:
    name = f"service-{number:04}"
    container = {"name": "app", "image": f"localhost/service:{version}", "resources": {"requests": {"cpu": "1m"}}}
    spec = {"nodeSelector": {"type": "kwok"}, "tolerations": [CLAIMED], "containers": [container]}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def spent(size: int, version: str) -> tuple[float, float, float]:
    """Seconds until all are ready, seconds of processors and MiB of the largest process, all of the command's."""
    objects = [deployment(number, version) for number in range(size)]
    own: Obj = {"name": f"fleet-{size}", "namespace": NAMESPACE, "version": version, "stable": 0, "force": True}
    own["timeout"] = 3600
    task = {"runbook.release.rollout": {**own, "source": {"kind": "manifests", "objects": objects}}}
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        file = Path(folder, "play.yml")
        file.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
        env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        command = ["/usr/bin/env", "python3", "-c", MEASURED, str(BIN / "ansible-playbook"), str(file)]
        began = time.monotonic()
        done = subprocess.run(command, check=False, env=env, capture_output=True, text=True)
        seconds = time.monotonic() - began
    if done.returncode:
        sys.exit(f"{size} Deployments did not go to {version}:\n{done.stdout[-4000:]}")
    processors, memory = json.loads(done.stderr.splitlines()[-1])
    return seconds, processors, memory


MEASURED = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]), file=sys.stderr)
sys.exit(code)
"""


def fleet() -> Iterator[Line]:
    with claimed_node():
        for size in SIZES:
            spent(size, VERSIONS[0])
            measured = [spent(size, version) for version in VERSIONS[1:]]
            seconds, processors, memory = (list(column) for column in zip(*measured, strict=True))
            name = f"fleet: {size} Deployments to a version"
            yield Line(f"{name}, until all are ready", seconds, "s", statistic="median")
            each = [1000 * used / size for used in processors]
            yield Line(f"{name}, processors of the machine that releases for each", each, "ms", statistic="median")
            yield Line(f"{name}, memory of its largest process", memory, "MiB", 300, statistic="max")
