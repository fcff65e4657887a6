# SPDX-License-Identifier: GPL-3.0-or-later
"""The test cluster itself: whatever happens to `up`, `down` leaves the machine as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[1] / "cluster"
NUMBER = "253"
NAME = f"runbook-{NUMBER}"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "runbook-release"
STATE = CACHE / f"cluster-{NUMBER}"
ENVIRONMENT = {**os.environ, "RUNBOOK_CLUSTER": NUMBER, "KUBECONFIG": str(STATE / "kubeconfig")}
POD = """
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: default}
spec:
  containers: [{name: one, image: localhost/podinfo:6.9.2, command: [./podinfo]}]
"""

pytestmark = [pytest.mark.thorough, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


def tool(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, command], env=ENVIRONMENT, check=True, capture_output=True, text=True)


def traces() -> dict[str, list[str]]:
    """Everything on this machine that belongs to the cluster of this test."""
    rules = subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout
    return {
        "processes": [str(pid) for pid in Path("/proc").glob("[0-9]*") if belongs(pid)],
        "mounts": [
            line for line in Path("/proc/self/mountinfo").read_text().splitlines() if NAME in line or str(STATE) in line
        ],
        "links": [str(link) for link in Path("/sys/class/net").glob(f"rbk{NUMBER}")],
        "namespaces": [str(path) for path in Path("/run/netns").glob(f"{NAME}*")],
        "groups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{NAME}")],
        "rules": [line for line in rules.splitlines() if f"10.213.{NUMBER}." in line or "10.244." in line],
        "routes": [line for line in Path("/proc/net/fib_trie").read_text().splitlines() if f"10.213.{NUMBER}." in line],
        "files": [str(STATE)] * STATE.exists(),
    }


def belongs(process: Path) -> bool:
    """Started with a path of the cluster's state, or living in its groups."""
    try:
        return str(STATE).encode() in (process / "cmdline").read_bytes() or NAME in (process / "cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    tool("down")
    yield
    tool("down")


def nothing() -> dict[str, list[str]]:
    return {name: [] for name in traces()}


def test_down_leaves_nothing_of_a_cluster_with_a_pod() -> None:
    before = traces()
    tool("up")
    settings = dict(line.split("=", 1) for line in tool("env").stdout.splitlines())
    kubectl = [settings["KUBECTL"], f"--kubeconfig={settings['KUBECONFIG']}"]
    subprocess.run([*kubectl, "apply", "-f", "-"], input=POD, text=True, check=True, capture_output=True)
    subprocess.run(
        [*kubectl, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s"], check=True, capture_output=True
    )
    during = traces()
    assert all(during[name] for name in ("processes", "links", "namespaces", "groups", "routes", "files"))
    tool("down")
    assert traces() == before == nothing()


@pytest.mark.parametrize(
    "moment", ["pki", "logs/etcd.log", "logs/kube-apiserver.log", "logs/kubelet.log", "gateway.crt"]
)
def test_down_leaves_nothing_of_an_up_killed_half_way(moment: str) -> None:
    kill_up_at(moment)
    assert traces()["namespaces"]
    tool("down")
    assert traces() == nothing()


def test_up_after_a_killed_up_starts_anew() -> None:
    kill_up_at("logs/kubelet.log")
    tool("up")
    assert "Ready" in tool("status").stdout


def kill_up_at(moment: str) -> None:
    """SIGKILL, which nothing can clean up after, as soon as a file of the state exists."""
    up = subprocess.Popen(
        [sys.executable, TOOL, "up"], env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (STATE / moment).exists():
        assert up.poll() is None, "up ended before it got there"
    os.kill(up.pid, signal.SIGKILL)
    up.wait()
