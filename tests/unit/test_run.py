# SPDX-License-Identifier: GPL-3.0-or-later
"""The closing line of `make test` counts what ran, and a run of nothing is a failure."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(name="runner")
def fixture_runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.syspath_prepend(str(TESTS))
    import run

    monkeypatch.setattr(run, "LOGS", tmp_path)
    return run


@pytest.mark.parametrize(
    ("output", "passed", "failed"),
    [
        ("12 passed in 0.31s", 12, 0),
        ("===== 2 failed, 10 passed, 1 skipped in 61.20s (0:01:01) =====", 10, 2),
        ("3 passed in 1.0s\nnoise 7 passed\n1 passed, 2 errors in 2.0s", 4, 2),
        ("no tests ran in 0.01s", 0, 0),
    ],
)
def test_closing_lines_of_every_pytest_run_are_summed(runner, output: str, passed: int, failed: int) -> None:
    count = runner.count_pytest(output)
    assert (count["passed"], count["failed"]) == (passed, failed)


@pytest.mark.parametrize(
    ("script", "is_pytest", "expected"),
    [
        ("pass", False, Counter(passed=1)),
        ("raise SystemExit(3)", False, Counter(failed=1)),
        ("print('4 passed in 1.0s')", True, Counter(passed=4)),
        ("print('4 passed in 1.0s'); raise SystemExit(1)", True, Counter(passed=4, failed=1)),
        ("print('1 failed, 4 passed in 1.0s'); raise SystemExit(1)", True, Counter(passed=4, failed=1)),
        ("print('no tests ran in 0.01s')", True, Counter(failed=1)),
    ],
)
def test_a_step_is_counted_by_its_exit_code_and_its_tests(runner, script: str, is_pytest: bool, expected) -> None:
    step = runner.Step("step", (sys.executable, "-c", script), cwd=TESTS, pytest=is_pytest)
    assert +runner.run(step, {}) == expected


def test_steps_that_are_beside_others_meet_them_and_go_on_to_the_cluster_without_them(
    runner, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("make_tree", "make_home"):
        monkeypatch.setattr(runner, name, lambda: None)
    monkeypatch.setattr(runner, "Cluster", lambda: SimpleNamespace(settings={"KUBECONFIG": "a cluster"}))
    began, over = tmp_path / "began", tmp_path / "over"
    until = "import os, pathlib\nwhile not pathlib.Path({0!r}).exists(): pass\n"
    begins = f"open({str(began)!r}, 'w')\n"
    told = f"import os; assert os.environ['KUBECONFIG']; open({str(over)!r}, 'w')"
    steps = [
        runner.Step("first", (sys.executable, "-c", begins + until.format(str(over)))),
        runner.Step("servers", (sys.executable, "-c", until.format(str(began)) + "raise SystemExit(1)"), beside=True),
        runner.Step("cases", (sys.executable, "-c", "import os; os.environ['KUBECONFIG']"), cluster=True),
        runner.Step("scenario", (sys.executable, "-c", told), cluster=True, beside=True),
    ]
    assert runner.run_all(steps) == Counter(passed=3, failed=1)
    assert "failed: servers" in capsys.readouterr().out


def test_without_a_cluster_its_steps_fail_and_the_others_are_counted(runner, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("make_tree", "make_home"):
        monkeypatch.setattr(runner, name, lambda: None)
    monkeypatch.setattr(runner, "Cluster", lambda: SimpleNamespace(settings={}))
    done = (sys.executable, "-c", "pass")
    steps = [
        runner.Step("alone", done),
        runner.Step("cases", done, cluster=True),
        runner.Step("chaos", done, cluster=True, beside=True),
    ]
    assert runner.run_all(steps) == Counter(passed=1, failed=2)


def test_an_idle_step_gives_way_to_all_others_and_is_counted_at_the_end(
    runner, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("make_tree", "make_home"):
        monkeypatch.setattr(runner, name, lambda: None)
    last, wait = tmp_path / "last", "import os, pathlib\nwhile not pathlib.Path({0!r}).exists(): pass\n"
    steps = [
        runner.Step(
            "checks", (sys.executable, "-c", wait.format(str(last)) + "raise SystemExit(os.nice(0) != 19)"), idle=True
        ),
        runner.Step("first", (sys.executable, "-c", "pass")),
        runner.Step("second", (sys.executable, "-c", f"open({str(last)!r}, 'w')")),
    ]
    assert runner.run_all(steps) == Counter(passed=3)
    said = capsys.readouterr().out
    assert said.index("second") < said.index("checks")


def test_an_unknown_step_is_refused_with_the_known_ones(runner) -> None:
    with pytest.raises(SystemExit, match=r"unknown step mypi\. Do: name some of .*mypy"):
        runner.chosen(["mypi"])


def test_a_group_names_all_its_steps(runner) -> None:
    assert {step.name.split(":")[0] for step in runner.chosen(["molecule"])} == {"molecule"}
    assert len(runner.chosen([])) > len(runner.chosen(["molecule", "mypy"])) > 1


def test_what_a_change_does_not_wait_for_has_a_command_of_its_own(runner) -> None:
    assert not {step.name for step in runner.chosen([])} & runner.ONLY_BY_NAME
    makefile = (TESTS.parent / "Makefile").read_text()
    thorough = makefile.partition("\nthorough:")[2].partition("\n\n")[0]
    assert [name for name in runner.ONLY_BY_NAME if f" {name}" not in thorough] == []
    why = (TESTS.parent / "docs" / "decisions" / "026-what-a-change-waits-for.md").read_text()
    scenarios = [name.partition(":")[2] for name in runner.ONLY_BY_NAME if ":" in name]
    assert [name for name in scenarios if f"`{name}`" not in why] == []
