# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every report: it is whole, not stale, and about what is released."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.tor.subject import Subject

from .judging import REPORTS, of

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


def test_the_script_that_a_summary_of_k6_holds_is_not_shown():
    found = of(REPORTS / "k6" / "new-passed.json", {"kind": "k6"}, "p95", "< 500 ms")
    assert "import http" not in json.dumps(found.report(), default=str)
