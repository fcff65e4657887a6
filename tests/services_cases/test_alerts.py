# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules and routes, judged by the tools of Prometheus and Alertmanager, and by a Prometheus that has loaded them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.filter.alert_routes import alert_routes
from ansible_collections.runbook.release.plugins.modules import release_alert_rules

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.prometheus import Prometheus, amtool, promtool
from services.rulebook import READY, Rulebook

ROOT = Path(__file__).resolve().parents[2]
MINUTE = 60
Run = Callable[..., dict[str, Any]]
Given = dict[str, Any]

SHARE = 'sum(rate(requests_total{code="500"}[5m])) / sum(rate(requests_total[5m]))'
GATES = {
    "observe": [
        {
            "name": "error share",
            "source": {"kind": "prometheus", "url": "http://p", "query": SHARE, "fresh": "requests_total"},
            "select": "value in share",
            "expect": "< 1 %",
        }
    ]
}
ALERTS = [
    {
        "name": "HighErrorRate",
        "criterion": "error share",
        "expect": "<= 5 %",
        "for": "2m",
        "severity": "critical",
        "rolls_back": True,
        "summary": "More than 5 % of the requests fail",
    },
    {
        "name": "QueueOfThisOrThatLength",
        "query": "depth",
        "expect": "10..20",
        "severity": "warning",
        "summary": "The queue is too short or too long",
    },
    {
        "name": "ReleaseOrphaned",
        "orphaned": True,
        "severity": "critical",
        "rolls_back": True,
        "summary": "Nobody goes on with a release",
    },
]
SHOP = {"system": "shop", "environment": "prod", "namespace": "shops", "gates": GATES}


@pytest.fixture
def rules(run: Run, tmp_path: Path) -> Path:
    path = tmp_path / "rules.yml"
    made = run(release_alert_rules, **SHOP, alerts=ALERTS, path=str(path))
    assert made["changed"], made
    return path


def test_promtool_takes_the_rules(rules: Path) -> None:
    assert "SUCCESS: 6 rules found" in promtool("check", "rules", str(rules))


FAILING = {'requests_total{code="500"}': "0+6x30", 'requests_total{code="200"}': "0+94x30"}
"""Six of a hundred, from the first minute on."""
WELL = {'requests_total{code="500"}': "0+5x30", 'requests_total{code="200"}': "0+95x30"}
QUIET = {'requests_total{code="500"}': "0x30", 'requests_total{code="200"}': "0x30"}
SHORT, RIGHT, LONG = ({"depth": f"{depth}x30"} for depth in (9, 20, 21))
LOCK = 'lease="shop-prod",namespace="shops"'
NODES = {'kube_lease_renew_time{lease="node-1",namespace="kube-node-lease"}': "0+60x30"}
HELD = {f'kube_lease_owner{{{LOCK},lease_holder="me"}}': "1x30"}
FREE = {f'kube_lease_owner{{{LOCK},lease_holder=""}}': "1x30"}
DEAD = {f"kube_lease_renew_time{{{LOCK}}}": "0x30"}
ALIVE = {f"kube_lease_renew_time{{{LOCK}}}": "0+60x30"}


FELL_SILENT = {name: values.replace("x30", "x3 _x30") for name, values in WELL.items()}


@pytest.mark.parametrize(
    ("series", "at", "about", "firing"),
    [
        (FAILING, "8m", "HighErrorRate", {"HighErrorRate": "6%"}),
        (FAILING, "2m", "HighErrorRate", {}),
        (WELL, "8m", "HighErrorRate", {}),
        (QUIET, "8m", "HighErrorRate", {"HighErrorRateNoData": ""}),
        ({}, "8m", "HighErrorRate", {"HighErrorRateNoData": ""}),
        (FELL_SILENT, "5m", "HighErrorRate", {}),
        (FELL_SILENT, "12m", "HighErrorRate", {"HighErrorRateNoData": ""}),
        (SHORT, "1m", "Queue", {"QueueOfThisOrThatLength": "9"}),
        (RIGHT, "8m", "Queue", {}),
        (LONG, "1m", "Queue", {"QueueOfThisOrThatLength": "21"}),
        ({}, "4m", "Queue", {}),
        ({}, "5m", "Queue", {"QueueOfThisOrThatLengthNoData": ""}),
        (NODES | HELD | DEAD, "5m", "Release", {"ReleaseOrphaned": ""}),
        (NODES | HELD | ALIVE, "5m", "Release", {}),
        (NODES | FREE | DEAD, "5m", "Release", {}),
        (NODES, "8m", "Release", {}),
        ({}, "8m", "Release", {"ReleaseOrphanedNoData": ""}),
    ],
)
def test_an_alert_fires_exactly_when_its_criterion_does_not_hold(
    rules: Path, series: dict[str, str], at: str, about: str, firing: dict[str, str]
) -> None:
    told = rules_in(rules)
    judged(rules, series, at, {name: rule for name, rule in told.items() if name.startswith(about)}, firing)


def rules_in(path: Path) -> dict[str, Given]:
    return {rule["alert"]: rule for rule in yaml.safe_load(path.read_text())["groups"][0]["rules"]}


def judged(path: Path, series: dict[str, str], at: str, rules: dict[str, Given], firing: dict[str, str]) -> None:
    """Of these rules exactly those fire that `firing` gives a value."""
    cases = [
        {"eval_time": at, "alertname": name, "exp_alerts": [fired(rule, firing[name])] if name in firing else []}
        for name, rule in rules.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    asked = {
        "rule_files": [str(path)],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": inputs, "alert_rule_test": cases}],
    }
    tests = path.with_name("asked.yml")
    tests.write_text(yaml.safe_dump(asked))
    promtool("test", "rules", str(tests))


def fired(rule: Given, value: str) -> Given:
    annotations = {name: re.sub(r"\{\{ \$value.*?\}\}", value, text) for name, text in rule["annotations"].items()}
    return {"exp_labels": rule["labels"], "exp_annotations": annotations}


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    with Prometheus([]) as server:
        assert isinstance(server, Prometheus)
        yield server


def test_what_prometheus_has_loaded_is_compared_with_what_it_should_have(run: Run, prometheus: Prometheus) -> None:
    def loaded(alerts: list[Given], **more: Any) -> dict[str, Any]:
        place = {"prometheus": {"url": prometheus.url}, "state": "loaded"}
        return run(release_alert_rules, **SHOP, alerts=alerts, **place, **more)

    def load(alerts: list[Given]) -> None:
        assert run(release_alert_rules, **SHOP, alerts=alerts, path=str(prometheus.rules))["changed"]
        prometheus.reload()

    assert len(loaded(ALERTS)["differences"]) == 6
    load(ALERTS)
    found = loaded(ALERTS)
    assert (found.get("differences"), found.get("changed")) == ([], False), found

    wanted = [ALERTS[0] | {"expect": "<= 6 %", "for": "9m"}, ALERTS[1] | {"name": "Depth"}, ALERTS[2]]
    found = loaded(wanted)
    assert found["failed"]
    assert found["differences"] == [
        {"alert": "HighErrorRate", "what": "is loaded otherwise: annotations, for, expr"},
        {"alert": "HighErrorRateNoData", "what": "is loaded otherwise: for"},
        {"alert": "Depth", "what": "is not loaded"},
        {"alert": "DepthNoData", "what": "is not loaded"},
        {"alert": "QueueOfThisOrThatLength", "what": "is loaded, and nobody asks for it any more"},
        {"alert": "QueueOfThisOrThatLengthNoData", "what": "is loaded, and nobody asks for it any more"},
    ]
    assert "HighErrorRate is loaded otherwise: annotations, for, expr" in found["msg"]

    load(wanted)
    assert loaded(wanted)["differences"] == []
    assert "HighErrorRate" in loaded([])["msg"], "rules that nobody asks for any more are none"


def test_a_rule_that_cannot_be_evaluated_is_told(run: Run, prometheus: Prometheus) -> None:
    """Prometheus takes it when it loads it, and finds out when it joins what cannot be joined."""
    two = " or ".join(f'label_replace(vector(1), "of", "{number}", "", "")' for number in (1, 2))
    joined = {"query": f"vector(1) + on() ({two})", "fresh": "up", "expect": "== 1"}
    wanted = [{"name": "Joined", "severity": "info", "summary": "never", **joined}]
    run(release_alert_rules, **SHOP, alerts=wanted, path=str(prometheus.rules))
    prometheus.reload()
    place = {"prometheus": {"url": prometheus.url}, "state": "loaded"}
    deadline = time.monotonic() + MINUTE
    while (found := run(release_alert_rules, **SHOP, alerts=wanted, **place)).get("differences") == []:
        assert time.monotonic() < deadline
    assert "cannot be evaluated" in found["msg"], found


def test_amtool_takes_the_routes_and_sends_each_alert_where_it_belongs(tmp_path: Path) -> None:
    hook = {"url": "http://127.0.0.1:5000/alerts", "token_file": "/etc/token"}
    mail = {"kind": "mail", "to": "ops@shop", "from": "alerts@shop", "smarthost": "mail:25"}
    login = {"username": "alerts", "password_file": "/etc/mail"}
    receivers = {
        "critical": [{"kind": "pagerduty", "routing_key_file": "/etc/pager"}, mail | login],
        "warning": [{"kind": "slack", "api_url_file": "/etc/slack", "channel": "#shop"}, {"kind": "webhook", **hook}],
    }
    alerting = {"routes": "here", "rollback": hook | {"ca_file": "/etc/ca"}, "receivers": receivers}
    shop = {"release_system": "shop", "release_environment": "prod", "release_alerts": ALERTS}
    hosts = [
        {**shop, "release_alerting": alerting},
        {**shop, "inventory_dir": "/i/staging", "release_environment": "", "release_alerting": alerting},
        {**shop, "release_system": "other", "release_alerting": alerting | {"routes": "elsewhere"}},
    ]
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(alert_routes(hosts, "here")))
    assert "SUCCESS" in amtool("check-config", str(path))

    def told(*labels: str) -> str:
        return amtool("config", "routes", "test", f"--config.file={path}", "system=shop", *labels).strip()

    assert told("environment=prod", "severity=critical", "rolls_back=true") == "shop-prod-rollback,shop-prod-critical"
    assert told("environment=prod", "severity=critical") == "shop-prod-critical"
    assert told("environment=staging", "severity=warning") == "shop-staging-warning"
    assert told("environment=prod", "severity=page") == "shop-prod-warning", "what nobody foresaw is not lost"
    assert told("environment=test", "severity=critical") == "nobody"
    assert amtool("config", "routes", "test", f"--config.file={path}", "system=other").strip() == "nobody"


@pytest.fixture(scope="module")
def production() -> dict[str, Given]:
    """The variables of the hosts of the production inventory."""
    tool = [sys.executable, str(ROOT / "tests" / "unit" / "templated_inventory.py")]
    extra = json.dumps({"release_version": "unknown", "ansible_playbook_python": sys.executable})
    done = subprocess.run(
        [*tool, str(ROOT / "inventories" / "prod"), extra], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


def test_the_alerts_of_every_system_are_rules_and_without_any_data_each_twin_fires(
    run: Run, production: dict[str, Given], tmp_path: Path
) -> None:
    assert len(production) == 5
    for name, host in production.items():
        path = tmp_path / f"{name}.yml"
        system = {"system": name, "environment": "prod", "namespace": host["release_cluster"]["namespace"]}
        alerts = {"alerts": host["release_alerts"], "gates": host["release_gates"]}
        assert run(release_alert_rules, **system, **alerts, path=str(path))["changed"]
        promtool("check", "rules", str(path))
        rules = rules_in(path)
        judged(path, {}, "2h", rules, {name: "" for name in rules if name.endswith("NoData")})


def test_the_routes_of_production_reach_somebody_for_every_alert(production: dict[str, Given], tmp_path: Path) -> None:
    (file,) = {host["release_alerting"]["routes"] for host in production.values()}
    path = tmp_path / "alertmanager.yml"
    path.write_text(yaml.safe_dump(alert_routes(list(production.values()), file)))
    assert "SUCCESS" in amtool("check-config", str(path))
    for name, host in production.items():
        for alert in host["release_alerts"]:
            labels = [f"system={name}", "environment=prod", f"severity={alert['severity']}"]
            told = amtool("config", "routes", "test", f"--config.file={path}", *labels).strip()
            assert told == f"{name}-prod-{alert['severity']}"


def test_the_rulebook_hears_who_knows_the_token_and_answers_each_alert_once(tmp_path: Path) -> None:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    shop = {"release_system": "shop", "release_environment": "prod", "release_cluster": {"namespace": "shops"}}
    hosts = {"shop": {**here, **shop}, "other": {**here, **shop, "release_system": "other"}}
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    run_me = {"path": f"{{{{ lookup('pipe', 'touch {tmp_path}/owned') }}}}"}
    with Rulebook(inventory, tmp_path) as rulebook:
        rulebook.hears(READY)
        forged = [alerted("Forged")]
        assert [posted(rulebook, forged, ""), posted(rulebook, forged, "Bearer guessed")] == [401, 401]
        assert posted(rulebook, [alerted("Over", status="resolved"), alerted("Mild", rolls_back="")]) == 200
        assert posted(rulebook, [alerted("High", **run_me), alerted("High", **run_me), alerted("Late")]) == 200
        rulebook.hears("PLAY RECAP", times=2)
        assert posted(rulebook, [alerted("High"), alerted("Last")]) == 200
        rulebook.hears("PLAY RECAP", times=3)
        told = [line.partition("release_alerts has no ")[2].split()[0] for line in rulebook.log if " has no " in line]
        assert sorted(told) == ["High", "Last", "Late"], "once for each alert, and for its system alone"
        assert rulebook.token not in "".join(rulebook.log)
    assert not (tmp_path / "owned").exists(), "what an alert says is never run"


def alerted(name: str, status: str = "firing", **labels: str) -> Given:
    own = {"alertname": name, "system": "shop", "environment": "prod", "rolls_back": "true", **labels}
    return {"labels": own, "annotations": {}, "status": status, "startsAt": "2026-11-22T12:00:00Z"}


def posted(rulebook: Rulebook, alerts: list[Given], authorization: str | None = None) -> int:
    """The status of the answer to what Alertmanager would send, by default with the token."""
    login = f"Bearer {rulebook.token}" if authorization is None else authorization
    headers = {"Content-Type": "application/json", **({"Authorization": login} if login else {})}
    request = urllib.request.Request(rulebook.url, json.dumps({"alerts": alerts}).encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
