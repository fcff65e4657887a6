# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
import os

import pytest

from .judging import judge


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

    def test_one_from_the_future_has_no_age(self, tmp_path):
        (tmp_path / "a.dump").write_bytes(NEWEST)
        os.utime(tmp_path / "a.dump", (4_000_000_000, 4_000_000_000))
        found = judge({"source": {"kind": "file", "path": f"{tmp_path}/a.dump"}, "select": "age", "expect": "< 1 h"})
        assert (found.verdict, "clocks differ" in found.sentence) == ("insufficient", True), found.sentence

    def test_none_exists_or_is_an_error(self, tmp_path):
        source = {"kind": "file", "path": f"{tmp_path}/*.dump"}
        assert judge({"source": source, "select": "exists", "expect": False}).verdict == "pass"
        assert judge({"source": source, "select": "age", "expect": "within 1 h"}).verdict == "error"
