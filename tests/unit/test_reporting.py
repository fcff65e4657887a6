# SPDX-License-Identifier: GPL-3.0-or-later
"""How a release ends: the role report of this checkout, with stand-ins for what needs a cluster."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from .plugins.module_utils.release.records import NOON, Ledger
from .stage import StandIn, play

PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "runbook.release.report"}}],
    }
]


def ended(folder: Path, strategy: str = "bluegreen", **context: Any) -> list[list[str]]:
    """What was done to end the release, in order."""
    (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
    host = {
        "release_system": "shop",
        "release_strategy": strategy,
        "release_sign_off": context.pop("sign_off", []),
        "release_approvals": {"after": {"lead": 1}},
        "release_about": {"references": {"dashboard": "https://grafana.example.com/d/shop"}},
        **({"release_budgets": context.pop("budgets")} if "budgets" in context else {}),
        "release_cluster": {"namespace": "shop"},
        "release_components": [
            {
                "name": name,
                **(
                    {"entry": {"kind": "httproute", "name": name}}
                    if strategy == "bluegreen"
                    else {"workloads": [{"kind": "Deployment", "name": name.capitalize()}]}
                ),
            }
            for name in ("web", "api")
        ],
        "release_context": {
            "id": "shop-2",
            "first": False,
            "weight": 0,
            "record": str(folder / "record"),
            "run": {"release": "shop-2", "mirror": str(folder), "namespace": "shop", "lease": "shop", "token": 1},
            "version": "2",
            "decision": "start",
            "at": {"plan": 1.0, "shift": 2.0, **context.pop("at", {})},
            **context,
        },
    }
    said, asked = play(
        folder,
        folder / "play.yml",
        {"shop": host},
        StandIn("helm_bluegreen", "state", {}),
        StandIn("release_drift", "state", {}),
        StandIn("release_live_info", "namespace", {"shop": {"images": IMAGES}}),
        StandIn("release_run", "verdict", {}),
        StandIn("release_lock", "state", {}),
        StandIn("release_incident_info", "release", {"shop-2": {"release": TOLD}}),
    )
    assert "failed=0" in said, said
    return asked


IMAGES = {"web": ["r.example/web@sha256:aa"]}
TOLD = {
    "id": "shop-2",
    "version": "2",
    "verdict": "rolled back",
    "reason": "it answers 500",
    **{"date": "2026-11-21", "began": "16:00", "ended": "16:04", "timezone": "UTC", "minutes": 4},
    **{"requests": 900, "lost": 0},
    "timeline": [{"at": "16:03", "text": "gate live web: fail", "who": "alice@a"}],
}
FAILURE = {"reason": "it answers 500", "record": "it answers 500"}


def end(verdict: str) -> list[list[str]]:
    looked = [["release_live_info", "shop"]] if verdict == "released" else []
    reported = [["release_incident_info", "shop-2"]] if verdict == "rolled back" else []
    return [["release_drift", "recorded"], *looked, ["release_run", verdict], *reported]


def test_what_was_released_is_settled_before_it_is_remembered_as_it_is(tmp_path: Path) -> None:
    assert ended(tmp_path) == [["helm_bluegreen", "settled"], ["helm_bluegreen", "settled"], *end("released")]


def test_the_record_has_the_images_that_a_release_left_live(tmp_path: Path) -> None:
    ended(tmp_path)
    assert json.loads((tmp_path / "record" / "record.json").read_text())["images"] == IMAGES


def test_the_record_links_what_the_runbook_refers_to_and_says_where_what_was_before_is_kept(tmp_path: Path) -> None:
    ended(tmp_path, "rolling")
    record = json.loads((tmp_path / "record" / "record.json").read_text())
    assert record["about"]["references"] == {"dashboard": "https://grafana.example.com/d/shop"}
    assert record["saved"] == {
        "record": str(tmp_path / "record"),
        "ledger": "ConfigMaps runbook.release/ledger=shop-2",
        "workloads": "annotation runbook.release/rollout of Web, Api",
        "namespace": "shop",
        "backups": {},
    }


def test_the_record_has_what_each_stage_was_to_take_and_took_and_the_outcome_tells_what_took_longer(
    tmp_path: Path,
) -> None:
    """The shift of this release began in 1970."""
    budgets = {"shift": {"longest": "5m"}, "backup": {"longest": "5m"}}
    shift = {"steps": [5, 100], "hold": 60, "drain": 0}
    ended(tmp_path, budgets=budgets, shift=shift)
    record = json.loads((tmp_path / "record" / "record.json").read_text())
    (held,) = record["budgets"]
    assert (held["stage"], held["planned"], held["over"]) == ("shift", 360.0, True)
    assert held["actual"] > 1e9
    assert re.search(r"Shift took \d+ min.*, and its budget is 6 min\.", record["sentence"])


@pytest.mark.parametrize("back", [{"evidence": 3.0}, {}])
def test_what_failed_is_not_settled(tmp_path: Path, back: dict[str, float]) -> None:
    """It was taken back, or its rollback did not finish and another run has to end it."""
    done = ended(tmp_path, failure=FAILURE, at=back)
    assert [one for one in done if one[0] == "helm_bluegreen"] == []


def test_what_rolled_has_no_colour_whose_autoscaler_was_held(tmp_path: Path) -> None:
    assert ended(tmp_path, "rolling") == end("released")


@pytest.mark.parametrize(
    ("context", "done"),
    [
        ({}, end("stopped")),
        ({"at": {"deploy": 2.0}, "rolled": False}, end("stopped")),
        ({"at": {"deploy": 2.0, "evidence": 3.0}, "rolled": True}, end("rolled back")),
        ({"at": {"deploy": 2.0}, "rolled": True, "first": True}, [["release_lock", "released"]]),
        ({"at": {"deploy": 2.0}}, [["release_lock", "released"]]),
        ({"decision": "back"}, [["release_lock", "released"]]),
    ],
)
def test_what_rolls_has_ended_unless_it_may_have_rolled_and_is_not_back(
    tmp_path: Path, context: dict[str, Any], done: list[list[str]]
) -> None:
    """Also a first release goes back in place, so whoever comes next finishes a rollback that did not finish."""
    assert ended(tmp_path, "rolling", failure=FAILURE, **context) == done


def test_the_sheet_is_ticked_by_what_was_recorded(tmp_path: Path) -> None:
    ledger = Ledger("shop-2")
    ledger.add("gate live web", {"verdict": "pass", "criteria": [PASSED | {"name": "replicas"}]}, NOON)
    ledger.write(tmp_path)
    items = [{"item": "All pods run", "criteria": ["replicas"]}, {"item": "Schema is new", "steps": ["migrate"]}]
    ended(
        tmp_path,
        preflight=[PASSED | {"name": "accuracy"}],
        sign_off=[*items, {"item": "Model", "criteria": ["accuracy"]}],
    )
    sheet = (tmp_path / "record" / "sign-off.md").read_text()
    assert "- [x] All pods run: replicas is 3, expected >= 3 (pass)." in sheet
    assert "- [ ] Schema is new: nothing was done to migrate." in sheet
    assert "- [x] Model: accuracy is 3, expected >= 3 (pass)." in sheet
    assert "To be accepted by: lead 1." in sheet


def test_what_was_held_before_the_release_is_on_its_sheet(tmp_path: Path) -> None:
    criterion = {
        "name": "accuracy",
        "source": {"kind": "command", "command": ["true"]},
        "select": "exit_code",
        "expect": 0,
    }
    tasks = [
        {"ansible.builtin.set_fact": {"release_context": {"id": "shop-2", "version": "2"}}},
        {"ansible.builtin.import_role": {"name": "runbook.release.preflight"}},
        {"ansible.builtin.copy": {"content": "{{ release_context.preflight }}", "dest": str(tmp_path / "told.json")}},
    ]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    host = {
        "release_strategy": "rolling",
        "release_witness": {"rate": 0},
        "release_cluster": {"namespace": "shop"},
        "release_components": [],
        "release_gates": {"preflight": [criterion]},
    }
    verdict = PASSED | {"name": "accuracy"}
    held = StandIn("tor_validate", "namespace", {"shop": {"verdicts": [verdict | {"evidence": "long"}]}})
    said, _asked = play(tmp_path, tmp_path / "play.yml", {"shop": host}, held)
    assert "failed=0" in said, said
    assert json.loads((tmp_path / "told.json").read_text()) == [verdict]


def test_without_items_there_is_no_sheet(tmp_path: Path) -> None:
    ended(tmp_path)
    assert not (tmp_path / "record" / "sign-off.md").exists()


PASSED = {"verdict": "pass", "observed": 3, "threshold": ">= 3"}


def test_what_went_back_leaves_a_report_with_its_timeline(tmp_path: Path) -> None:
    ended(tmp_path, "rolling", failure=FAILURE, at={"deploy": 2.0, "evidence": 3.0}, rolled=True)
    report = tmp_path / "record" / "report.md"
    assert report.stat().st_mode & 0o777 == 0o600
    written = report.read_text()
    for part in (
        "# shop 2 went back",
        "| 16:03 | gate live web: fail | alice@a |",
        "900 requests, 0 lost",
        "- [ ] Find the cause",
    ):
        assert part in written
