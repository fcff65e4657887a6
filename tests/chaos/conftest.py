# SPDX-License-Identifier: GPL-3.0-or-later
"""What every chaos test begins with, and the matrix they print: one line a test, as soon as it is known."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .operators import deploy, end_all, play
from .site import NAMESPACE, VERSIONS, Site

HEADING = ("what happens", "on restart", "outcome", "consistent", "took", "requests")
LAYOUT = "{:<58} {:<10} {:<12} {:>10} {:>7} {:>9}  {}"
RESULTS: dict[str, int] = {"passed": 0, "failed": 0}
PROMISED = 10.0
RESTARTS: list[float] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sample", action="store_true", help="a representative sample of all points and cases")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sample: belongs to the representative sample")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--sample"):
        left_out = [item for item in items if not item.get_closest_marker("sample")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def _site() -> Iterator[Site]:
    yield Site()
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")


@pytest.fixture(autouse=True)
def _nobody_goes_on() -> Iterator[None]:
    yield
    end_all()


@pytest.fixture
def site(_site: Site, tmp_path: Path) -> Site:
    """The system at rest on one of two good versions; made anew when the test before left it otherwise."""
    if not _site.is_settled():
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
        prepared = play("tests/local/prepare.yml", tmp_path / "anew")
        assert prepared.wait() == 0, prepared.said
        first = deploy(VERSIONS[0], tmp_path / "anew")
        assert first.wait() == 0, first.said
    return _site


@pytest.fixture
def versions(site: Site) -> tuple[str, str]:
    """The live version and the one to release next."""
    return site.live(), site.next_version()


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Fill in the test's line of the matrix."""
    return lambda **columns: request.node.user_properties.extend(columns.items())


def kubectl(*argv: str) -> str:
    return subprocess.run([os.environ["KUBECTL"], *argv], check=True, capture_output=True, text=True).stdout


# the matrix


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    return (report.outcome, "", report.outcome.upper()) if report.when == "call" else None


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    print(LAYOUT.format(*HEADING, "").rstrip())


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" and not report.failed:
        return
    RESULTS["failed" if report.failed else "passed"] += 1
    columns: dict[str, Any] = dict(report.user_properties)
    name = report.nodeid.rpartition("[")[2].rstrip("]") if "[" in report.nodeid else _words(report.nodeid)
    consistent = _consistent(columns["consistent"]) if "consistent" in columns else ""
    cells = (columns.get("policy", ""), columns.get("outcome", ""), consistent)
    verdict = f"FAILED: {_reason(report)}" if report.failed else ""
    line = LAYOUT.format(name, *cells, f"{report.duration:.0f} s", columns.get("requests", ""), verdict)
    print(line.rstrip(), flush=True)


def _consistent(seconds: float) -> str:
    RESTARTS.append(seconds)
    return f"{'late ' if seconds > PROMISED else ''}{seconds:.1f} s"


def pytest_unconfigure() -> None:
    if RESTARTS:
        within = sum(seconds <= PROMISED for seconds in RESTARTS)
        shown = f"{within} of {len(RESTARTS)}, worst {max(RESTARTS):.1f} s"
        print(f"consistent within {PROMISED:.0f} s of the restart: {shown}")
    print(f"{RESULTS['passed']} passed, {RESULTS['failed']} failed")


def _reason(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr).partition("\n")[0][:200]


def _words(nodeid: str) -> str:
    return nodeid.rpartition("::test_")[2].replace("_", " ")
