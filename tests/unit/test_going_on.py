# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an interrupted release goes on: the role shift of this checkout, with stand-ins for what needs a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from .stage import StandIn, play

NAMES = ["web", "api"]
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "runbook.release.shift"}}],
    }
]


def moved(folder: Path, recorded: int, first: bool = False, **green: int) -> list[Any]:
    """The weights that were set, step by step and component by component; ``green`` is what green has now."""
    (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
    host = {
        "release_system": "shop",
        "release_cluster": {"namespace": "shop"},
        "release_components": [
            {"name": name, "entry": {"kind": "httproute", "name": name}, "urls": [], "identity": {}} for name in NAMES
        ],
        "release_context": {
            "first": first,
            "weight": recorded,
            "witnessed": False,
            "record": str(folder),
            "version": "2",
            "at": {},
            "shift": {"steps": [5, 25, 100], "hold": 0, "drain": 0},
            "components": {name: {"target": "green", "colours": {}} for name in NAMES},
            "gates": {"step": [], "live": [], "staged": []},
            "witness": {"rate": 0},
        },
    }
    said, asked = play(
        folder,
        folder / "play.yml",
        {"shop": host},
        StandIn(
            "traffic_info",
            "name",
            {name: {"weights": {"blue": 100 - weight, "green": weight}} for name, weight in green.items()},
        ),
        StandIn("traffic_switch", "weight", {}),
        StandIn("tor_validate", "namespace", {"shop": {"verdicts": []}}),
    )
    assert "failed=0" in said, said
    return [int(value) for name, value in asked if name == "traffic_switch"]


@pytest.mark.parametrize(
    ("recorded", "green", "weights"),
    [
        (0, {}, [5, 5, 25, 25, 100, 100]),
        (25, {"web": 25, "api": 25}, [25, 25, 100, 100]),
        (25, {"web": 25, "api": 5}, [25, 5, 25, 25, 100, 100]),
        (100, {"web": 100, "api": 0}, [100, 5, 100, 25, 100, 100]),
        (100, {"web": 0, "api": 0}, [5, 5, 25, 25, 100, 100]),
        (100, {"web": 100, "api": 100}, [100, 100]),
    ],
)
def test_a_release_goes_on_where_its_traffic_is_and_not_where_it_was(
    tmp_path: Path, recorded: int, green: dict[str, int], weights: list[int]
) -> None:
    """``recorded`` is the highest weight its ledger has; the cluster may have given the traffic back since."""
    assert moved(tmp_path, recorded, **green) == weights


def test_a_first_release_gets_everything_at_once(tmp_path: Path) -> None:
    assert moved(tmp_path, 100, first=True, web=0, api=0) == [100, 100]
