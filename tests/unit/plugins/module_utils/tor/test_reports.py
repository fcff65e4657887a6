# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every report: it is whole, not stale, and about what is released."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.reports.expression import (
    Licence,
    LicenceError,
)
from ansible_collections.runbook.release.plugins.module_utils.tor.subject import Subject
from hypothesis import given
from hypothesis import strategies as st

from .judging import REPORTS, judge

DIGEST = "sha256:" + "2" * 64
GOOD: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "k6 summary": ("k6/summary-passed.json", {"kind": "k6"}, "p95", "< 500 ms"),
    "k6 export": ("k6/export-passed.json", {"kind": "k6"}, "thresholds", "== true"),
    "k6 new": ("k6/new-passed.json", {"kind": "k6"}, "p95", "< 500 ms"),
    "junit": ("tests/junit-passed.xml", {"kind": "junit"}, "failed", "== 0"),
    "pytest": ("tests/pytest-passed.json", {"kind": "junit"}, "failed", "== 0"),
    "cobertura": ("coverage/cobertura.xml", {"kind": "coverage"}, "line_share", "> 60 %"),
    "coverage": ("coverage/coverage.json", {"kind": "coverage", "time_zone": "UTC"}, "line_share", "> 60 %"),
    "trivy": ("trivy/image.json", {"kind": "trivy", "digest": DIGEST}, "critical", "<= 1"),
    "cyclonedx": ("licences/cyclonedx-npm.json", {"kind": "licences", "allowed": ["MIT"]}, "parts", "> 0"),
    "spdx": ("licences/spdx-npm.json", {"kind": "licences", "allowed": ["MIT"]}, "parts", "> 0"),
}
every_report = pytest.mark.parametrize(("file", "source", "select", "expect"), GOOD.values(), ids=GOOD)
tells_its_time = pytest.mark.parametrize(
    ("file", "source", "select", "expect"),
    [one for name, one in GOOD.items() if name not in ("k6 summary", "k6 export")],
    ids=[name for name in GOOD if name not in ("k6 summary", "k6 export")],
)
BEFORE, AFTER = "2026-11-20T09:00:00Z", "2026-11-22T09:00:00Z"


def of(path: Any, source: dict[str, Any], select: str, expect: str, world: World | None = None, **more: Any) -> Any:
    return judge({"source": {**source, "path": str(path), **more}, "select": select, "expect": expect}, world)


@every_report
def test_a_good_report_passes(file, source, select, expect):
    assert of(REPORTS / file, source, select, expect).verdict == "pass"


@every_report
def test_a_truncated_report_never_passes(tmp_path, file, source, select, expect):
    text = (REPORTS / file).read_text().strip()
    cuts = {len(text) * step // 60 for step in range(60)} | {len(text) - 1}
    entries = []
    for cut in cuts:
        (tmp_path / str(cut)).write_text(text[:cut])
        cut_one = {**source, "path": str(tmp_path / str(cut))}
        entries.append({"name": str(cut), "source": cut_one, "select": select, "expect": expect})
    verdicts = evaluate(parse_criteria(entries), World()).verdicts
    assert [verdict.sentence for verdict in verdicts if verdict.verdict != "error"] == []


@every_report
def test_a_report_that_is_far_too_large_or_deep_is_an_error(tmp_path, file, source, select, expect):
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(1024**3)
    assert "larger than" in of(tmp_path / "large", source, select, expect).sentence
    (tmp_path / "deep").write_text('{"metrics":' * 200_000)
    assert of(tmp_path / "deep", source, select, expect).verdict == "error"


@every_report
def test_a_report_of_another_kind_never_passes(tmp_path, file, source, select, expect):
    for other in {one[0] for one in GOOD.values()}:
        kinds = {one[1]["kind"] for one in GOOD.values() if one[0] == other}
        if source["kind"] not in kinds:
            found = of(REPORTS / other, source, select, expect)
            assert found.verdict == "error", f"{other}: {found.sentence}"


@every_report
@pytest.mark.parametrize("content", ["[]", "{}", "null", "3", '"text"', "<html/>", "plain", "\x00"])
def test_what_is_no_report_never_passes(tmp_path, file, source, select, expect, content):
    path = tmp_path / "other"
    path.write_text(content)
    assert of(path, source, select, expect).verdict == "error"


@every_report
def test_no_file_is_an_error_that_says_so(tmp_path, file, source, select, expect):
    found = of(tmp_path / "absent", source, select, expect)
    assert (found.verdict, "does not exist" in found.sentence) == ("error", True)


def test_what_is_not_text_is_an_error(tmp_path):
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in of(path, {"kind": "junit"}, "failed", "== 0").sentence


@tells_its_time
def test_a_report_from_before_the_image_is_stale(file, source, select, expect):
    fresh = of(REPORTS / file, source, select, expect, newer_than=BEFORE)
    stale = of(REPORTS / file, source, select, expect, newer_than=AFTER)
    assert (fresh.verdict, stale.verdict) == ("pass", "insufficient")
    assert "is stale" in stale.sentence
    assert (
        of(REPORTS / file, source, select, expect, World(subject=Subject(newer_than=AFTER))).verdict == "insufficient"
    )


@tells_its_time
def test_its_age_can_be_expected(file, source, select, expect):
    path = REPORTS / file
    assert of(path, source, "age", "within 36500 d").verdict == "pass"
    assert of(path, source, "age", "> 1 s").verdict == "pass"


def test_the_time_of_a_file_is_evidence_only_if_somebody_says_so(tmp_path):
    path = tmp_path / "summary.json"
    path.write_bytes((REPORTS / "k6" / "summary-passed.json").read_bytes())
    asked = ({"kind": "k6"}, "p95", "< 500 ms")
    untold = of(path, *asked, newer_than=BEFORE)
    assert (untold.verdict, "trust_file_time" in untold.sentence) == ("insufficient", True)
    assert of(path, *asked, newer_than=BEFORE, trust_file_time=True).verdict == "pass"
    os.utime(path, (1_600_000_000, 1_600_000_000))
    assert of(path, *asked, newer_than=BEFORE, trust_file_time=True).verdict == "insufficient"


@pytest.mark.parametrize(
    ("options", "verdict", "said"),
    [
        ({}, "insufficient", "has no time zone; set time_zone"),
        ({"time_zone": "UTC"}, "pass", ""),
        ({"time_zone": "Asia/Bangkok"}, "insufficient", "from 2026-11-21T12:48:05Z"),
    ],
)
def test_a_time_of_no_zone_is_no_evidence(options, verdict, said):
    path = REPORTS / "coverage" / "coverage.json"
    asked = {"newer_than": "2026-11-21T15:00:00Z", **options}
    found = of(path, {"kind": "coverage"}, "line_share", "> 60 %", **asked)
    assert (found.verdict, said in found.sentence) == (verdict, True), found.sentence


def test_a_report_from_the_future_means_that_clocks_differ(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"made": time.time() + 3600, "value": 1}))
    found = of(path, {"kind": "json", "time_key": "made"}, "value", "== 1")
    assert (found.verdict, "clocks differ" in found.sentence) == ("insufficient", True)


@pytest.mark.parametrize(
    ("subject", "verdict"),
    [
        (Subject(version="1.4.0"), "pass"),
        (Subject(version="1.5.0"), "insufficient"),
        (Subject(digest=DIGEST), "pass"),
        (Subject(), "pass"),
    ],
)
def test_a_report_that_names_its_version_is_held_to_the_release(subject, verdict):
    file, source, select, expect = GOOD["spdx"]
    assert of(REPORTS / file, source, select, expect, World(subject=subject)).verdict == verdict


@pytest.mark.parametrize("name", ["junit", "k6 new", "cobertura"])
def test_a_report_that_names_no_version_is_held_to_one_only_by_its_own_criterion(name):
    file, source, select, expect = GOOD[name]
    assert of(REPORTS / file, source, select, expect, World(subject=Subject(version="1.4.0"))).verdict == "pass"
    found = of(REPORTS / file, source, select, expect, version="1.4.0")
    assert (found.verdict, "does not say for which version" in found.sentence) == ("insufficient", True)


def test_the_digest_of_the_release_is_demanded_of_every_scan_of_an_image(tmp_path):
    file, _source, select, expect = GOOD["trivy"]
    for digest, verdict in ((DIGEST, "pass"), ("sha256:" + "3" * 64, "insufficient"), ("", "insufficient")):
        world = World(subject=Subject(digest=digest))
        assert of(REPORTS / file, {"kind": "trivy"}, select, expect, world).verdict == verdict
    nameless = tmp_path / "trivy.json"
    nameless.write_text(json.dumps({**json.loads((REPORTS / file).read_text()), "Metadata": {}}))
    found = of(nameless, {"kind": "trivy"}, select, expect, World(subject=Subject(digest=DIGEST)))
    assert (found.verdict, "which image" in found.sentence) == ("insufficient", True)


OTHER = "sha256:" + "3" * 64
TWO = Subject(images={"shop": [DIGEST], "cart": [OTHER]})


@pytest.mark.parametrize(
    ("subject", "component", "verdict"),
    [
        (TWO, "shop", "pass"),
        (TWO, "cart", "insufficient"),
        (TWO, "unpinned", "insufficient"),
        (TWO, "", "pass"),
        (Subject(images={"cart": [OTHER]}), "", "insufficient"),
        (Subject(images={"shop": [OTHER, DIGEST]}), "shop", "pass"),
        (Subject(digest=DIGEST), "shop", "pass"),
        (Subject(), "shop", "insufficient"),
    ],
)
def test_a_scan_is_held_to_the_images_of_its_component_or_of_the_release(subject, component, verdict):
    file, _source, select, expect = GOOD["trivy"]
    found = of(REPORTS / file, {"kind": "trivy", "component": component}, select, expect, World(subject=subject))
    assert found.verdict == verdict, found.sentence


def test_the_digest_of_the_criterion_counts_more_than_the_images_of_the_release():
    file, source, select, expect = GOOD["trivy"]
    world = World(subject=Subject(images={"shop": [OTHER]}))
    assert of(REPORTS / file, {**source, "component": "shop"}, select, expect, world).verdict == "pass"


@pytest.mark.parametrize("images", [{"shop": DIGEST}, {"shop": ["1.4.0"]}, {"shop": [None]}])
def test_images_that_are_no_digests_are_refused(images):
    with pytest.raises(ReleaseError, match="no list of digests"):
        Subject(images=images).checked()


@every_report
def test_a_report_of_an_older_image_is_refused_by_the_subject_of_the_release(file, source, select, expect):
    world = World(subject=Subject(version="1.4.0", newer_than=AFTER, images={"shop": [DIGEST]}))
    assert of(REPORTS / file, source, select, expect, world).verdict == "insufficient"


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        ({"kind": "k6", "path": "x", "newer_than": "yesterday"}, "source.newer_than: 'yesterday' is not a time"),
        ({"kind": "k6", "path": "x", "newer_than": "2026-11-21T15:00:00"}, "has no time zone"),
        (
            {"kind": "k6", "path": "x", "time_zone": "Mars/Olympus"},
            "source.time_zone: 'Mars/Olympus' is not a time zone",
        ),
        (
            {"kind": "trivy", "path": "x", "accepted": ["CVE-1 until 2026-13-01"]},
            "source.accepted: 'CVE-1 until 2026-13",
        ),
        ({"kind": "trivy", "path": "x", "accepted": ["CVE-1"]}, "source.accepted: 'CVE-1' is not of the form"),
        ({"kind": "licences", "path": "x"}, "source.allowed: missing"),
        ({"kind": "model"}, "source.path: give either path or query"),
        ({"kind": "model", "query": "select 1"}, "source.host: missing"),
        ({"kind": "command", "command": []}, "source.command: is empty"),
        ({"kind": "k6", "path": "x", "exit_code": "bad"}, "source.exit_code: 'bad' is not"),
    ],
)
def test_a_mistake_in_the_options_is_named(source, mistake):
    with pytest.raises(ReleaseError) as caught:
        parse_criteria([{"name": "it", "source": source, "select": "age", "expect": "within 1 d"}])
    assert mistake in caught.value.details["mistakes"][0]


@pytest.mark.parametrize(
    ("kind", "select", "expect", "mistake"),
    [
        ("k6", "speed", "< 1 s", ".select: 'speed' is none of thresholds"),
        ("k6", "p95", "< 500", ".expect: 500 has no unit"),
        ("k6", "error_share", "< 5 ms", ".expect:"),
        ("junit", "failed", "< 1 %", ".expect: 1 % is a share"),
        ("coverage", "line_share", "> 80 V", ".expect:"),
        ("file", "owner", '== "root"', ".select: 'owner' is none of"),
        ("json", "took in parsec", "< 1 s", ".select: 'took in parsec': 'parsec' is not a known unit"),
        ("model", "rmse in kW", "< 3 V", ".expect:"),
        ("model", "mape in kW", "< 3 kW", ".select:"),
    ],
)
def test_a_wrong_select_or_unit_is_found_before_anything_is_measured(kind, select, expect, mistake):
    with pytest.raises(ReleaseError) as caught:
        parse_criteria([{"name": "it", "source": {"kind": kind, "path": "x"}, "select": select, "expect": expect}])
    assert caught.value.details["mistakes"][0].startswith(f"criteria[0]{mistake}")


class TestTests:
    CASES = '<testcase name="a"/><testcase name="b"><{}/></testcase>'

    @pytest.mark.parametrize(
        ("suite", "expect", "verdict"),
        [
            ('<testsuite tests="2" failures="1">' + CASES.format("failure") + "</testsuite>", "== 1", "pass"),
            ('<testsuite tests="2" errors="1">' + CASES.format("error") + "</testsuite>", "== 1", "pass"),
            ("<testsuite>" + CASES.format("skipped") + "</testsuite>", "== 0", "pass"),
            ('<testsuite tests="3">' + CASES.format("skipped") + "</testsuite>", "== 0", "pass"),
            ('<testsuite tests="2" errors="1">' + CASES.format("failure") + "</testsuite>", "== 0", "error"),
            ('<testsuite tests="2" failures="1">' + CASES.format("skipped") + "</testsuite>", "== 0", "error"),
            ('<testsuite tests="1"><testcase name="a"><skipped/></testcase></testsuite>', "== 0", "insufficient"),
            ("<html><testcase/></html>", "== 0", "error"),
            ('<!DOCTYPE x [<!ENTITY a "b">]><testsuite><testcase name="&a;"/></testsuite>', "== 0", "error"),
        ],
    )
    def test_tests_are_counted_and_not_believed(self, tmp_path, suite, expect, verdict):
        path = tmp_path / "junit.xml"
        path.write_text(suite)
        found = of(path, {"kind": "junit"}, "failed", expect)
        assert found.verdict == verdict, found.sentence

    def test_subtests_are_no_tests(self):
        found = of(REPORTS / "tests" / "junit-subtests.xml", {"kind": "junit"}, "tests", "== 2")
        assert (found.verdict, found.samples) == ("pass", 2)

    def test_the_failed_ones_are_named(self):
        found = of(REPORTS / "tests" / "junit-failed.xml", {"kind": "junit"}, "failed", "== 0")
        assert found.evidence["failures"] == ["test_shop.test_fails_when_told"]


class TestCoverage:
    def test_lines_and_branches(self):
        for file in ("cobertura.xml", "coverage.json"):
            path = REPORTS / "coverage" / file
            assert of(path, {"kind": "coverage"}, "line_share", "> 80 %").observed == 66.6667
            assert of(path, {"kind": "coverage"}, "branch_share", "== 50 %").verdict == "pass"
            assert of(path, {"kind": "coverage"}, "lines", "== 6").verdict == "pass"

    @pytest.mark.parametrize("file", ["cobertura-empty.xml", "coverage-empty.json"])
    def test_nothing_is_not_covered_though_it_says_100_percent(self, file):
        assert of(REPORTS / "coverage" / file, {"kind": "coverage"}, "line_share", "> 80 %").verdict == "insufficient"
        assert of(REPORTS / "coverage" / file, {"kind": "coverage"}, "lines", ">= 0").verdict == "insufficient"

    def test_a_rate_that_its_lines_do_not_bear_out_is_an_error(self, tmp_path):
        path = tmp_path / "cobertura.xml"
        path.write_text((REPORTS / "coverage" / "cobertura.xml").read_text().replace('"0.6667"', '"0.95"', 1))
        assert of(path, {"kind": "coverage"}, "line_share", "> 80 %").verdict == "error"

    def test_lines_are_counted_where_no_counts_are_given(self, tmp_path):
        path = tmp_path / "cobertura.xml"
        lines = '<line number="1" hits="3"/><line number="2" hits="0"/>'
        path.write_text(f"<coverage><packages><class><lines>{lines}</lines></class></packages></coverage>")
        assert of(path, {"kind": "coverage"}, "line_share", "== 50 %").verdict == "pass"


class TestModel:
    ROWS = ((100, 110), (200, 190), (300, 300))

    @pytest.fixture
    def ask(self, tmp_path):
        def asking(select, expect, rows=self.ROWS, head="predicted,actual", **options):
            path = tmp_path / "accuracy.csv"
            path.write_text(head + "\n" + "".join(",".join(str(value) for value in row) + "\n" for row in rows))
            return of(path, {"kind": "model"}, select, expect, **options)

        return asking

    @pytest.mark.parametrize(
        ("select", "expect", "verdict"),
        [
            ("mape", "< 10 %", "pass"),
            ("mape", "< 4 %", "fail"),
            ("mae", "< 7", "pass"),
            ("mae in V", "< 6 V", "fail"),
            ("rmse in kW", "< 100 kW", "pass"),
            ("rmse in kW", "< 8000 W", "fail"),
            ("r2", "> 0.95", "pass"),
            ("r2", "> 0.999", "fail"),
        ],
    )
    def test_verdicts(self, ask, select, expect, verdict):
        found = ask(select, expect)
        assert found.verdict == verdict, found.sentence
        assert found.samples == 3

    def test_the_figures(self, ask):
        assert ask("mape", "< 10 %").observed == pytest.approx(100 * (10 / 110 + 10 / 190) / 3, rel=1e-4)
        assert ask("mae", "< 10").observed == pytest.approx(20 / 3, rel=1e-4)
        assert ask("rmse", "< 10").observed == pytest.approx(math.sqrt(200 / 3), rel=1e-4)
        assert ask("r2", "> 0").observed == pytest.approx(1 - 200 / 18200, rel=1e-4)

    @pytest.mark.parametrize(
        ("select", "rows", "options", "verdict"),
        [
            ("mape", [(1, 0), (100, 100)], {}, "error"),
            ("mape", [(1, 0), (100, 100)], {"floor": 5}, "pass"),
            ("mape", [(1, 0), (2, 1)], {"floor": 5}, "insufficient"),
            ("mape", [], {}, "insufficient"),
            ("mape", [(1, 1), (2, "")], {}, "insufficient"),
            ("mape", [(1, 1), (2, "nan")], {}, "insufficient"),
            ("mape", [(1, 1), (2, "inf")], {}, "insufficient"),
            ("mape", [(1, 1), (2, "n/a")], {}, "error"),
            ("mape", [(1, 1), (2,)], {}, "insufficient"),
            ("r2", [(1, 5), (2, 5)], {}, "insufficient"),
            ("mape", [(1, 1)], {"actual": "measured"}, "error"),
        ],
    )
    def test_values_that_say_nothing(self, ask, select, rows, options, verdict):
        found = ask(select, "< 200 %" if select == "mape" else "> 0.9", rows, **options)
        assert found.verdict == verdict, found.sentence

    def test_a_share_of_nothing_is_answered_with_what_to_do(self, ask):
        assert "1 of 2 actual values are 0" in ask("mape", "< 10 %", [(1, 0), (100, 100)]).sentence

    def test_a_wrong_column_is_answered_with_those_that_are_there(self, ask):
        assert "predicted, actual" in ask("mape", "< 10 %", actual="measured").sentence

    def test_old_predictions_are_stale(self, ask):
        rows = [(1, 1, "2026-11-20T10:00:00Z"), (2, 2, "2026-11-20T11:00:00Z")]
        timed = {"rows": rows, "head": "predicted,actual,at", "time_column": "at"}
        assert ask("mape", "< 10 %", newer_than="2026-11-20T10:30:00Z", **timed).verdict == "pass"
        assert ask("mape", "< 10 %", newer_than="2026-11-20T11:30:00Z", **timed).verdict == "insufficient"

    def test_a_file_that_ends_within_a_line_was_cut(self, tmp_path):
        path = tmp_path / "cut.csv"
        path.write_text("predicted,actual\n100,110\n200,19")
        assert of(path, {"kind": "model"}, "mape", "< 10 %").verdict == "error"


def test_the_script_that_a_summary_of_k6_holds_is_not_shown():
    found = of(REPORTS / "k6" / "new-passed.json", {"kind": "k6"}, "p95", "< 500 ms")
    assert "import http" not in json.dumps(found.report(), default=str)


class TestCommand:
    @pytest.mark.parametrize(
        ("command", "select", "expect", "verdict"),
        [
            (["sh", "-c", "exit 3"], "exit_code", "== 3", "pass"),
            (["sh", "-c", "exit 3"], "exit_code", "== 0", "fail"),
            (["sh", "-c", "echo fine; exit 3"], "output", '== "fine"', "error"),
            (["echo", "fine"], "output", '== "fine"', "pass"),
            (["echo", '{"took": 1200}'], "took in ms", "< 2 s", "pass"),
            (["echo", '{"took": 1200}'], "took in ms", "< 1 s", "fail"),
            (["echo", "version v3.17.2+gab"], "/v[\\d.]+/", ">= v3.17", "pass"),
            (["echo", "version v3.9.2"], "/v[\\d.]+/", ">= v3.17", "fail"),
            (["echo", "nothing"], "/v([\\d.]+)/", ">= v3.17", "insufficient"),
            (["echo", "<html>"], "took in ms", "< 2 s", "error"),
            (["true"], "seconds", "< 60 s", "pass"),
            (["surely-not-installed"], "exit_code", "== 0", "error"),
            (["yes"], "output", '== "y"', "error"),
        ],
    )
    def test_verdicts(self, command, select, expect, verdict):
        source = {"kind": "command", "command": command}
        found = judge({"source": source, "select": select, "expect": expect})
        assert found.verdict == verdict, found.sentence

    @pytest.mark.parametrize("script", ["sleep 120 & sleep 120", "sleep 120 &"])
    def test_one_that_goes_on_is_ended_with_everything_it_started(self, script):
        source = {"kind": "command", "command": ["sh", "-c", script]}
        found = judge({"source": source, "select": "output", "expect": '== ""', "timeout": 0.3})
        assert (found.verdict, "did not end within" in found.sentence) == ("error", True), found.sentence

    def test_a_secret_in_an_address_is_not_shown(self):
        command = ["true", "https://shop:s3cret@example.com/?token=s3cret"]
        found = judge({"source": {"kind": "command", "command": command}, "select": "exit_code", "expect": "== 0"})
        assert (found.verdict, "s3cret" in json.dumps(found.report())) == ("pass", False)

    def test_a_failure_says_what_it_said(self):
        source = {"kind": "command", "command": ["sh", "-c", "echo no disk >&2; exit 1"]}
        found = judge({"source": source, "select": "output", "expect": '== "x"'})
        assert "it ended with 1: no disk" in found.sentence


NEWEST = b"new\nx\n"


class TestFile:
    @pytest.mark.parametrize(
        ("select", "expect", "verdict"),
        [
            ("exists", True, "pass"),
            ("size", "== 6 B", "pass"),
            ("size", "> 1 KiB", "fail"),
            ("age", "within 1 h", "pass"),
            ("/new(e?)/", '== "e"', "fail"),
            ("/(n)ew/", '== "n"', "pass"),
            ("/absent/", '== "n"', "insufficient"),
            ("sha256", f'== "{hashlib.sha256(NEWEST).hexdigest()}"', "pass"),
        ],
    )
    def test_of_several_the_newest_counts(self, tmp_path, select, expect, verdict):
        (tmp_path / "a.dump").write_bytes(NEWEST)
        (tmp_path / "b.dump").write_text("old")
        os.utime(tmp_path / "b.dump", (1_600_000_000, 1_600_000_000))
        source = {"kind": "file", "path": f"{tmp_path}/*.dump"}
        found = judge({"source": source, "select": select, "expect": expect})
        assert found.verdict == verdict, f"{found.sentence} {found.observed}"

    def test_none_exists_or_is_an_error(self, tmp_path):
        source = {"kind": "file", "path": f"{tmp_path}/*.dump"}
        assert judge({"source": source, "select": "exists", "expect": False}).verdict == "pass"
        assert judge({"source": source, "select": "age", "expect": "within 1 h"}).verdict == "error"


@pytest.mark.parametrize(
    ("declared", "counted"),
    [
        ("MIT", ""),
        ("(MIT OR GPL-3.0-only)", ""),
        ("GPL-3.0-only", "forbidden"),
        ("UNLICENSED", "forbidden"),
        ("SEE LICENSE IN COPYING", "unknown"),
        ("LicenseRef-acme", "unknown"),
        ("NOASSERTION", "unknown"),
        ("NONE", "unknown"),
        (None, "unknown"),
    ],
)
def test_what_a_part_declares(tmp_path, declared, counted):
    path = tmp_path / "spdx.json"
    part = {"SPDXID": "SPDXRef-1", "name": "it", **({"licenseDeclared": declared} if declared else {})}
    head = {"spdxVersion": "SPDX-2.3", "creationInfo": {"created": "2026-11-20T10:00:00Z"}}
    path.write_text(json.dumps({**head, "packages": [part]}))
    for select in ("forbidden", "unknown"):
        source = {"kind": "licences", "allowed": ["MIT"]}
        assert of(path, source, select, "== 1").verdict == ("pass" if select == counted else "fail")


def test_a_bill_of_nothing_says_nothing(tmp_path):
    path = tmp_path / "bom.json"
    path.write_text(json.dumps({"bomFormat": "CycloneDX", "components": []}))
    found = of(path, {"kind": "licences", "allowed": ["MIT"]}, "not_allowed", "== 0")
    assert (found.verdict, "names no part" in found.sentence) == ("insufficient", True)


def test_what_was_concluded_counts_more_than_what_is_declared(tmp_path):
    path = tmp_path / "spdx.json"
    part = {"SPDXID": "SPDXRef-1", "name": "it", "licenseDeclared": "GPL-3.0-only", "licenseConcluded": "MIT"}
    head = {"spdxVersion": "SPDX-2.3", "creationInfo": {"created": "2026-11-20T10:00:00Z"}}
    path.write_text(json.dumps({**head, "packages": [part]}))
    assert of(path, {"kind": "licences", "allowed": ["MIT"]}, "not_allowed", "== 0").verdict == "pass"


PERMISSIVE = frozenset({"mit", "apache-2.0", "gpl-2.0-only with classpath-exception-2.0"})


@pytest.mark.parametrize(
    ("text", "permitted"),
    [
        ("MIT", True),
        ("mit", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT AND Apache-2.0", True),
        ("(GPL-3.0-only OR MIT) AND Apache-2.0", True),
        ("GPL-3.0-only AND (MIT OR Apache-2.0)", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("GPL-2.0 WITH Classpath-exception-2.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only", False),
    ],
)
def test_licence_expressions(text, permitted):
    assert Licence(text).permitted_by(PERMISSIVE) is permitted


@pytest.mark.parametrize("text", ["", "MIT OR", "AND MIT", "(MIT", "MIT)", "MIT MIT", "MIT WITH", "MIT / Apache-2.0"])
def test_what_is_no_licence_expression_permits_nothing(text):
    with pytest.raises(LicenceError):
        Licence(text).permitted_by(PERMISSIVE)


LICENCES = st.recursive(
    st.sampled_from(["MIT", "Apache-2.0", "GPL-3.0-only", "BSD-3-Clause"]),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda one: f"({' '.join(one)})"),
    max_leaves=6,
)


@given(LICENCES)
def test_licence_expressions_mean_what_python_makes_of_them(text):
    as_python = text.replace("AND", "and").replace("OR", "or")
    for name, value in (("MIT", True), ("Apache-2.0", True), ("GPL-3.0-only", False), ("BSD-3-Clause", False)):
        as_python = as_python.replace(name, str(value))
    assert Licence(text).permitted_by(PERMISSIVE) is eval(as_python)
