# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import json
import threading
import urllib.parse

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.heard import increments
from ansible_collections.runbook.release.plugins.module_utils.tor.sources import judge as judge_source
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import Ask, World

NEW, OLD = "1.4.0", "1.3.0"
SINCE = 1000.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """One look, unless a test is about the next ones."""
    monkeypatch.setattr(judge_source, "_LOOK_EVERY", 60.0)


def judge(source, select="error_share"):
    criterion = {"name": "it", "source": {"kind": "judge", "canary": NEW, **source}, "select": select}
    (verdict,) = evaluate(parse_criteria([{**criterion, "expect": '== "pass"', "timeout": 30}]), World()).verdicts
    return verdict


class TestWitness:
    @pytest.fixture
    def folder(self, tmp_path):
        spec = {"versions": [OLD, NEW], "timeout_ms": 2000}
        (tmp_path / "witness.json").write_text(json.dumps({"spec": spec, "started": SINCE - 600, "stopped": None}))
        return tmp_path

    @pytest.fixture
    def ask(self, folder):
        def asking(lines, select="error_share", shape="new", **source):
            """Lines of (second since the traffic moved, milliseconds, outcome, version)."""
            rows = sorted((1000 * (SINCE + at), 1000 * (SINCE + at) + took, *more) for at, took, *more in lines)
            rows.sort(key=lambda row: row[1])
            log = "".join(f"{a:.0f} {b:.0f} {shape} {n} {o} {by}\n" for n, (a, b, o, by) in enumerate(rows))
            (folder / "requests.log").write_text(log)
            return judge({"path": str(folder), "baseline": OLD, "since": SINCE, **source}, select)

        return asking

    @staticmethod
    def traffic(seconds, bad=0, first=0, slow=0, version=NEW, rate=10):
        """So many requests a second; of each hundred the first `bad` are errors, the first `slow` take a second."""
        return [
            (n / rate, 1000 if n % 100 < slow else 5, 500 if n % 100 < bad else 200, version)
            for n in range(first * rate, seconds * rate)
        ]

    @pytest.mark.parametrize(
        ("bad", "verdict", "parts"),
        [
            (0, "pass", ["errors in 0 of 600 (0 %) answers of 1.4.0", "against 0 of 5400", "less than 1 % is proven"]),
            (4, "fail", ["errors in 4 of 100 (4 %) answers of 1.4.0 against 0 of 900", "is proven after 10 s"]),
            (40, "fail", ["more than 20 %: no comparison is needed"]),
        ],
    )
    def test_a_canary_beside_its_baseline(self, ask, bad, verdict, parts):
        found = ask(self.traffic(65, bad) + self.traffic(65, version=OLD, rate=90))
        assert found.verdict == verdict, found.sentence
        assert [part for part in parts if part not in found.sentence] == [], found.sentence

    def test_a_few_answers_are_insufficient_and_the_sentence_says_what_is_missing(self, ask):
        found = ask(self.traffic(20) + self.traffic(20, version=OLD, rate=90))
        assert found.verdict == "insufficient"
        assert "a pass needs 300 answers of the canary" in found.sentence

    def test_a_log_without_a_request_is_insufficient(self, ask):
        assert ask([]).verdict == "insufficient"

    def test_what_was_answered_before_the_traffic_moved_is_not_the_canarys(self, ask):
        broken_before = [(at - 400, took, 500, by) for at, took, _outcome, by in self.traffic(60)]
        assert ask(broken_before + self.traffic(65) + self.traffic(65, version=OLD, rate=90)).verdict == "pass"

    def test_bursts_of_the_baseline_before_make_the_judge_careful(self, ask):
        burst = [(-300 + 25 * n, 5, 500, OLD) for n in range(12) for _each in range(20)]
        quiet = [(at - 400, took, 200, by) for at, took, _outcome, by in self.traffic(400, version=OLD, rate=90)]
        now = self.traffic(15, bad=6) + self.traffic(15, version=OLD, rate=90)
        assert ask(quiet + now).verdict == "fail"
        assert ask(quiet + burst + now).verdict == "insufficient"

    def test_an_interval_counts_when_its_last_request_must_have_ended(self, ask):
        """Ten seconds and the two a request may take: a look before would miss the slow failures."""
        early = self.traffic(11, bad=6) + self.traffic(11, version=OLD, rate=90)
        assert ask(early).verdict == "insufficient"
        assert ask(early + self.traffic(13, first=11)).verdict == "fail"

    def test_slower_than_is_a_share_like_any_other(self, ask):
        source = {"slower_than": "0.5 s"}
        slow = self.traffic(65, slow=10) + self.traffic(65, slow=1, version=OLD, rate=90)
        found = ask(slow, "slow_share", **source)
        assert found.verdict == "fail"
        assert "more than 0.5 s in " in found.sentence
        assert ask(slow, "error_share").verdict == "pass"

    def test_streams_do_not_count(self, ask):
        found = ask(self.traffic(65, bad=40) + self.traffic(65, version=OLD, rate=90), shape="stream")
        assert found.verdict == "insufficient"

    def test_what_is_slow_has_to_be_said(self, ask):
        found = ask(self.traffic(65), "slow_share")
        assert (found.verdict, "slower_than" in found.sentence) == ("error", True)

    def test_without_a_baseline_the_objective_counts(self, ask):
        assert ask(self.traffic(65), baseline=None).verdict == "pass"
        found = ask(self.traffic(65, bad=3), baseline=None)
        assert found.verdict == "fail"
        assert "more than 0.1 % is proven" in found.sentence

    def test_a_baseline_that_is_silent_is_not_beaten(self, ask):
        found = ask(self.traffic(65))
        assert found.verdict == "insufficient"
        assert "50 answers of the baseline" in found.sentence

    def test_a_version_that_may_not_answer_fails_at_once(self, ask):
        found = ask([(1, 5, 200, "0.9")])
        assert found.verdict == "fail"
        assert "versions that may not answer did: 0.9 (1)" in found.sentence

    def test_what_nobody_answers_counts_for_neither_until_it_is_too_much(self, ask):
        lines = self.traffic(65) + self.traffic(65, version=OLD, rate=90)
        lost = [(n / 10, 2000, "timeout", "-") for n in range(650)]
        found = ask(lines + lost)
        assert (found.verdict, found.evidence["lost"]) == ("pass", 650)
        found = ask(self.traffic(5) + [(n / 100, 2000, "timeout", "-") for n in range(300)])
        assert (found.verdict, "answered by nobody" in found.sentence) == ("fail", True)

    def test_kayentas_test_needs_twelve_intervals(self, ask):
        def at(seconds, took):
            return [(n / 2, took + n % 7, 200, NEW) for n in range(2 * seconds)] + [
                (n / 2, 20 + n % 9, 200, OLD) for n in range(2 * seconds)
            ]

        assert ask(at(100, 40), "shift").verdict == "insufficient"
        found = ask(at(140, 40), "shift")
        assert (found.verdict, "above the baseline's" in found.sentence) == ("fail", True)
        assert ask(at(140, 40), "shift", direction="decrease").verdict == "pass"
        assert ask(at(140, 20), "shift").verdict == "pass"

    def test_it_waits_for_more_answers(self, ask, folder, monkeypatch):
        assert ask(self.traffic(20) + self.traffic(20, version=OLD, rate=90)).verdict == "insufficient"
        monkeypatch.setattr(judge_source, "_LOOK_EVERY", 0.02)
        log = folder / "requests.log"
        enough = log.read_text() + "".join(
            f"{1000 * SINCE + 20_000 + 100 * n:.0f} {1000 * SINCE + 20_005 + 100 * n:.0f} new {n} 200 {NEW}\n"
            for n in range(500)
        )
        monkeypatch.setattr(Ask, "wait", lambda _ask, _seconds: bool(log.write_text(enough)))
        assert judge({"path": str(folder), "baseline": OLD, "since": SINCE}).verdict == "pass"


class Prometheus(http.server.BaseHTTPRequestHandler):
    """Answers `time()` and ranges out of `series`: query to a list of functions of time."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Quiet."""

    def do_GET(self):
        path, _mark, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        self.server.asked.append(asked)
        result = [SINCE, str(self.server.now)] if path.endswith("/query") else self.matrix(asked)
        body = json.dumps({"status": "success", "data": {"result": result}, **self.server.more}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def matrix(self, asked):
        at, points = float(asked["start"]), []
        while at <= float(asked["end"]) + 1e-6:
            points.append(round(at, 3))
            at += float(asked["step"])
        found = []
        for one in self.server.series.get(asked["query"], []):
            values = [[moment, str(one(moment))] for moment in points if one(moment) is not None]
            if values:
                found.append({"metric": {}, "values": values})
        return found


class TestPrometheus:
    TOTAL, BAD = 'all{v="$version"}', 'bad{v="$version"}'

    @pytest.fixture
    def server(self):
        own = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Prometheus)
        own.series, own.now, own.asked, own.more, own.daemon_threads = {}, SINCE + 200, [], {}, True
        threading.Thread(target=own.serve_forever, args=(0.01,), daemon=True).start()
        yield own
        own.shutdown()
        own.server_close()

    @pytest.fixture
    def ask(self, server):
        url = f"http://127.0.0.1:{server.server_port}"
        given = {"url": url, "baseline": OLD, "since": SINCE, "total": self.TOTAL, "bad": self.BAD}

        def asking(select="error_share", **source):
            own = {name: value for name, value in {**given, **source}.items() if value is not None}
            return judge(own, select)

        return asking

    def serve(self, server, bad_share, rate=100, born=0.0):
        """The canary gets a tenth; its counters begin at `born`, those of the baseline long before."""

        def counter(per_second, since=0.0):
            return lambda moment: int((moment - since) * per_second) if moment >= since else None

        server.series = {
            self.TOTAL.replace("$version", NEW): [counter(rate / 10, born)],
            self.BAD.replace("$version", NEW): [counter(rate / 10 * bad_share, born)],
            self.TOTAL.replace("$version", OLD): [counter(rate * 0.9)],
            self.BAD.replace("$version", OLD): [counter(rate * 0.9 * 0.001)],
        }

    @pytest.mark.parametrize(("bad", "verdict"), [(0.0, "pass"), (0.03, "fail"), (0.5, "fail")])
    def test_counters_of_both_versions(self, server, ask, bad, verdict):
        self.serve(server, bad)
        found = ask()
        assert found.verdict == verdict, found.sentence

    def test_what_was_counted_before_the_first_scrape_since_does_not_count(self, server, ask):
        """With pods that were there before the traffic moved, and failed then."""
        self.serve(server, 0.0)
        server.series[self.BAD.replace("$version", NEW)] = [lambda moment: min(9000, int((moment - 900) * 90))]
        assert ask(scrape=15).verdict == "pass"
        assert {asked["start"] for asked in server.asked if NEW in asked.get("query", "")} == {"1015.000"}

    def test_pods_that_are_born_meanwhile_count_from_nothing(self, server, ask):
        self.serve(server, 0.03, born=SINCE + 40)
        found = ask()
        assert found.verdict == "fail"
        assert "of 1.4.0" in found.sentence

    def test_a_bucket_tells_the_good_ones(self, server, ask):
        self.serve(server, 0.0)
        for version, share in ((NEW, 0.7), (OLD, 0.99)):
            total = server.series[self.TOTAL.replace("$version", version)][0]
            server.series[f'fast{{v="{version}"}}'] = [
                lambda moment, total=total, share=share: int(total(moment) * share)
            ]
        source = {"bad": None, "good": 'fast{v="$version"}', "slower_than": "500 ms"}
        assert ask("slow_share", **source).verdict == "fail"

    def test_versions_nobody_counts_are_insufficient(self, server, ask):
        found = ask()
        assert found.verdict == "insufficient"

    @pytest.mark.parametrize("more", [{"warnings": ["a store did not answer"]}, {"isPartial": True}])
    def test_half_an_answer_is_insufficient(self, server, ask, more):
        self.serve(server, 0.0)
        server.more = more
        found = ask()
        assert (found.verdict, "not complete" in found.sentence) == ("insufficient", True)

    def test_a_value_is_compared_by_kayentas_test(self, server, ask):
        server.series = {f'p95{{v="{NEW}"}}': [lambda at: 200 + at % 7], f'p95{{v="{OLD}"}}': [lambda at: 100 + at % 9]}
        source = {"total": None, "bad": None, "value": 'p95{v="$version"}'}
        assert ask("shift", **source).verdict == "fail"
        assert ask("shift", direction="decrease", **source).verdict == "pass"
        assert {asked["start"] for asked in server.asked if "start" in asked} == {"1015.000"}

    def test_a_version_cannot_end_the_query(self, server, ask):
        ask(canary='1"} or vector(1) #')
        assert any(asked.get("query") == r'all{v="1\"} or vector(1) #"}' for asked in server.asked)

    def test_no_server_is_an_error(self, ask, server):
        server.shutdown()
        server.server_close()
        assert ask().verdict == "error"


class TestIncrements:
    @pytest.mark.parametrize(
        ("series", "grown"),
        [
            ([[1, 4, 9]], [3, 5]),
            ([[9, 2, 3]], [2, 1]),
            ([[None, 4, 9]], [4, 5]),
            ([[1, None, 9]], [0, 8]),
            ([[9, None, 3]], [0, 3]),
            ([[1, 4, None]], [3, 0]),
            ([[1, 4, 9], [None, None, 5]], [3, 10]),
            ([], [0, 0]),
        ],
    )
    def test_resets_births_and_gaps(self, series, grown):
        grid = [10.0, 20.0, 30.0]
        points = [{at: v for at, v in zip(grid, one, strict=True) if v is not None} for one in series]
        assert increments(points, grid) == grown


class TestMistakes:
    @pytest.mark.parametrize(
        ("source", "mistake"),
        [
            ({"path": "w", "url": "http://x"}, "source.url: there is a path, too"),
            ({"path": "w", "slo": "5 s"}, "source.slo"),
            ({"path": "w", "slo": "2 %"}, "slo < limit"),
            ({"path": "w", "slower_than": "1 %"}, "source.slower_than"),
            ({"path": "w", "alpha": 2}, "source.alpha"),
            ({"path": "w", "baseline": NEW}, "source.baseline"),
            ({"path": "w", "direction": "up"}, "source.direction"),
            ({"url": "http://x", "total": "a", "bad": "b"}, "source.since"),
            ({"url": "http://x", "since": 1, "total": "$version"}, "source.total: give total"),
            ({"url": "http://x", "since": 1, "total": "a", "bad": "$version"}, "source.total: needs $version"),
            ({"url": "http://x", "since": 1, "total": "$version", "bad": "$version", "scrape": -1}, "source.scrape"),
        ],
    )
    def test_are_named_before_anything_is_measured(self, source, mistake):
        with pytest.raises(ReleaseError) as refused:
            judge(source)
        assert mistake in str(refused.value)

    def test_so_is_a_value_it_does_not_have(self):
        with pytest.raises(ReleaseError, match="error_share, slow_share, shift"):
            judge({"path": "w"}, "latency")
