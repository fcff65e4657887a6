# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that look fine and say nothing, or something else than they seem to; one row each beside the good one."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.sources import sonarqube as source_of_sonarqube

from .judging import MINUTE, REPORTS, answering, judge

PASS, FAIL, INSUFFICIENT, ERROR = "pass", "fail", "insufficient", "error"
DIGEST = "sha256:" + "2" * 64
THRESHOLDS = {"select": "thresholds", "expect": True}
FAST = {"select": "p95", "expect": "< 500 ms"}


def report(kind: str, file: str, **options: Any) -> dict[str, Any]:
    return {"kind": kind, "path": str(REPORTS / file), **options}


@pytest.mark.parametrize(
    ("file", "options", "entry", "verdict"),
    [
        ("export-passed", {}, THRESHOLDS, PASS),
        ("export-breached", {}, THRESHOLDS, FAIL),
        ("summary-passed", {}, THRESHOLDS, PASS),
        ("summary-breached", {}, THRESHOLDS, FAIL),
        ("summary-passed", {"exit_code": 99}, THRESHOLDS, FAIL),
        ("summary-passed", {"exit_code": 107}, FAST, ERROR),
        ("new-passed", {}, THRESHOLDS, INSUFFICIENT),
        ("new-passed", {"exit_code": 0}, THRESHOLDS, PASS),
        ("new-breached", {"exit_code": 99}, THRESHOLDS, FAIL),
        ("new-breached", {}, FAST, PASS),
        ("summary-dead", {}, FAST, INSUFFICIENT),
        ("summary-dead", {"exit_code": 0}, THRESHOLDS, INSUFFICIENT),
        ("summary-dead", {}, {"select": "error_share", "expect": "< 0.1 %"}, FAIL),
        ("summary-dead", {}, {"select": "requests", "expect": ">= 3", "samples": 30}, INSUFFICIENT),
        ("summary-dead", {}, {"select": "checks", "expect": "== 100 %"}, INSUFFICIENT),
        ("summary-passed", {}, {"select": "error_share", "expect": "== 0 %"}, PASS),
        ("export-passed", {}, {"select": "error_share", "expect": "== 0 %"}, PASS),
        ("new-passed", {}, {"select": "error_share", "expect": "== 0 %"}, PASS),
    ],
)
def test_k6(file, options, entry, verdict):
    found = judge({"source": report("k6", f"k6/{file}.json", **options), **entry})
    assert found.verdict == verdict, found.sentence


def sonarqube(task: str = "SUCCESS", **changes: Any) -> dict[str, Any]:
    gate = json.loads((REPORTS / "sonarqube" / "gate.json").read_text())
    gate["projectStatus"].update(changes.pop("gate", {}))
    running = {"status": task, "analysisId": "a2"}
    analysis = {"key": "a2", "date": "2026-11-20T10:00:00+0000", "revision": "c0ffee", "projectVersion": "1.4.0"}
    return {
        "/api/ce/component": lambda dummy: {"queue": [], "current": running},
        "/api/project_analyses/search": lambda dummy: {"analyses": [{**analysis, **changes}]},
        "/api/qualitygates/project_status": lambda query: gate if query["analysisId"] == "a2" else None,
        "/api/hotspots/search": lambda dummy: {"paging": {"total": 0}},
        "/api/measures/component": lambda query: {
            "component": {"measures": [{"metric": "bugs", "value": "2"}] if query["metricKeys"] == "bugs" else []}
        },
    }


QUALITY = {"select": "status", "expect": '== "OK"'}


@pytest.mark.parametrize(
    ("answers", "options", "entry", "verdict"),
    [
        (sonarqube(), {}, QUALITY, PASS),
        (sonarqube(gate={"status": "ERROR"}), {}, QUALITY, FAIL),
        (sonarqube(gate={"conditions": []}), {}, QUALITY, INSUFFICIENT),
        (sonarqube(), {}, {"select": "bugs", "expect": "== 0"}, FAIL),
        (sonarqube(), {}, {"select": "coverage", "expect": "> 80 %"}, INSUFFICIENT),
        (sonarqube(), {}, {"select": "hotspots", "expect": "== 0"}, PASS),
        (sonarqube("IN_PROGRESS"), {}, QUALITY, INSUFFICIENT),
        (sonarqube("FAILED"), {}, QUALITY, ERROR),
        (sonarqube(key="a1"), {}, QUALITY, INSUFFICIENT),
        (sonarqube(), {"revision": "c0ffee", "version": "1.4.0"}, QUALITY, PASS),
        (sonarqube(), {"revision": "beef"}, QUALITY, INSUFFICIENT),
        (sonarqube(), {"version": "1.5.0"}, QUALITY, INSUFFICIENT),
        (sonarqube(), {"newer_than": "2026-11-20T11:00:00Z"}, QUALITY, INSUFFICIENT),
        ({}, {}, QUALITY, ERROR),
    ],
)
def test_sonarqube(answers, options, entry, verdict, monkeypatch):
    monkeypatch.setattr(source_of_sonarqube, "_LOOK_EVERY", MINUTE)
    with answering(answers) as url:
        source = {"kind": "sonarqube", "url": url, "project": "shop", **options}
        found = judge({"source": source, "timeout": MINUTE, **entry})
    assert found.verdict == verdict, found.sentence


def test_the_scan_that_the_scanner_started_is_waited_for(tmp_path):
    (tmp_path / "report-task.txt").write_text("projectKey=shop\nceTaskId=t7\nceTaskUrl=http://ci.example/x\n")
    answers = sonarqube()
    answers["/api/ce/task"] = lambda query: {"task": {"status": "SUCCESS", "analysisId": f"a{query['id'] == 't7'}"}}
    with answering(answers) as url:
        source = {"kind": "sonarqube", "url": url, "project": "shop", "task": str(tmp_path / "report-task.txt")}
        assert judge({"source": source, **QUALITY}).verdict == INSUFFICIENT
        answers["/api/ce/task"] = lambda query: {"task": {"status": "SUCCESS", "analysisId": "a2"}}
        assert judge({"source": source, **QUALITY}).verdict == PASS


NO_CRITICAL = {"select": "critical", "expect": "== 0"}
ACCEPTED = ["CVE-2026-0001 until 2999-01-01"]
RESULTS = json.loads((REPORTS / "trivy" / "image.json").read_text())["Results"]
CLEAN = [{"Target": "debian", "Class": "os-pkgs", "Type": "debian"}]
STRANGE = {"VulnerabilityID": "CVE-2026-0009", "Severity": "SEVERE"}
METADATA = {"RepoDigests": [f"shop@{DIGEST}"]}


@pytest.mark.parametrize(
    ("changes", "options", "entry", "verdict"),
    [
        ({"Results": CLEAN}, {}, NO_CRITICAL, PASS),
        ({}, {}, NO_CRITICAL, FAIL),
        ({"Results": [{**CLEAN[0], "Vulnerabilities": [STRANGE]}]}, {}, NO_CRITICAL, ERROR),
        ({}, {"accepted": ACCEPTED}, NO_CRITICAL, PASS),
        ({}, {"accepted": ["CVE-2026-0001 until 2026-01-01"]}, NO_CRITICAL, FAIL),
        ({}, {}, {"select": "high", "expect": "<= 2"}, PASS),
        ({}, {"ignore_unfixed": True}, {"select": "high", "expect": "== 1"}, PASS),
        ({}, {}, {"select": "vulnerabilities", "expect": "== 3"}, PASS),
        ({"Results": None}, {}, NO_CRITICAL, INSUFFICIENT),
        ({"Results": [{"Target": "key", "Class": "secret"}]}, {}, NO_CRITICAL, INSUFFICIENT),
        ({"Results": CLEAN}, {"digest": "sha256:" + "3" * 64}, NO_CRITICAL, INSUFFICIENT),
        ({"Results": CLEAN}, {"digest": f"registry.example/shop@{DIGEST}"}, NO_CRITICAL, PASS),
        ({"Results": CLEAN}, {"digest": ""}, NO_CRITICAL, INSUFFICIENT),
        ({"Results": CLEAN, "Metadata": {}}, {}, NO_CRITICAL, INSUFFICIENT),
        ({"Results": CLEAN, "Metadata": {**METADATA, "OS": {"EOSL": True}}}, {}, NO_CRITICAL, INSUFFICIENT),
        ({"Results": CLEAN}, {"newer_than": "2026-11-20T09:00:00Z"}, NO_CRITICAL, PASS),
        ({"Results": CLEAN}, {"newer_than": "2026-11-20T11:00:00Z"}, NO_CRITICAL, INSUFFICIENT),
        ({"Results": CLEAN, "CreatedAt": None}, {"newer_than": "2026-11-20T09:00:00Z"}, NO_CRITICAL, INSUFFICIENT),
        ({"Results": CLEAN, "SchemaVersion": 1}, {}, NO_CRITICAL, ERROR),
        ({"Results": CLEAN, "ArtifactType": "filesystem"}, {}, NO_CRITICAL, ERROR),
        ({"Results": CLEAN, "ArtifactType": "filesystem"}, {"artifact": "filesystem", "digest": ""}, NO_CRITICAL, PASS),
        ({"Results": CLEAN}, {}, {"select": "misconfigurations", "expect": "== 0"}, INSUFFICIENT),
    ],
)
def test_trivy(tmp_path, changes, options, entry, verdict):
    given = json.loads((REPORTS / "trivy" / "image.json").read_text())
    path = tmp_path / "trivy.json"
    path.write_text(json.dumps({**given, **changes}))
    found = judge({"source": {"kind": "trivy", "path": str(path), "digest": DIGEST, **options}, **entry})
    assert found.verdict == verdict, found.sentence


def prometheus(*values: str) -> dict[str, Any]:
    def instant(query):
        now = time.time()
        told = [str(now)] if "timestamp(" in query["query"] else values
        return success([{"metric": {}, "value": [now, value]} for value in told])

    def success(result):
        return {"status": "success", "data": {"resultType": "vector", "result": result}}

    return {"/api/v1/query": instant}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [(["3"], PASS), (["5"], FAIL), ([], INSUFFICIENT), (["NaN"], INSUFFICIENT), (["+Inf"], INSUFFICIENT)],
)
def test_prometheus(values, verdict):
    with answering(prometheus(*values)) as url:
        source = {"kind": "prometheus", "url": url, "query": "errors"}
        found = judge({"source": source, "select": "value", "expect": "< 5"})
    assert found.verdict == verdict, found.sentence


def test_prometheus_is_not_asked_for_more_points_than_it_gives():
    source = {"kind": "prometheus", "url": "http://prometheus.test", "query": "x", "range": 86400, "step": 1}
    with pytest.raises(ReleaseError, match="Prometheus refuses"):
        judge({"source": source, "select": "value", "aggregate": "max", "expect": "< 5"})


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, PASS),
        ({"_shards": {"total": 0, "failed": 0}}, INSUFFICIENT),
        ({"_shards": {"total": 5, "failed": 1}}, INSUFFICIENT),
        ({"timed_out": True}, INSUFFICIENT),
        ({"hits": {"total": {"value": 0, "relation": "eq"}}}, INSUFFICIENT),
    ],
)
def test_opensearch(changes, verdict):
    def search(query):
        wanted = "query_string" in query["source"]
        total = {"value": 0 if wanted else 7, "relation": "eq"}
        return {"timed_out": False, "_shards": {"total": 5, "failed": 0}, "hits": {"total": total}, **changes}

    def explain(dummy):
        return {"explanations": [{"explanation": "level:error"}]}

    with answering({"/logs-*/_search": search, "/logs-*/_validate/query": explain}) as url:
        source = {"kind": "opensearch", "url": url, "index": "logs-*", "query": "level:ERROR"}
        found = judge({"source": source, "select": "count", "expect": "== 0"})
    assert found.verdict == verdict, found.sentence


NO_FAILURE = {"select": "failed", "expect": "== 0"}


@pytest.mark.parametrize(
    ("file", "entry", "verdict"),
    [
        ("junit-passed.xml", NO_FAILURE, PASS),
        ("junit-failed.xml", NO_FAILURE, FAIL),
        ("junit-empty.xml", NO_FAILURE, INSUFFICIENT),
        ("junit-broken.xml", NO_FAILURE, FAIL),
        ("junit-passed.xml", {**NO_FAILURE, "samples": 11}, PASS),
        ("junit-passed.xml", {**NO_FAILURE, "samples": 555}, INSUFFICIENT),
        ("pytest-passed.json", NO_FAILURE, PASS),
        ("pytest-failed.json", NO_FAILURE, FAIL),
        ("pytest-empty.json", NO_FAILURE, INSUFFICIENT),
        ("pytest-broken.json", NO_FAILURE, ERROR),
        ("pytest-passed.json", {"select": "tests", "expect": "== 13"}, PASS),
        ("pytest-passed.json", {"select": "skipped", "expect": "== 2"}, PASS),
        ("pytest-passed.json", {**NO_FAILURE, "samples": 555}, INSUFFICIENT),
    ],
)
def test_tests(file, entry, verdict):
    found = judge({"source": report("junit", f"tests/{file}"), **entry})
    assert found.verdict == verdict, found.sentence


def alerts(*states: str) -> list[dict[str, Any]]:
    began = "2026-11-21T10:00:00.000Z"
    return [{"labels": {"alertname": "Slow"}, "startsAt": began, "status": {"state": state}} for state in states]


@pytest.mark.parametrize(
    ("found", "watchdog", "select", "verdict"),
    [
        ([], True, "firing", PASS),
        (alerts("active"), True, "firing", FAIL),
        (alerts("suppressed"), True, "firing", PASS),
        (alerts("suppressed"), True, "alerts", FAIL),
        ([], False, "firing", INSUFFICIENT),
    ],
)
def test_a_silence_hides_no_alert_from_who_asks_for_all(found, watchdog, select, verdict):
    def answer(query):
        if "Watchdog" in query.get("filter", ""):
            return alerts("active") if watchdog else []
        return found

    with answering({"/api/v2/alerts": answer}) as url:
        said = judge({"source": {"kind": "alertmanager", "url": url}, "select": select, "expect": "== 0"})
    assert said.verdict == verdict, said.sentence


@pytest.mark.parametrize(("lifetime", "verdict"), [(900, PASS), (60, FAIL), (None, INSUFFICIENT)])
def test_a_token_that_is_given_and_soon_over(tmp_path, lifetime, verdict):
    path = tmp_path / "token.json"
    path.write_text(json.dumps({"access_token": "…", "expires_in": lifetime, "token_type": "Bearer"}))
    found = judge({"source": {"kind": "json", "path": str(path)}, "select": "expires_in in s", "expect": "> 5 min"})
    assert found.verdict == verdict, found.sentence


@pytest.mark.parametrize(
    ("status", "value", "verdict"),
    [
        ("FINISHED", 7.2, PASS),
        ("FINISHED", 12, FAIL),
        ("RUNNING", 7.2, INSUFFICIENT),
        ("FINISHED", math.nan, INSUFFICIENT),
    ],
)
def test_a_run_of_mlflow_that_is_not_over(tmp_path, status, value, verdict):
    path = tmp_path / "run.json"
    run = {"info": {"run_id": "r1", "status": status}, "data": {"metrics": [{"key": "mape", "value": value}]}}
    path.write_text(json.dumps({"run": run}))
    source = {"kind": "json", "path": str(path), "provided": "run.info.status == 'FINISHED'"}
    found = judge({"source": source, "select": "run.data.metrics[?key=='mape'].value", "expect": "< 10 %"})
    assert found.verdict == verdict, found.sentence


ALLOWED = ["MIT", "BSD-3-Clause", "Apache-2.0", "MPL-2.0"]
ALL_ALLOWED = {"select": "not_allowed", "expect": "== 0"}
CLASSIFIERS = [
    "License :: OSI Approved :: BSD License",
    "License :: OSI Approved :: Apache Software License",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)",
]


@pytest.mark.parametrize(
    ("file", "options", "entry", "verdict"),
    [
        ("cyclonedx-py", {}, ALL_ALLOWED, FAIL),
        ("cyclonedx-py", {}, {"select": "forbidden", "expect": "== 0"}, PASS),
        ("cyclonedx-py", {}, {"select": "unknown", "expect": "== 6"}, PASS),
        ("cyclonedx-py", {"allowed": [*ALLOWED, *CLASSIFIERS]}, {"select": "unknown", "expect": "== 1"}, PASS),
        ("cyclonedx-py", {"allowed": [*ALLOWED, *CLASSIFIERS], "cleared": ["psycopg2-binary"]}, ALL_ALLOWED, PASS),
        ("cyclonedx-npm", {}, {"select": "forbidden", "expect": "== 2"}, PASS),
        ("spdx-npm", {}, {"select": "forbidden", "expect": "== 2"}, PASS),
        ("spdx-npm", {"allowed": ["mit", "ISC", "WTFPL"]}, ALL_ALLOWED, PASS),
        ("spdx-npm", {"allowed": ["mit"], "cleared": ["semver@7.6.3", "left-pad"]}, ALL_ALLOWED, PASS),
        ("spdx-npm", {"allowed": ["mit"], "cleared": ["semver@7.6.2", "left-pad"]}, ALL_ALLOWED, FAIL),
        ("cyclonedx-npm", {"version": "1.4.0", "cleared": ["semver", "left-pad"]}, ALL_ALLOWED, PASS),
        ("cyclonedx-npm", {"version": "1.5.0", "cleared": ["semver", "left-pad"]}, ALL_ALLOWED, INSUFFICIENT),
    ],
)
def test_licences(file, options, entry, verdict):
    source = report("licences", f"licences/{file}.json", **{"allowed": ALLOWED, **options})
    found = judge({"source": source, **entry})
    assert found.verdict == verdict, found.sentence
