# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured, each with its goal and, where one is to be had, the same story told by a peer in the same run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from cache import cache
from criteria import criteria
from fleet import fleet
from judge import judge_table
from policy import policy
from rollout import rollout
from runner import RECORDS, ROOT, Asker, Line, must, playbook

GOOD, BETTER, CRASHING = "6.9.2", "6.9.3", "6.9.5"
GATEWAY = f"http://{os.environ['GATEWAY_ADDRESS']}:{os.environ['GATEWAY_HTTP_PORT']}/version"
PEER_NAMESPACE = "bench-peer"
AT_ONCE = {"steps": [100], "hold": 1}
CROWD = {"release_shift": {"steps": [5, 25, 100], "hold": 20}, "release_witness": {"rate": 300}}
PODS_START = {"source": {"kind": "kubernetes", "object_kind": "Pod", "api_version": "v1"}, "select": "broken_pods"}
NOT_WARM = {
    "release_rollback": {"keep_warm": {"full": "1s", "floor": 0, "until": "24h"}},
    "release_gates": {"observe": [{"name": "pods start", **PODS_START, "aggregate": "sum", "expect": "== 0"}]},
    "release_observation": [{"every": "1h", "until": "24h"}],
}
SWITCHES, ROLLBACKS, CRASHES, REPEATS, CROWDED = 20, 5, 3, 5, 12


def helm(*args: str) -> int:
    return subprocess.run(
        [os.environ["HELM"], *args, "--namespace", PEER_NAMESPACE], check=False, capture_output=True
    ).returncode


def kubectl(*args: str) -> str:
    return subprocess.run([os.environ["KUBECTL"], *args], check=True, capture_output=True, text=True).stdout


def peer_release(version: str, *flags: str) -> int:
    chart = f"{os.environ['CHARTS']}/podinfo"
    image = f"image.repository=localhost/podinfo,image.tag={version}"
    values = f"{image},replicaCount=2,service.type=NodePort,service.nodePort=30899"
    return helm("upgrade", "--install", "peer", chart, "--create-namespace", "--set", values, *flags)


def both_versions(system: str) -> None:
    """The older version warm behind the newer, live one."""
    for version in (GOOD, BETTER):
        must(playbook("playbooks/deploy.yml", system, release_version=version, release_shift=AT_ONCE))


def switch() -> Iterator[Line]:
    for system, kind, goal in (("service_entry", "service", 2.0), ("podinfo", "httproute", 3.0)):
        both_versions(system)
        target = RECORDS / f"switch-{kind}.json"
        must(playbook("tests/bench/switch.yml", system, bench_target=str(target), bench_flips=str(SWITCHES)))
        cutovers = json.loads(target.read_text())
        yield Line(
            f"traffic_switch {kind}: module start to proven cutover", [one["seconds"] for one in cutovers], "s", goal
        )
        yield Line(
            f"traffic_switch {kind}: last answer of the old side after the patch",
            [one["last_old_ms"] for one in cutovers],
            "ms",
        )


def rollback() -> Iterator[Line]:
    ours = []
    for _round in range(ROLLBACKS):
        both_versions("podinfo")
        ours.append(_rollback())
    peer = [_peer_rollback() for _round in range(ROLLBACKS)]
    helm("uninstall", "peer", "--wait")
    yield Line(
        "rollback.yml: typed to the last answer of the bad version, previous side warm",
        ours,
        "s",
        2.0,
        peer={"name": "helm rollback --wait", "values": peer, "ratio": round(sum(ours) / sum(peer), 3)},
    )


def cold_rollback() -> Iterator[Line]:
    ours = []
    for _round in range(ROLLBACKS):
        both_versions("podinfo")
        must(playbook("playbooks/observe.yml", "podinfo", **NOT_WARM))
        assert not kubectl("get", "pods", "--namespace=podinfo", f"--selector=app.kubernetes.io/version={GOOD}")
        ours.append(_rollback())
    yield Line("rollback.yml: typed to the last answer of the bad version, previous side without pods", ours, "s", 90.0)


def _rollback() -> float:
    """Seconds until nobody is answered by the bad version any more."""
    with Asker(GATEWAY, "podinfo.local") as asker:
        run = must(playbook("playbooks/rollback.yml", "podinfo"))
    return asker.last(BETTER) - run.began


def _peer_rollback() -> float:
    for version in (GOOD, BETTER):
        peer_release(version, "--wait")
    with Asker(f"http://{os.environ['GATEWAY_ADDRESS']}:30899/version") as asker:
        began = time.time()
        helm("rollback", "peer", "--wait")
    return asker.last(BETTER) - began


class Condition:
    """When a container was first seen in a back-off of the kubelet."""

    def __init__(self, namespace: str) -> None:
        self.seen = 0.0
        self._namespace = namespace
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Condition:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self.seen and not self._ended.wait(0.2):
            if "CrashLoopBackOff" in kubectl("get", "pods", "--namespace", self._namespace):
                self.seen = time.time()


def fail_fast() -> Iterator[Line]:
    ours, peers = [], []
    for attempt in range(CRASHES):
        record = RECORDS / f"crash-{attempt}-{int(time.time())}"
        with Condition("podinfo") as condition:
            playbook("playbooks/deploy.yml", "podinfo", release_version=CRASHING, release_record=str(record))
        (found,) = record.glob("**/record.json")
        ours.append(json.loads(found.read_text())["at"]["rollback"] - (condition.seen or float("nan")))
        with Condition(PEER_NAMESPACE) as condition:
            peer_release(CRASHING, "--wait", "--timeout", "60s")
        peers.append(time.time() - condition.seen)
        helm("uninstall", "peer", "--wait")
    yield Line(
        "a crash-looping version is reported after the condition appears",
        ours,
        "s",
        15.0,
        statistic="max",
        peer={"name": "helm upgrade --wait --timeout 60s", "values": peers, "ratio": round(sum(ours) / sum(peers), 3)},
    )


def repeat() -> Iterator[Line]:
    must(playbook("playbooks/deploy.yml", "podinfo", release_version=GOOD))
    runs = [must(playbook("playbooks/deploy.yml", "podinfo", release_version=GOOD)) for _round in range(REPEATS)]
    changed = {int(number) for run in runs for number in re.findall(r"changed=(\d+)", run.output)}
    if changed != {0}:
        sys.exit(f"a second deploy of the same version changed something: {sorted(changed)}")
    yield Line("deploy.yml of the version that is live already", [run.seconds for run in runs], "s", 6.0)


def zeros() -> Iterator[Line]:
    """Over releases back and forth under a load as high as this machine takes, and every record that was kept."""
    for attempt in range(CROWDED):
        version = (GOOD, BETTER)[attempt % 2]
        must(playbook("playbooks/deploy.yml", "podinfo", release_version=version, **CROWD))
    records = [
        path for kept in ("bench", "demo", "molecule") for path in (ROOT / "build" / kept).glob("**/record.json")
    ]
    told: list[dict[str, Any]] = [json.loads(path.read_text()) for path in records]
    switched = [record for record in told if record["verdict"] in ("released", "rolled back")]
    requests = [record["requests"] for record in switched]
    yield Line(
        "requests over every switch and rollback on record", requests or [0], "requests", 300_000, statistic="sum"
    )
    yield Line("of them lost", [record["lost"] for record in switched] or [0], "requests", 0, statistic="sum")
    yield Line(
        "of them answered by a wrong version",
        [record["wrong_version"] for record in switched] or [0],
        "requests",
        0,
        statistic="sum",
    )


MEASURES: dict[str, Callable[[], Iterator[Line]]] = {
    "switch": switch,
    "rollback": rollback,
    "cold_rollback": cold_rollback,
    "fail_fast": fail_fast,
    "repeat": repeat,
    "zeros": zeros,
    "criteria": criteria,
    "judge": judge_table,
    "policy": policy,
    "rollout": rollout,
    "fleet": fleet,
    "cache": cache,
}
