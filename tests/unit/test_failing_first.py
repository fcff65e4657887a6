# SPDX-License-Identifier: GPL-3.0-or-later
"""A gate or a proof that fails ends the release there: no other component is held or moved before it goes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .stage import StandIn, play

GATE = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.verify}
"""
STEP = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.shift}
"""
ALL = {"weights": {"blue": 0, "green": 100}, "even": True}
FAILED = {"failed": True, "msg": "the new version answers errors"}


def release() -> dict[str, Any]:
    names = ("api", "web", "worker")
    colours = {"blue": {"version": "1.5"}, "green": {"version": "1.6"}}
    components = [
        {
            "name": name,
            "entry": {"kind": "service", "name": name},
            "urls": [{"url": f"http://{name}.example/"}],
            "identity": {"json": "version"},
            "smoke": [{"name": "up", "source": {"kind": "service"}, "select": "status", "expect": 200}],
        }
        for name in names
    ]
    return {
        "release_cluster": {"namespace": "shop"},
        "release_components": components,
        "release_context": {
            "version": "1.6",
            "record": "/nowhere",
            "first": False,
            "weight": 0,
            "step": 1.0,
            "witnessed": False,
            "components": {name: {"target": "green", "colours": colours, "workers": []} for name in names},
            "gates": {"staged": [], "step": [], "live": []},
            "shift": {"steps": [5, 100], "hold": 0, "drain": 0},
            "witness": {"rate": 20, "error_share": "1 %", "samples": 20},
        },
    }


@pytest.mark.parametrize(
    ("playbook", "failing", "asked"),
    [
        (GATE, {}, ["hold api", "hold web", "hold worker"]),
        (GATE, {"tor_validate": "web"}, ["hold api", "hold web"]),
        (STEP, {"traffic_switch": "web"}, ["move api", "move web"]),
        (STEP, {"tor_validate": "api"}, ["move api", "move web", "move worker", "hold api"]),
    ],
    ids=["all pass", "a gate", "a proof", "the gate of a step"],
)
def test_what_comes_after_it_is_left_alone(
    tmp_path: Path, playbook: str, failing: dict[str, str], asked: list[str]
) -> None:
    (tmp_path / "play.yml").write_text(playbook)
    results = {module: {component: FAILED} for module, component in failing.items()}
    said, found = play(
        tmp_path,
        tmp_path / "play.yml",
        {"shop": release()},
        StandIn("tor_validate", "component", results.get("tor_validate", {})),
        StandIn("traffic_switch", "name", results.get("traffic_switch", {})),
        StandIn("traffic_info", "nobody", {"": ALL}),
    )
    words = {"tor_validate": "hold", "traffic_switch": "move"}
    assert [f"{words[module]} {component}" for module, component in found if module in words] == asked, said
    assert (FAILED["msg"] in said) is bool(failing), said
