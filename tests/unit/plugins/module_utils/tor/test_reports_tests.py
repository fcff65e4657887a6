# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of tests and of what they cover."""

from __future__ import annotations

import json

import pytest

from .judging import REPORTS, of


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

    def test_more_lines_run_than_there_are_is_an_error(self, tmp_path):
        path = tmp_path / "coverage.json"
        found = json.loads((REPORTS / "coverage" / "coverage.json").read_text())
        found["totals"]["covered_lines"] = 7
        path.write_text(json.dumps(found))
        assert of(path, {"kind": "coverage"}, "line_share", "> 80 %").verdict == "error"

    def test_a_rate_that_its_lines_do_not_bear_out_is_an_error(self, tmp_path):
        path = tmp_path / "cobertura.xml"
        path.write_text((REPORTS / "coverage" / "cobertura.xml").read_text().replace('"0.6667"', '"0.95"', 1))
        assert of(path, {"kind": "coverage"}, "line_share", "> 80 %").verdict == "error"

    def test_lines_are_counted_where_no_counts_are_given(self, tmp_path):
        path = tmp_path / "cobertura.xml"
        lines = '<line number="1" hits="3"/><line number="2" hits="0"/>'
        path.write_text(f"<coverage><packages><class><lines>{lines}</lines></class></packages></coverage>")
        assert of(path, {"kind": "coverage"}, "line_share", "== 50 %").verdict == "pass"
