# SPDX-License-Identifier: GPL-3.0-or-later
"""Users see the maintenance page while tasks are done and the application afterwards, also when a run was killed.

The cases are one story: each begins with what the one before it left.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import (
    DEPLOYMENT,
    HTTPROUTE,
    NAMESPACE,
    POD,
    SERVICE,
)
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.ledger.verify import verify
from ansible_collections.runbook.release.plugins.module_utils.maintenance.record import MAINTENANCE
from ansible_collections.runbook.release.plugins.module_utils.release.tell import tell
from ansible_collections.runbook.release.plugins.module_utils.web import get

ROOT = Path(__file__).resolve().parents[2]
SPACE, SYSTEM, LEASE = "maintenance-case", "kept", "kept-case"
HOST = "maintenance.release.local"
PATIENCE = 120.0
Obj = dict[str, Any]


def box() -> Obj:
    """A workload in which commands can be run."""
    container = {"name": "app", "image": "localhost/pause:1", "imagePullPolicy": "Never"}
    template = {"metadata": {"labels": {"app": "box"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "box"}}, "template": template}
    return {"metadata": {"name": "box"}, "spec": spec}


def runs(*words: str, **more: Any) -> Obj:
    return {"exec": {"workload": "box", "command": ["/bin/busybox", *words], **more}}


def deployment(name: str) -> Obj:
    container = {
        "name": "app",
        "image": "localhost/podinfo:6.9.6",
        "imagePullPolicy": "Never",
        "command": ["./podinfo", "--port=9898", f"--ui-message={name}"],
        "ports": [{"name": "http", "containerPort": 9898}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "50m", "memory": "16Mi"}},
    }
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"metadata": {"name": name}, "spec": spec}


def reader() -> Obj:
    """A workload that has read the Secret `rotated` when it began."""
    body = json.loads(json.dumps(box()).replace('"box"', '"reader"'))
    token = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "rotated", "key": "token"}}}
    body["spec"]["template"]["spec"]["containers"][0]["env"] = [token]
    return dict(body)


def service(name: str) -> Obj:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": ports}}


def route() -> Obj:
    rules = [{"backendRefs": [{"name": "web", "port": 80}]}]
    parents = [{"name": "public", "namespace": "default"}]
    return {"metadata": {"name": "web"}, "spec": {"parentRefs": parents, "hostnames": [HOST], "rules": rules}}


def wait_for(happened: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := happened()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def seen() -> str:
    """What a user gets: `web`, `sorry`, or nothing."""
    url = f"http://{HOST}:{os.environ['GATEWAY_HTTP_PORT']}/api/info"
    status, _headers, body = get(url, os.environ["GATEWAY_ADDRESS"], timeout=10)
    return str(json.loads(body)["message"]) if status == 200 else ""


@dataclass(frozen=True)
class Site:
    """The inventory of one system, and what became of its runs."""

    folder: Path
    client: KubeClient

    def variables(self) -> Obj:
        url, address = f"http://{HOST}:{os.environ['GATEWAY_HTTP_PORT']}/api/info", os.environ["GATEWAY_ADDRESS"]
        users = {"kind": "http", "url": url, "address": address}
        look = {"name": "users see the page", "source": users, "select": "message", "expect": '== "sorry"'}
        health = {"kind": "service", "service": "web", "path": "/healthz"}
        well = {"name": "health", "source": health, "select": "status", "expect": "== 200"}
        never = {"name": "never", "source": health, "select": "status", "expect": "== 418"}
        page = {"service": "sorry", "url": url, "address": address, "shows": '"message": "sorry"'}
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": SYSTEM,
            "release_environment": "case",
            "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": SPACE},
            "release_record": str(self.folder / "records"),
            "release_tasks": [
                {"name": "who sees it", "clause": "SYS-1", "check": [look]},
                {"name": "say hello", **runs("echo", "it's me; $HOME")},
                {"name": "restart", "after": [well], "workload": {"name": "web", "do": "restart", "stable": 0}},
                {"name": "not needed", "before": [never], **runs("false")},
                {"name": "fail", **runs("false")},
                {"name": "dangerous", "consent": True, **runs("true")},
                {"name": "access", "review": {"who": "security"}},
                {"name": "hang", **runs("sleep", "300")},
                {"name": "hosts", **runs("hostname", everywhere=True)},
                {"name": "fails", **runs("false", everywhere=True)},
                {"name": "fill", "secret": {"name": "rotated"}},
                {
                    "name": "restart the reader",
                    "workload": {
                        "names": ["reader"],
                        "do": "restart",
                        "after_change_of": [{"name": "rotated"}],
                        "stable": 0,
                    },
                },
            ],
            "release_secrets": [{"name": "rotated", "data": {"token": {"environment": "PLANTED"}}}],
            "release_maintenance": {
                "windows": [{"rrule": "FREQ=DAILY", "timezone": "UTC", "duration": "24h"}],
                "mode": {"entry": {"kind": "httproute", "name": "web"}, "page": page, "after": [well]},
                "lists": [
                    {
                        "name": "weekly",
                        "mode": True,
                        "tasks": ["who sees it", "say hello", "restart", "not needed", "dangerous", "access"],
                    },
                    {"name": "broken", "mode": True, "tasks": ["fail", "say hello", "who sees it"]},
                    {"name": "killed", "mode": True, "tasks": ["hang"]},
                    {"name": "hello", "windowed": False, "tasks": ["say hello"]},
                    {"name": "fill", "windowed": False, "tasks": ["fill"]},
                    {"name": "rotate", "windowed": False, "tasks": ["fill", "restart the reader"]},
                    {"name": "everywhere", "windowed": False, "tasks": ["hosts", "fails"]},
                ],
            },
        }

    def command(self, **more: Any) -> list[str]:
        hosts = {"all": {"hosts": {"kept": self.variables()}}}
        (self.folder / "hosts.json").write_text(json.dumps(hosts))
        ansible = str(Path(sys.executable).parent / "ansible-playbook")
        playbook = str(ROOT / "playbooks" / "maintenance.yml")
        return [ansible, "-i", str(self.folder / "hosts.json"), playbook, "-e", json.dumps(more)]

    def maintain(self, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(**more), cwd=ROOT, capture_output=True, text=True, check=False)

    def rotate(self, name: str, planted: str) -> str:
        """Everything that was told while the Secret was filled with a value, which is in none of it."""
        env = {**os.environ, "PLANTED": planted}
        command = [*self.command(maintenance_list=name), "-vvv", "--diff"]
        run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout[-3000:]
        kept = [path.read_text() for path in (self.folder / "records").rglob("*") if path.is_file()]
        told = "".join([run.stdout, run.stderr, *kept, *Store(self.client, SPACE, self.newest()).texts()])
        leaked = [one for one in (planted, base64.b64encode(planted.encode()).decode()) if one in told]
        assert leaked == []
        return told

    def tokens(self) -> dict[str, str]:
        """What each pod of the reader began with, once they are what its Deployment says."""
        pods = [one["metadata"]["name"] for one in wait_for(self._readers)]
        echo = ["/bin/busybox", "sh", "-c", "echo $TOKEN"]
        said = {name: self.client.exec(name, SPACE, "app", echo) for name in pods}
        return {name: output.strip() for name, (_code, output) in said.items()}

    def _readers(self) -> list[Obj]:
        pods = [one for one in self.client.list(POD, SPACE, "app=reader") if "deletionTimestamp" not in one["metadata"]]
        running = [one for one in pods if one.get("status", {}).get("phase") == "Running"]
        return pods if len(pods) == len(running) == 2 else []

    def known(self) -> Obj:
        return tell(self.client, SPACE, LEASE)

    def newest(self) -> str:
        return str(self.known()["releases"][-1]["release"])

    def record(self) -> Obj:
        path = self.folder / "records" / SYSTEM / self.newest() / "record.json"
        return dict(json.loads(path.read_text()))

    def verdicts(self) -> list[str]:
        return [f"{one['name']}: {one['verdict']}" for one in self.record()["tasks"]]

    def said(self) -> list[str]:
        texts = Store(self.client, SPACE, self.newest()).texts()
        assert verify(self.newest(), texts) == []
        return [Entry.parse(text).what for text in texts]

    def marked(self) -> bool:
        found = self.client.get(HTTPROUTE, "web", SPACE)
        return MAINTENANCE in ((found or {})["metadata"].get("annotations") or {})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    client = KubeClient()
    client.apply(NAMESPACE, {"metadata": {"name": SPACE}})
    for name in ("web", "sorry"):
        client.apply(DEPLOYMENT, deployment(name), SPACE)
        client.apply(SERVICE, service(name), SPACE)
    client.apply(DEPLOYMENT, box(), SPACE)
    client.apply(HTTPROUTE, route(), SPACE)

    def is_served() -> bool:
        ready = [(client.get(DEPLOYMENT, name, SPACE) or {}).get("status", {}) for name in ("web", "sorry", "box")]
        return [one.get("readyReplicas") for one in ready] == [1, 1, 2] and seen() == "web"

    wait_for(is_served)
    yield Site(tmp_path_factory.mktemp("maintenance"), client)
    client.delete(NAMESPACE, SPACE)


def test_users_see_the_page_while_a_list_is_done_and_the_application_afterwards(site: Site) -> None:
    before = site.client.get(HTTPROUTE, "web", SPACE) or {}
    run = site.maintain(maintenance_list="weekly")
    assert run.returncode == 0, run.stdout[-3000:]
    assert site.verdicts() == [
        "who sees it: done",
        "say hello: done",
        "restart: done",
        "not needed: skipped",
        "dangerous: waits",
        "access: waits",
    ]
    assert list(site.record()["tasks"][1]["found"]["pods"].values()) == [["it's me; $HOME"]], (
        "words are handed over, and no shell reads them"
    )
    assert "health: status is 200, expected == 200" in site.record()["tasks"][2]["after"][0]
    assert seen() == "web"
    assert (site.client.get(HTTPROUTE, "web", SPACE) or {})["spec"] == before["spec"]
    assert not site.marked()
    assert [what for what in site.said() if "maintenance mode" in what and "begins" not in what] == [
        "maintenance mode of web on: done",
        "maintenance mode of web off: done",
    ]
    assert site.said()[-2:] == ["release ends", "sealed"]
    assert "who sees it  SYS-1   done" in run.stdout


def test_a_task_that_fails_stops_what_changes_anything_and_users_come_back_all_the_same(site: Site) -> None:
    run = site.maintain(maintenance_list="broken")
    assert run.returncode != 0
    assert "Failed: fail. Skipped: say hello." in run.stdout.splitlines()[-1]
    assert site.verdicts() == ["fail: failed", "say hello: skipped", "who sees it: done"]
    assert site.known()["releases"][-1]["verdict"] == "failed"
    assert (seen(), site.marked()) == ("web", False)


def test_a_command_runs_in_every_pod_and_each_says_how_it_ended(site: Site) -> None:
    run = site.maintain(maintenance_list="everywhere")
    assert run.returncode != 0
    hosts, fails = site.record()["tasks"]
    assert (hosts["verdict"], fails["verdict"]) == ("done", "failed")
    pods = [one["metadata"]["name"] for one in site.client.list(POD, SPACE, "app=box")]
    assert len(pods) == 2
    assert hosts["found"]["pods"] == {name: [name] for name in pods}
    said = [f"{name}: /bin/busybox ended with exit code 1" for name in pods]
    assert all(one in fails["why"] for one in said), "it runs in the second pod as well"


def test_what_a_killed_run_left_on_the_next_one_lifts_before_it_does_anything(site: Site) -> None:
    with subprocess.Popen(
        site.command(maintenance_list="killed"), cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
    ) as run:
        wait_for(lambda: site.known()["tasks"].get("at") == "task hang")
        os.killpg(run.pid, signal.SIGKILL)
    assert (seen(), site.marked()) == ("sorry", True)
    again = site.maintain(maintenance_list="hello", release_takeover=True, release_reason="it was killed")
    assert again.returncode == 0, again.stdout[-3000:]
    assert "is given up in the middle of ''task hang''" in " ".join(again.stdout.split())
    assert (seen(), site.marked()) == ("web", False)
    whats = site.said()
    assert whats.index("maintenance mode of web off: done") < whats.index("task say hello: begins")
    assert [one["verdict"] for one in site.known()["releases"]][-2:] == ["given up", "done"]


def test_a_rotated_secret_is_in_every_pod_that_reads_it_and_nowhere_else(site: Site) -> None:
    site.rotate("fill", "pl4nted-0ld")
    site.client.apply(DEPLOYMENT, reader(), SPACE)
    before = site.tokens()
    assert set(before.values()) == {"pl4nted-0ld"}

    told = site.rotate("rotate", "pl4nted-n3w")
    assert site.verdicts() == ["fill: done", "restart the reader: done"]
    assert site.record()["tasks"][0]["found"] == {"added": [], "updated": ["token"], "removed": []}
    assert "token: (another value)" in told
    after = site.tokens()
    assert (set(after.values()), set(before) & set(after)) == ({"pl4nted-n3w"}, set())

    site.rotate("rotate", "pl4nted-n3w")
    assert site.verdicts() == ["fill: unchanged", "restart the reader: unchanged"]
    assert site.tokens() == after
