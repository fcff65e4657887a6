# SPDX-License-Identifier: GPL-3.0-or-later
"""The main() of release_alert_rules, without a Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.runbook.release.plugins.modules import release_alert_rules

Run = Callable[..., dict[str, Any]]
ALERT = {"name": "Down", "query": "up", "expect": "== 1", "severity": "critical", "summary": "it is down"}
SHOP = {"system": "shop", "environment": "prod", "namespace": "shops"}


def test_the_rule_file_is_written_once_for_everybody_to_read(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    given = {**SHOP, "alerts": [ALERT], "path": str(path)}
    foreseen = run(release_alert_rules, **given, _ansible_check_mode=True)
    assert (foreseen["changed"], path.exists()) == (True, False)
    made = run(release_alert_rules, **given)
    assert (made["changed"], made["diff"]["after"]) == (True, path.read_text())
    assert yaml.safe_load(path.read_text()) == {"groups": [made["group"]]}
    assert path.stat().st_mode & 0o777 == 0o644
    assert not run(release_alert_rules, **given)["changed"]
    assert [one.name for one in tmp_path.iterdir()] == ["rules.yml"]


def test_without_a_file_the_group_is_returned(run: Run) -> None:
    made = run(release_alert_rules, **SHOP, alerts=[ALERT])
    assert (made["changed"], made["group"]["name"], len(made["group"]["rules"])) == (False, "shop-prod", 2)


def test_mistakes_are_told_before_anything_is_written(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    told = run(release_alert_rules, **SHOP, alerts=[ALERT | {"expect": "< 5 %"}], path=str(path))
    assert told["failed"]
    assert "alerts[0].expect" in told["msg"]
    assert not path.exists()


def test_a_folder_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    told = run(release_alert_rules, **SHOP, alerts=[ALERT], path=str(tmp_path / "gone" / "rules.yml"))
    assert "cannot be written: No such file or directory" in told["msg"]


def test_a_prometheus_that_cannot_be_one_is_refused(run: Run) -> None:
    told = run(release_alert_rules, **SHOP, alerts=[ALERT], state="loaded", prometheus={"ulr": "http://p"})
    assert "prometheus.ulr: unknown, did you mean url?" in told["msg"]
