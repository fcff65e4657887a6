# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest

from .judging import of


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

    def test_samples_are_what_reaches_the_floor(self, ask):
        rows = [(1, 0), (2, 1), (100, 100)]
        assert ask("mape", "< 10 %", rows, floor=5).samples == 1
        assert ask("mae", "< 10", rows, floor=5).samples == 3

    def test_a_wrong_column_is_answered_with_those_that_are_there(self, ask):
        assert "predicted, actual" in ask("mape", "< 10 %", actual="measured").sentence

    def test_two_columns_of_one_name_are_an_error(self, ask):
        rows = [(1, 1, 1), (2, 2, 200)]
        assert ask("mape", "< 10 %", rows, head="predicted,actual,actual").verdict == "error"

    def test_old_predictions_are_stale(self, ask):
        rows = [(1, 1, "2026-11-20T10:00:00Z"), (2, 2, "2026-11-20T11:00:00Z")]
        timed = {"rows": rows, "head": "predicted,actual,at", "time_column": "at"}
        assert ask("mape", "< 10 %", newer_than="2026-11-20T10:30:00Z", **timed).verdict == "pass"
        assert ask("mape", "< 10 %", newer_than="2026-11-20T11:30:00Z", **timed).verdict == "insufficient"

    def test_a_file_that_ends_within_a_line_was_cut(self, tmp_path):
        path = tmp_path / "cut.csv"
        path.write_text("predicted,actual\n100,110\n200,19")
        assert of(path, {"kind": "model"}, "mape", "< 10 %").verdict == "error"
