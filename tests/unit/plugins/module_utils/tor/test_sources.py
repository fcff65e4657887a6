# SPDX-License-Identifier: GPL-3.0-or-later
"""The witness, a Service of the cluster, and the connection that sources share; other sources have their own files."""

from __future__ import annotations

import json
import threading
import time

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World


def judge(entry, world=None):
    (verdict,) = evaluate(parse_criteria([{"name": "it", "timeout": 1, **entry}]), world or World()).verdicts
    return verdict


class TestWitness:
    @pytest.fixture
    def ask(self, tmp_path):
        (tmp_path / "witness.json").write_text(json.dumps({"spec": {"versions": ["1.0", "2.0"]}, "stopped": 9e9}))

        def asking(lines, select, expect, samples=1, **source):
            numbered = [f"{1000 * n} {1000 * n + took} new {n} {rest}" for n, (took, rest) in enumerate(lines)]
            (tmp_path / "requests.log").write_text("".join(f"{line}\n" for line in numbered))
            given = {"kind": "witness", "path": str(tmp_path), **source}
            return judge({"source": given, "select": select, "expect": expect, "samples": samples, "timeout": 0.05})

        return asking

    LINES = ((5, "200 1.0"), (5, "500 2.0"), (9, "200 2.0"), (2000, "timeout -"), (7, "200 2.0"), (8, "200 2.0"))

    @pytest.mark.parametrize(
        ("select", "expect", "more", "verdict"),
        [
            ("error_share", "<= 25 %", {"version": "2.0"}, "pass"),
            ("error_share", "< 25 %", {"version": "2.0"}, "fail"),
            ("error_share", "== 0 %", {"version": "1.0"}, "pass"),
            ("failed", "== 2", {}, "pass"),
            ("failed", "== 1", {"version": "2.0"}, "pass"),
            ("lost", "== 1", {}, "pass"),
            ("lost", "== 0", {"since": 4.0}, "pass"),
            ("wrong_version", "== 0", {}, "pass"),
            ("requests", "== 6", {}, "pass"),
            ("p95", "<= 9 ms", {"version": "2.0"}, "pass"),
            ("error_share", "< 1 %", {"version": "3.0"}, "insufficient"),
            ("lost", "== 0", {"since": 100.0}, "insufficient"),
            ("error_share", "<= 25 %", {"version": "2.0", "samples": 5}, "insufficient"),
        ],
    )
    def test_verdicts(self, ask, select, expect, more, verdict):
        found = ask(self.LINES, select, expect, **more)
        assert found.verdict == verdict, found.sentence

    def test_it_waits_for_the_samples(self, ask, tmp_path):
        ask(self.LINES[:1], "failed", "== 0")
        late = threading.Timer(0.2, lambda: (tmp_path / "requests.log").open("a").write("9 12 new 9 200 1.0\n"))
        late.start()
        entry = {"source": {"kind": "witness", "path": str(tmp_path)}, "select": "failed", "expect": 0, "samples": 2}
        assert judge({**entry, "timeout": 5}).verdict == "pass"

    @pytest.mark.parametrize(
        ("quiet", "description", "verdict"),
        [
            (3, {}, "pass"),
            (60, {}, "insufficient"),
            (60, {"stopped": 9e9}, "pass"),
            (60, {"spec": {"timeout_ms": 60_000}}, "pass"),
            (60, {"spec": {"rate": 0.01}}, "pass"),
            (60, {"spec": {"shapes": ["stream"]}}, "pass"),
        ],
    )
    def test_one_that_died_has_not_seen_what_came_after(self, tmp_path, quiet, description, verdict):
        spec = {"versions": ["1.0"], "timeout_ms": 5000, "rate": 20, "shapes": ["new"]} | description.get("spec", {})
        began, ended = time.time() - 600, time.time() - quiet
        whole = {"started": began, "stopped": None, **description, "spec": spec}
        (tmp_path / "witness.json").write_text(json.dumps(whole))
        lines = [f"{1000 * at:.0f} {1000 * at:.0f} new {number} 200 1.0\n" for number, at in enumerate((began, ended))]
        (tmp_path / "requests.log").write_text("".join(lines))
        source = {"kind": "witness", "path": str(tmp_path)}
        found = judge({"source": source, "select": "lost", "expect": 0})
        assert found.verdict == verdict, found.sentence

    @pytest.mark.parametrize(
        "waiting",
        [
            {"source": {"kind": "witness"}, "select": "error_share", "expect": "< 1 %", "samples": 1000},
            {"source": {"kind": "judge", "canary": "1.0"}, "select": "error_share", "expect": '== "pass"'},
        ],
    )
    def test_a_hold_sees_a_lost_request_though_another_criterion_waits_for_answers(self, tmp_path, waiting):
        spec = {"versions": ["1.0"], "timeout_ms": 5000, "rate": 20, "shapes": ["new"]}
        now = 1000 * time.time()
        whole = {"started": now / 1000, "stopped": None, "spec": spec}
        (tmp_path / "witness.json").write_text(json.dumps(whole))
        log = tmp_path / "requests.log"
        log.write_text(f"{now:.0f} {now + 5:.0f} new 0 200 1.0\n")
        lost = {"source": {"kind": "witness"}, "select": "lost", "expect": 0}
        given = [{"name": "it", "timeout": 20, **one} for one in (waiting, lost)]
        criteria = [{**one, "source": {**one["source"], "path": str(tmp_path)}} for one in given]
        threading.Timer(0.5, lambda: log.open("a").write(f"{now:.0f} {now + 400:.0f} new 1 timeout -\n")).start()
        gate = evaluate(parse_criteria(criteria), World(), hold=60)
        assert time.time() - now / 1000 < 15
        assert [verdict.verdict for verdict in gate.blockers if "lost" in verdict.sentence] == ["fail"]

    def test_no_witness_is_an_error(self, tmp_path):
        source = {"kind": "witness", "path": str(tmp_path / "x")}
        assert judge({"source": source, "select": "failed", "expect": 0}).verdict == "error"


class Cluster:
    """The few answers of a client that this source needs."""

    def __init__(self, ports=({"port": 80},), answer=(200, {}, b'{"version": "1.0"}')):
        self.ports, self.answer, self.asked = list(ports), answer, []

    def get(self, kind, name, namespace=""):
        return {"spec": {"ports": self.ports}} if name == "web" else None

    def service_get(self, service, namespace, port, path, headers=None, timeout=10.0):
        self.asked.append((service, namespace, port, path))
        return self.answer


def in_cluster(entry, cluster=None, namespace="shop"):
    return judge(entry, World(namespace, lambda: cluster or Cluster()))


SERVICE = {"kind": "service", "service": "web", "path": "/version"}


class TestService:
    def test_it_asks_the_only_port(self):
        cluster = Cluster()
        assert in_cluster({"source": SERVICE, "select": "version", "expect": '== "1.0"'}, cluster).verdict == "pass"
        assert cluster.asked == [("web", "shop", "80", "/version")]

    def test_it_asks_the_port_named_http_or_the_one_given(self):
        cluster = Cluster(ports=[{"port": 9, "name": "grpc"}, {"port": 80, "name": "http"}])
        in_cluster({"source": SERVICE, "select": "status", "expect": 200}, cluster)
        in_cluster({"source": {**SERVICE, "port": 9}, "select": "status", "expect": 200}, cluster)
        assert [asked[2] for asked in cluster.asked] == ["80", "9"]

    @pytest.mark.parametrize(
        ("source", "ports"), [(SERVICE, [{"port": 1}, {"port": 2}]), ({**SERVICE, "service": "x"}, [{"port": 1}])]
    )
    def test_what_cannot_be_asked_is_an_error(self, source, ports):
        assert in_cluster({"source": source, "select": "status", "expect": 200}, Cluster(ports)).verdict == "error"

    def test_an_unready_service_fails(self):
        found = in_cluster({"source": SERVICE, "select": "status", "expect": 200}, Cluster(answer=(503, {}, b"")))
        assert found.verdict == "fail"


def test_the_connection_is_made_once_and_only_when_needed():
    made = []
    world = World("shop", lambda: made.append(1) or time.sleep(0.05) or Cluster())
    entries = [{"name": str(n), "source": SERVICE, "select": "status", "expect": 200} for n in range(8)]
    assert evaluate(parse_criteria(entries), world).passed
    assert made == [1]


def test_no_connection_is_an_error_of_those_who_need_it():
    def refuse():
        raise ReleaseError("no kubeconfig")

    found = judge({"source": SERVICE, "select": "status", "expect": 200}, World("shop", refuse))
    assert (found.verdict, "no kubeconfig" in found.sentence) == ("error", True)


def test_the_path_of_a_service_may_hold_a_secret_that_is_not_shown():
    cluster = Cluster(answer=(401, {}, b""))
    found = in_cluster(
        {"source": {**SERVICE, "path": "/v?token=s3cret"}, "select": "version", "expect": '== "1.0"'}, cluster
    )
    assert found.verdict == "error"
    assert "s3cret" in cluster.asked[0][3]
    assert "s3cret" not in repr(found.report())
