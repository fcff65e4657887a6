# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import threading
import time

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import known_kind
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Quiet."""

    def do_GET(self):
        path = self.path.partition("?")[0].strip("/")
        self.server.paths.append(self.path)
        if path == "hang":
            self.server.released.wait(5)
            return
        status = int(path) if path.isdigit() else 200
        if path == "flaky":
            status = 500 if len(self.server.paths) % 2 else 200
        body = {"html": b"<html>", "big": b"x" * 2_000_000}.get(path, b'{"version": "1.0", "took": 12}')
        length = len(body) + (10 if path == "cut" else 0)
        head = (
            f"HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nX-Host: {self.headers['Host']}\r\nLocation: /\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)
        self.close_connection = True


@pytest.fixture
def server():
    own = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    own.paths = []
    own.released = threading.Event()
    own.daemon_threads = True
    threading.Thread(target=own.serve_forever, args=(0.01,), daemon=True).start()
    yield own
    own.released.set()
    own.shutdown()
    own.server_close()


def judge(entry, world=None):
    (verdict,) = evaluate(parse_criteria([{"name": "it", "timeout": 1, **entry}]), world or World()).verdicts
    return verdict


class TestHttp:
    @pytest.fixture
    def ask(self, server):
        def asking(path="", **entry):
            url = f"http://shop.test:{server.server_port}/{path}"
            return judge({"source": {"kind": "http", "url": url, "address": "127.0.0.1"}, **entry})

        return asking

    @pytest.mark.parametrize(
        ("path", "entry", "verdict"),
        [
            ("", {"select": "status", "expect": "200..299"}, "pass"),
            ("503", {"select": "status", "expect": "200..299"}, "fail"),
            ("302", {"select": "status", "expect": "== 302"}, "pass"),
            ("", {"select": "version", "expect": '== "1.0"'}, "pass"),
            ("", {"select": "took", "expect": "< 20 ms"}, "pass"),
            ("", {"select": "missing", "expect": "< 20 ms"}, "insufficient"),
            ("html", {"select": "version", "expect": '== "1.0"'}, "error"),
            ("html", {"select": "/<(\\w+)>/", "expect": '== "html"'}, "pass"),
            ("", {"select": "latency", "expect": "< 1 s", "samples": 5, "aggregate": "p95"}, "pass"),
            ("flaky", {"select": "error_share", "expect": "<= 50 %", "samples": 4}, "pass"),
            ("flaky", {"select": "error_share", "expect": "< 50 %", "samples": 4}, "fail"),
            ("hang", {"select": "status", "expect": "== 200"}, "error"),
            ("hang", {"select": "error_share", "expect": "< 1 %"}, "fail"),
            ("cut", {"select": "status", "expect": "== 200"}, "error"),
            ("big", {"select": "status", "expect": "== 200"}, "error"),
        ],
    )
    def test_verdicts(self, ask, path, entry, verdict):
        found = ask(path, **entry)
        assert found.verdict == verdict, found.sentence

    def test_each_sample_is_a_request(self, ask, server):
        assert ask(select="status", expect="== 200", samples=7).samples == 7
        assert len(server.paths) == 7

    def test_the_host_of_the_url_is_asked_for_at_the_address(self, ask, server):
        assert ask(select="header:x-host", expect=f'== "shop.test:{server.server_port}"').verdict == "pass"

    def test_a_secret_in_the_url_is_sent_but_not_shown(self, ask, server):
        found = ask("hang?token=s3cret&q=1", select="status", expect="== 200")
        assert "s3cret" not in json.dumps(found.report())
        assert "q=1" in found.source
        assert "s3cret" in server.paths[0]

    def test_time_that_runs_out_between_samples_is_insufficient(self, ask, server):
        assert ask(select="status", expect="== 200", samples=10**6, timeout=0.2).verdict == "insufficient"

    @pytest.mark.parametrize("url", ["shop.test", "ftp://shop.test", "http://shop.test:99999/"])
    def test_what_is_no_url_is_an_error(self, url):
        found = judge({"source": {"kind": "http", "url": url}, "select": "status", "expect": 200})
        assert (found.verdict, "URL" in found.sentence) == ("error", True)

    def test_nobody_there_is_an_error(self, server):
        server.server_close()
        source = {"kind": "http", "url": f"http://127.0.0.1:{server.server_port}/"}
        assert judge({"source": source, "select": "status", "expect": 200}).verdict == "error"

    def test_an_untrusted_or_absent_tls_server_is_an_error(self, server):
        source = {"kind": "http", "url": f"https://127.0.0.1:{server.server_port}/"}
        assert judge({"source": source, "select": "status", "expect": 200}).verdict == "error"


class TestWitness:
    @pytest.fixture
    def ask(self, tmp_path):
        (tmp_path / "witness.json").write_text(json.dumps({"spec": {"versions": ["1.0", "2.0"]}, "stopped": None}))

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

    def test_no_witness_is_an_error(self, tmp_path):
        source = {"kind": "witness", "path": str(tmp_path / "x")}
        assert judge({"source": source, "select": "failed", "expect": 0}).verdict == "error"


WORKLOAD = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "generation": 1, "labels": {"tier": "front"}},
    "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "web"}}},
    "status": {
        "observedGeneration": 1,
        "replicas": 4,
        "updatedReplicas": 4,
        "readyReplicas": 3,
        "availableReplicas": 2,
    },
}
REPLICASET = {"metadata": {"uid": "r1", "ownerReferences": [{"uid": "u1"}]}}


def pod(*counts):
    statuses = [{"restartCount": count} for count in counts]
    return {"metadata": {"name": "p", "ownerReferences": [{"uid": "r1"}]}, "status": {"containerStatuses": statuses}}


class Cluster:
    """The few answers of a client that these sources need."""

    def __init__(self, ports=({"port": 80},), answer=(200, {}, b'{"version": "1.0"}')):
        self.ports, self.answer, self.asked = list(ports), answer, []

    def resolve(self, api_version, kind):
        return known_kind(api_version, kind)

    def get(self, kind, name, namespace=""):
        if kind.kind == "Service":
            return {"spec": {"ports": self.ports}} if name == "web" else None
        return WORKLOAD if name == "web" and namespace == "shop" else None

    def list(self, kind, namespace="", labels="", fields=""):
        return [pod(1, 0), pod(2)]

    def list_metadata(self, kind, namespace="", labels=""):
        return [REPLICASET]

    def service_get(self, service, namespace, port, path, headers=None, timeout=10.0):
        self.asked.append((service, namespace, port, path))
        return self.answer


def in_cluster(entry, cluster=None, namespace="shop"):
    return judge(entry, World(namespace, lambda: cluster or Cluster()))


class TestKubernetes:
    @pytest.mark.parametrize(
        ("select", "expect", "verdict"),
        [
            ("desired", "== 4", "pass"),
            ("ready", ">= 4", "fail"),
            ("available", "== 2", "pass"),
            ("ready_share", ">= 75 %", "pass"),
            ("ready_share", ">= 100 %", "fail"),
            ("restarts", "== 3", "pass"),
            ("metadata.labels.tier", '== "front"', "pass"),
            ("spec.missing", "== 1", "insufficient"),
        ],
    )
    def test_verdicts(self, select, expect, verdict):
        source = {"kind": "kubernetes", "object_kind": "Deployment", "name": "web"}
        found = in_cluster({"source": source, "select": select, "expect": expect})
        assert found.verdict == verdict, found.sentence

    def test_what_does_not_exist_is_an_error(self):
        source = {"kind": "kubernetes", "object_kind": "Deployment", "name": "x"}
        found = in_cluster({"source": source, "select": "ready", "expect": 1})
        assert found.verdict == "error"
        assert "Deployment x does not exist in namespace shop" in found.sentence

    def test_without_a_namespace_it_is_an_error(self):
        source = {"kind": "kubernetes", "object_kind": "Deployment", "name": "web"}
        assert in_cluster({"source": source, "select": "ready", "expect": 1}, namespace="").verdict == "error"


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
