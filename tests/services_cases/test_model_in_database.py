# SPDX-License-Identifier: GPL-3.0-or-later
"""The accuracy of a model, from a table of a real PostgreSQL."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services_cases import test_live_sources as live

database, ask = live.database, live.ask

HOURS = "SELECT * FROM (VALUES (100.0, 110.0, now() - interval '2 h'), (200, 190, now())) AS h (forecast, real, at)"
COLUMNS = {"kind": "model", "predicted": "forecast", "actual": "real"}


@pytest.mark.parametrize(
    ("query", "select", "expect", "more", "verdict"),
    [
        (HOURS, "mape", "< 10 %", {}, "pass"),
        (HOURS, "rmse in kW", "== 10 kW", {}, "pass"),
        (HOURS, "mae in V", "< 2 V", {}, "fail"),
        (HOURS, "age", "within 5 min", {"time_column": "at"}, "pass"),
        (HOURS, "mape", "< 10 %", {"time_column": "at", "newer_than": "2999-01-01T00:00:00Z"}, "insufficient"),
        (HOURS, "mape", "< 10 %", {"newer_than": "2020-01-01T00:00:00Z", "trust_file_time": True}, "insufficient"),
        (HOURS, "mape", "< 10 %", {"actual": "measured"}, "error"),
        (f"{HOURS} WHERE real < 0", "mape", "< 10 %", {}, "insufficient"),
        ("SELECT 1 AS forecast, NULL::int AS real", "mape", "< 10 %", {}, "insufficient"),
        ("SELECT 1 AS forecast, 'NaN'::float8 AS real", "mape", "< 10 %", {}, "insufficient"),
        ("SELECT 1 AS forecast, 0 AS real", "mape", "< 10 %", {}, "error"),
    ],
)
def test_verdicts(ask: live.Ask, query: str, select: str, expect: str, more: dict[str, Any], verdict: str) -> None:
    found = ask(query, select, expect, {**COLUMNS, **more})
    assert found.verdict == verdict, found.sentence
    assert live.PASSWORD not in str(found.report())
