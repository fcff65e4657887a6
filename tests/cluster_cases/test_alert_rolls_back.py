# SPDX-License-Identifier: GPL-3.0-or-later
"""From a metric that went bad to the traffic back: Prometheus, Alertmanager, ansible-rulebook, and a release."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import HTTPROUTE, NAMESPACE, Kind
from ansible_collections.runbook.release.plugins.module_utils.release.index import Attempt, Index
from ansible_collections.runbook.release.plugins.module_utils.release.register import index_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.metrics import App
from services.prometheus import Alertmanager, Prometheus
from services.rulebook import READY, Rulebook

ROOT = Path(__file__).resolve().parents[2]
STAGE = "import conftest; from ansible_collections.runbook.release.plugins.modules.helm_bluegreen import main; main()"
SPACE, HOST = "alerted-case", "alerted.release.local"
FIRST, NEXT = "6.9.2", "6.9.3"
END_TO_END = 60.0
RULE = Kind("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules")
CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
Variables = dict[str, Any]

BROKEN = {"query": "orders_broken", "expect": "< 5", "severity": "critical", "rolls_back": True}
ALERTS = [
    {"name": "OrdersBroken", "summary": "orders break", **BROKEN},
    {"name": "OrdersBrokenToo", "summary": "orders break, said twice", **BROKEN},
]


@dataclass
class Site:
    """One system, what watches it, and its inventory, which is a file of the folder."""

    folder: Path
    app: App
    prometheus: Prometheus
    alertmanager: Alertmanager
    client: KubeClient = field(default_factory=KubeClient)

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory.json"

    def variables(self, rulebook: Rulebook) -> Variables:
        hook = {"url": rulebook.url, "token_file": str(self.alertmanager.own("rulebook.token", rulebook.token))}
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": "alerted",
            "release_environment": "case",
            "release_cluster": {"kubeconfig": os.environ["KUBECONFIG"], "namespace": SPACE},
            "release_components": [component()],
            "release_shift": {"steps": [100], "hold": 1},
            "release_witness": {"rate": 20, "samples": 5, "error_share": "50 %"},
            "release_record": str(self.folder / "records"),
            "release_alerts": ALERTS,
            "release_alerting": {
                "rules": str(self.prometheus.rules),
                "prometheus": {"url": self.prometheus.url},
                "patience": 30,
                "object": {"labels": {"release": "prometheus"}},
                "routes": str(self.alertmanager.folder / "alertmanager.yml"),
                "reload": [self.prometheus.url, self.alertmanager.url],
                "rollback": hook,
                "receivers": {"critical": [{"kind": "webhook", "url": "http://127.0.0.1:9", "token_file": "/none"}]},
            },
        }

    def start(self, playbook: str, **more: Any) -> subprocess.Popen[str]:
        program = str(Path(sys.executable).parent / "ansible-playbook")
        return subprocess.Popen(
            [program, str(ROOT / "playbooks" / playbook), f"--inventory={self.inventory}", "-e", json.dumps(more)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, playbook: str, **more: Any) -> str:
        return ended_well(self.start(playbook, **more))

    @property
    def releases(self) -> tuple[Attempt, ...]:
        return Index.of(index_of(self.client, SPACE, "alerted-case").entries()).attempts

    def live(self) -> str:
        """The colour that has all the traffic."""
        route = self.client.get(HTTPROUTE, "podinfo", SPACE) or {}
        (live,) = [one["name"] for one in route["spec"]["rules"][0]["backendRefs"] if one["weight"]]
        return str(live).removeprefix("podinfo-")


def ended_well(process: subprocess.Popen[str]) -> str:
    said = process.communicate()[0]
    assert process.returncode == 0, said
    return said


def component() -> Variables:
    values = {
        "image": {"repository": "localhost/podinfo", "tag": "{{ release_version }}"},
        "probes": {"readiness": {"periodSeconds": 1}},
    }
    url = f"http://{HOST}:{os.environ['GATEWAY_HTTP_PORT']}/version"
    return {
        "name": "podinfo",
        "source": {"kind": "helm", "chart": f"{os.environ['CHARTS']}/podinfo", "values": values},
        "replicas": 1,
        "timeout": 120,
        "entry": {"kind": "httproute", "name": "podinfo"},
        "port": 9898,
        "urls": [{"url": url, "address": os.environ["GATEWAY_ADDRESS"]}],
        "identity": {"json": "version"},
    }


def route() -> Variables:
    weights = {"blue": 100, "green": 0}
    refs = [{"name": f"podinfo-{colour}", "port": 9898, "weight": weight} for colour, weight in weights.items()]
    parents = [{"name": "public", "namespace": "default"}]
    return {
        "metadata": {"name": "podinfo"},
        "spec": {"parentRefs": parents, "hostnames": [HOST], "rules": [{"backendRefs": refs}]},
    }


def staged(version: str) -> None:
    """The version on the side that the entry sends everything to."""
    own = json.loads(json.dumps(component()).replace("{{ release_version }}", version))
    asked = {name: own[name] for name in ("name", "source", "replicas", "timeout", "entry")}
    given = {"namespace": SPACE, "version": version, "_ansible_remote_tmp": "/tmp", **asked}
    done = subprocess.run(
        [sys.executable, "-c", STAGE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def known_by_an_operator() -> Variables:
    """PrometheusRules, as the operator of Prometheus has them, without their schema."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "metadata": {"name": RULE.resource},
        "spec": {
            "group": RULE.group,
            "scope": "Namespaced",
            "names": {"kind": RULE.kind, "plural": RULE.plural},
            "versions": [{"name": RULE.version, "served": True, "storage": True, "schema": schema}],
        },
    }


class Users(threading.Thread):
    """Who asks the system all the time, on a new connection each time; `answers` are versions, or what went wrong."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.answers: list[str] = []
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.02):
            self.answers.append(self._ask())

    def _ask(self) -> str:
        gateway = http.client.HTTPConnection(
            os.environ["GATEWAY_ADDRESS"], int(os.environ["GATEWAY_HTTP_PORT"]), timeout=30
        )
        try:
            gateway.request("GET", "/version", headers={"Host": HOST})
            answer = gateway.getresponse()
            text = answer.read()
            return str(json.loads(text)["version"]) if answer.status == 200 else f"status {answer.status}"
        except (OSError, ValueError, http.client.HTTPException) as trouble:
            return repr(trouble)
        finally:
            gateway.close()

    def __enter__(self) -> Users:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self.join()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The first version is live, and nothing is broken."""
    with ExitStack() as stack:
        app = stack.enter_context(App())
        alertmanager = Alertmanager()
        stack.enter_context(alertmanager)
        prometheus = Prometheus([app.address], f"127.0.0.1:{alertmanager.port}")
        stack.enter_context(prometheus)
        own = Site(tmp_path, app, prometheus, alertmanager)
        own.client.apply(CRD, known_by_an_operator())
        stack.callback(own.client.delete, CRD, RULE.resource)
        own.client.apply(NAMESPACE, {"metadata": {"name": SPACE}})
        stack.callback(own.client.delete, NAMESPACE, SPACE)
        own.client.apply(HTTPROUTE, route(), SPACE)
        staged(FIRST)
        app.expose("orders_broken 0 {now}\n")
        yield own


def posted(url: str, authorization: str = "") -> int:
    """The status of the answer to a forged alert."""
    labels = {"alertname": "OrdersBroken", "system": "alerted", "environment": "case", "rolls_back": "true"}
    alert = {"labels": labels, "status": "firing", "startsAt": "2026-11-22T12:00:00Z"}
    headers = {"Content-Type": "application/json", **({"Authorization": authorization} if authorization else {})}
    request = urllib.request.Request(url, json.dumps({"alerts": [alert]}).encode(), headers)
    with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request):
        pass
    return refused.value.code


def test_a_metric_that_goes_bad_after_a_release_brings_the_traffic_back(
    site: Site, tmp_path: Path, record_property: Any
) -> None:
    with Rulebook(site.inventory, tmp_path) as rulebook:
        variables = site.variables(rulebook)
        site.inventory.write_text(json.dumps({"all": {"hosts": {"alerted": variables}}}))
        releasing = site.start("deploy.yml", release_version=NEXT)
        assert "changed=3" in site.run("alerts.yml")
        (group,) = (site.client.get(RULE, "alerted-case", SPACE) or {})["spec"]["groups"]
        assert [one["alert"] for one in group["rules"]][::2] == [one["name"] for one in ALERTS]
        assert "changed=0" in site.run("alerts.yml")
        ended_well(releasing)
        assert (site.live(), [one.verdict for one in site.releases]) == ("green", ["released"])
        rulebook.hears(READY)
        assert [posted(rulebook.url), posted(rulebook.url, "Bearer guessed")] == [401, 401]

        with Users() as users:
            began = time.monotonic()
            site.app.expose("orders_broken 9 {now}\n")
            while site.live() != "blue":
                assert time.monotonic() - began < END_TO_END, "".join(rulebook.log)[-4000:]
                time.sleep(0.1)
            back = time.monotonic()
            rulebook.hears("PLAY RECAP", times=2)
        assert rulebook.began
        figures = {"end_to_end": back - began, "by_playbook": back - rulebook.began}
        for name, seconds in figures.items():
            record_property(name, seconds)
        print("traffic back after {end_to_end:.1f} s, {by_playbook:.1f} s of them by rollback.yml".format(**figures))

    assert set(users.answers) == {FIRST, NEXT}, "no request is lost by going back"
    assert users.answers[-1] == FIRST
    said = "".join(rulebook.log)
    assert [one.verdict for one in site.releases] == ["released", "rolled back"], "two alerts at once, one rollback"
    assert "there is no release to take back: 6.9.3 was rolled back" in said or "somebody is at work" in said
    assert rulebook.token not in said
