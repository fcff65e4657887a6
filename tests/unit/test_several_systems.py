# SPDX-License-Identifier: GPL-3.0-or-later
"""Systems released in one run keep the order of their own steps, whatever the steps of the others are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .stage import StandIn, play

SHIFT = """
- hosts: all
  gather_facts: false
  tasks:
    - import_role: {name: runbook.release.shift}
"""
COMPONENT = {
    "name": "api",
    "entry": {"kind": "service", "name": "api"},
    "urls": [{"url": "http://api.example/"}],
    "identity": {"json": "version"},
}


def system(steps: list[int]) -> dict[str, Any]:
    return {
        "release_cluster": {"namespace": "shop"},
        "release_components": [COMPONENT],
        "release_context": {
            "version": "1.6",
            "record": "/nowhere",
            "first": False,
            "weight": 0,
            "witnessed": False,
            "components": {"api": {"target": "green", "colours": {}, "workers": []}},
            "gates": {"staged": [], "step": [], "live": []},
            "shift": {"steps": steps, "hold": 0, "drain": 0},
            "witness": {"rate": 0},
        },
    }


@pytest.mark.parametrize(
    ("first", "second", "rounds"),
    [
        ([100], [5, 25, 100], [[5, 100], [25], [100]]),
        ([5, 25, 100], [100], [[5, 100], [25], [100]]),
        ([10, 100], [5, 100], [[5, 10], [100, 100]]),
    ],
)
def test_traffic_grows_step_by_step(
    tmp_path: Path, first: list[int], second: list[int], rounds: list[list[int]]
) -> None:
    (tmp_path / "play.yml").write_text(SHIFT)
    hosts = {"first": system(first), "second": system(second)}
    said, found = play(tmp_path, tmp_path / "play.yml", hosts, StandIn("traffic_switch", "weight", {}))
    weights = [weight for _module, weight in found]
    begun = 0
    for expected in rounds:
        assert sorted(weights[begun : begun + len(expected)]) == expected, said
        begun += len(expected)
    assert len(weights) == begun
