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


def moved(folder: Path, recorded: int, first: bool = False, **green: int) -> list[int]:
    """The weights that were set, step by step and component by component; ``green`` is what green has now."""
    return [int(value) for name, value in shifted(folder, recorded, first, green) if name == "traffic_switch"]


def shifted(
    folder: Path, recorded: int, first: bool, green: dict[str, int], works: dict[str, list[str]] | None = None
) -> list[Any]:
    """What was asked of the modules; ``works`` is what works by itself in each component."""
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
            "components": {
                name: {"target": "green", "colours": {}, "workers": (works or {}).get(name, [])} for name in NAMES
            },
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
        StandIn("helm_bluegreen", "name", {}),
    )
    assert "failed=0" in said, said
    return asked


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


def test_what_works_by_itself_is_handed_over_once_all_traffic_has_moved(tmp_path: Path) -> None:
    asked = shifted(tmp_path, 0, False, {}, {"api": ["CronJob nightly-green"]})
    assert [name for name, _value in asked].count("traffic_switch") == 6
    assert asked[-1] == ["helm_bluegreen", "api"]
    assert [name for name, _value in asked].count("helm_bluegreen") == 1
