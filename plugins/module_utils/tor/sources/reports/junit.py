# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of tests: JUnit XML as most tools write it, or the JSON of pytest-json-report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, ClassVar
from xml.etree.ElementTree import Element

from ....errors import ReleaseError
from ...expect import NothingMeasured
from ...subject import Subject
from ...units import exactly
from .base import Finding, Report, document, made_at, tree

_NAMED = 10
_ENDINGS = {2: "it was interrupted", 3: "it failed itself", 4: "it was called in a wrong way"}


@dataclass(frozen=True, kw_only=True)
class Junit(Report):
    """Options: those of every report.

    Selects: `tests`, all of them; `passed`; `failed`, with failures or errors; `skipped`, where expected failures
    belong, too; `passed_share` of those that ran; `duration`. The samples are tests that ran.
    """

    selects: ClassVar[Mapping[str, str | None]] = {
        "tests": "",
        "passed": "",
        "failed": "",
        "skipped": "",
        "passed_share": "share",
        "duration": "s",
    }

    def look(self, content: str, select: str, subject: Subject) -> Finding:
        tests = _of_json(document(content)) if content.lstrip().startswith("{") else _of_xml(tree(content))
        ran = tests.passed + tests.failed
        if not ran:
            raise NothingMeasured(f"no test ran, and {tests.skipped} were skipped")
        values: dict[str, Any] = {
            "tests": ran + tests.skipped,
            "passed": tests.passed,
            "failed": tests.failed,
            "skipped": tests.skipped,
            "passed_share": Fraction(tests.passed, ran),
            "duration": tests.seconds,
        }
        evidence = {"tests": ran + tests.skipped, "skipped": tests.skipped, "failures": tests.failures[:_NAMED]}
        return Finding([values[select]] if select else [], ran, tests.made, evidence=evidence)


@dataclass(frozen=True)
class _Tests:
    """`failures` are names of tests that failed."""

    passed: int
    failed: int
    skipped: int
    seconds: Fraction | None
    made: datetime | None
    failures: list[str]


def _of_xml(root: Element) -> _Tests:
    if root.tag not in ("testsuites", "testsuite"):
        raise ValueError(f"its root is {root.tag}")
    suites = list(root.iter("testsuite"))
    for suite in suites:
        _agree(suite)
    cases = list(root.iter("testcase"))
    failures = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None and case not in failures for case in cases)
    times = [case.get("time") for case in cases]
    made = [at for suite in suites if (at := made_at(suite.get("timestamp")))]
    return _Tests(
        len(cases) - len(failures) - skipped,
        len(failures),
        skipped,
        sum((exactly(time.replace(",", "")) for time in times if time), Fraction(0)) if all(times) else None,
        min(made, default=None),
        [f"{case.get('classname', '')}.{case.get('name', '')}".strip(".") for case in failures],
    )


def _agree(suite: Element) -> None:
    """A suite that tells of more failures than it shows was put together wrong; its tests may be more, as subtests."""
    cases = suite.findall("testcase")
    for name, tag in (("failures", "failure"), ("errors", "error")):
        shown, said = sum(len(case.findall(tag)) for case in cases), int(suite.get(name) or 0)
        if shown < said and suite.find("testsuite") is None:
            raise ReleaseError(f"suite {suite.get('name')} says {name} {said}, but shows {shown}")


def _of_json(found: dict[str, Any]) -> _Tests:
    """Counts that are 0 are left out; a file that could not be collected is no test, but a failure."""
    ending, summary = found["exitcode"], found["summary"]
    broken = [one["nodeid"] for one in found.get("collectors", []) if one["outcome"] == "failed"]
    if ending in _ENDINGS:
        files = f"; it could not collect {', '.join(broken)}" if broken else ""
        raise ReleaseError(f"pytest ended with {ending}: {_ENDINGS[ending]}{files}")
    tests = found.get("tests")
    if tests is not None and len(tests) != summary["total"]:
        raise ReleaseError(f"the summary says {summary['total']} tests, but there are {len(tests)}")
    failures = [*broken, *(test["nodeid"] for test in tests or [] if test["outcome"] in ("failed", "error"))]
    return _Tests(
        summary.get("passed", 0) + summary.get("xpassed", 0),
        summary.get("failed", 0) + summary.get("error", 0) + len(broken),
        summary.get("skipped", 0) + summary.get("xfailed", 0),
        exactly(found["duration"]),
        made_at(str(round(found["created"]))),
        failures,
    )
