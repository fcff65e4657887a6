# SPDX-License-Identifier: GPL-3.0-or-later
"""What an alert sets off: rollback.yml with an alert, with stand-ins for what needs a cluster; and alerts.yml."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from .stage import ROOT, StandIn, play, staged

NOW = datetime.now(UTC)
RULEBOOK = ROOT / "extensions" / "eda" / "rulebooks" / "alerts.yml"


def ago(**span: float) -> str:
    return (NOW - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def alert(name: str = "High", **labels: str) -> str:
    """As the rulebook passes it on."""
    own = {"alertname": name, "system": "shop", "environment": "prod", "path": "{{ lookup('pipe', 'touch owned') }}"}
    return quote(json.dumps({"labels": {**own, **labels}, "status": "firing", "startsAt": ago(minutes=1)}))


def shop(**more: Any) -> dict[str, Any]:
    return {
        "release_system": "shop",
        "release_environment": "prod",
        "release_cluster": {"namespace": "shops"},
        "release_components": [{"name": "shop"}],
        "release_alerts": [{"name": "High", "rolls_back": True}],
        **more,
    }


def rolled_back(
    folder: Path, *, ended: str, given: str, unfinished: Any = None, remaining: int = 0, **more: Any
) -> tuple[str, list[Any]]:
    release = {"kind": "release", "version": "1.4.0", "began": ago(days=9), "verdict": "released", "alone": []}
    owner = {"remaining": remaining}
    known = {"releases": [release | {"ended": ended}], "unfinished": unfinished or {}, "owner": owner}
    stopped = {"failed": True, "msg": "this is as far as it goes"}
    return play(
        folder,
        ROOT / "playbooks" / "rollback.yml",
        {"shop": shop(rollback_alert=given, **more)},
        StandIn("release_info", "system", {"shop": known}),
        StandIn("release_run", "system", {"shop": stopped}),
    )


LOOKED = ["release_info", "shop"]
BEGUN = ["release_run", "shop"]


def test_an_alert_inside_the_window_begins_a_rollback(tmp_path: Path) -> None:
    said, done = rolled_back(tmp_path, ended=ago(hours=23), given=alert())
    assert done == [LOOKED, BEGUN]
    assert "1.4.0 goes back." in said
    assert not list(tmp_path.rglob("owned")), "what an alert says is never run"


def test_an_alert_outside_the_window_changes_nothing_and_says_why(tmp_path: Path) -> None:
    said, done = rolled_back(tmp_path, ended=ago(hours=2), given=alert(), release_rollback={"within": "1h"})
    assert done == [LOOKED]
    assert "fires outside of the rollback window" in said
    assert "changed=0" in said
    assert "failed=0" in said


ORPHAN = {
    "unfinished": {"kind": "release", "version": "1.5.0", "began": ago(hours=3)},
    "release_alerts": [{"name": "Orphaned", "orphaned": True, "rolls_back": True}],
}


def test_a_release_whose_lock_nobody_renews_goes_back_and_one_that_somebody_works_on_does_not(tmp_path: Path) -> None:
    (tmp_path / "dead").mkdir()
    (tmp_path / "alive").mkdir()
    said, done = rolled_back(tmp_path / "dead", ended=ago(days=8), given=alert("Orphaned"), **ORPHAN)
    assert done == [LOOKED, BEGUN]
    assert "nobody goes on with the release: 1.5.0 goes back." in said
    said, done = rolled_back(tmp_path / "alive", ended=ago(days=8), given=alert("Orphaned"), remaining=40, **ORPHAN)
    assert (done, "failed=0" in said) == ([LOOKED], True)


def test_an_alert_about_another_system_is_not_even_looked_into(tmp_path: Path) -> None:
    said, done = rolled_back(tmp_path, ended=ago(hours=1), given=alert(system="other"))
    assert done == []
    assert "failed=0" in said


def test_an_inventory_that_does_not_say_its_environment_is_refused(tmp_path: Path) -> None:
    said, done = rolled_back(tmp_path, ended=ago(hours=1), given=alert(), release_environment="{{ nowhere }}")
    assert done == []
    assert "release_environment is not set" in said


def test_routes_are_those_of_all_systems_whatever_a_run_is_limited_to(tmp_path: Path) -> None:
    hook = {"url": "http://rulebook/alerts", "token_file": "/etc/token"}
    pager = {"critical": [{"kind": "pagerduty", "routing_key_file": "/etc/pager"}]}
    high = {"name": "High", "query": "up", "expect": "== 1", "severity": "critical", "summary": "x", "rolls_back": True}
    hosts = {}
    for name in ("shop", "depot"):
        rules, routes = str(tmp_path / f"{name}.yml"), str(tmp_path / "routes.yml")
        alerting = {"rules": rules, "routes": routes, "rollback": hook, "receivers": pager}
        own = {"release_system": name, "release_alerts": [high], "release_alerting": alerting, "release_gates": {}}
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts[name] = shop(**own, **here)
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    env = {**staged(tmp_path), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    command = ["ansible-playbook", "-i", "hosts.json", str(ROOT / "playbooks" / "alerts.yml"), "--limit=depot"]

    def written() -> str:
        return subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True).stdout

    said = written()
    assert "failed=0" in said, said
    assert [path.name for path in sorted(tmp_path.glob("*.yml"))] == ["depot.yml", "routes.yml"]
    made = yaml.safe_load((tmp_path / "routes.yml").read_text())
    assert [one["matchers"][0] for one in made["route"]["routes"]] == ['system="shop"', 'system="depot"']
    assert "changed=0" in written()


def test_the_rulebook_listens_to_nobody_without_a_token_and_passes_alerts_on_as_data() -> None:
    (rules,) = yaml.safe_load(RULEBOOK.read_text("utf-8"))
    (source,) = rules["sources"]
    assert source["eda.builtin.webhook"]["token"] == "{{ EDA_TOKEN }}"
    action = rules["rules"][0]["action"]["run_playbook"]
    assert action["extra_vars"] == {"rollback_alert": "{{ event | tojson | urlencode }}"}
    assert (ROOT / "playbooks" / f"{action['name'].removeprefix('runbook.release.')}.yml").is_file()


def test_the_dashboards_of_production_are_files_that_grafana_provisions(tmp_path: Path) -> None:
    play_of = {"include_role": {"name": "runbook.release.alert", "tasks_from": "dashboards.yml"}}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [play_of]}]))
    folder = ROOT / "inventories" / "prod" / "host_vars" / "pea"
    read = {name: yaml.safe_load((folder / f"{name}.yml").read_text("utf-8")) for name in ("alerts", "gates")}
    boards = {"path": str(tmp_path / "boards"), "boards": read["alerts"]["release_dashboards"]["boards"]}
    host = shop(release_dashboards=boards, release_gates={"observe": read["gates"]["_gates"]["observe"]})
    said, _done = play(tmp_path, tmp_path / "play.yml", {"shop": host})
    assert "failed=0" in said, said
    made = [json.loads(path.read_text("utf-8")) for path in (tmp_path / "boards").glob("shop-*.json")]
    assert {one["title"] for one in made} == {"PEA RE Forecast - Overview", "Model Performance", "Infrastructure"}
    panels = [panel for one in made for panel in one["panels"]]
    assert all(target["expr"] for panel in panels for target in panel["targets"])
