# SPDX-License-Identifier: GPL-3.0-or-later
"""At which gates of a release the rollback policy judges; each host is at another gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from .stage import StandIn, play

POLICY = [{"criterion": "error share", "when": "> 20 %", "action": "rollback"}]
SITE = {
    "name": "error share",
    "source": {"kind": "http", "url": "http://shop.example"},
    "select": "error_share",
    "expect": "< 5 %",
    "severity": "advisory",
}
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": "runbook.release.verify"}}],
    }
]


def at_gate(gate: str, **more: Any) -> dict[str, Any]:
    target = {"target": "green", "colours": {"blue": {"version": "1.3"}, "green": {"version": "1.4"}}, "workers": []}
    return {
        "release_system": "shop",
        "release_strategy": "bluegreen",
        "release_version": "1.4",
        "release_cluster": {"namespace": "shop"},
        "release_components": [
            {"name": gate, "entry": {"kind": "service", "name": gate}, "source": {}, "smoke": [SITE]}
        ],
        "release_rollback": {"policy": POLICY},
        "release_context": {
            "version": "1.4",
            "record": "/nowhere",
            "first": False,
            "step": 1.0,
            "witness": {"rate": 0},
            "shift": {"steps": [100], "hold": 0},
            "components": {gate: target},
            "gates": {"staged": [SITE], "step": [SITE], "live": [SITE], "observe": []},
        },
        "verify_gate": gate,
        "verify_hold": 0,
        **more,
    }


def entry(weight: int, even: bool = True) -> StandIn:
    seen = {"weights": {"blue": 100 - weight, "green": weight}, "even": even}
    return StandIn("traffic_info", "name", {gate: seen for gate in ("staged", "step", "live")})


@pytest.mark.parametrize(
    ("gate", "weight", "even", "refused"),
    [
        ("live", 100, True, ""),
        ("live", 25, True, "live gives green 25 %"),
        ("live", 100, False, "in one place of several"),
        ("step", 25, True, ""),
    ],
)
def test_what_does_not_have_all_the_traffic_is_not_released(
    tmp_path: Path, gate: str, weight: int, even: bool, refused: str
) -> None:
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY))
    hosts = {"shop": at_gate(gate)}
    said, _asked = play(
        tmp_path, tmp_path / "play.yml", hosts, StandIn("tor_validate", "policy", {}), entry(weight, even)
    )
    assert ("does not have all the traffic, so it is not released" in said) == bool(refused), said
    assert refused in said
    assert ("failed=0" in said) == (not refused)


def test_it_judges_once_there_is_traffic(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY))
    hosts = {gate: at_gate(gate) for gate in ("staged", "step", "live")}
    hosts["without"] = at_gate("step", release_rollback={"way": "manifests"})
    said, asked = play(tmp_path, tmp_path / "play.yml", hosts, StandIn("tor_validate", "policy", {}), entry(100))
    policies = sorted(value for module, value in asked if module == "tor_validate")
    assert policies == sorted(["[]", "[]", json.dumps(POLICY), json.dumps(POLICY)]), said
