# SPDX-License-Identifier: GPL-3.0-or-later
"""How a release ends: the role report of this checkout, with stand-ins for what needs a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from .stage import StandIn, play

PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.import_role": {"name": "runbook.release.report"}}],
    }
]


def ended(folder: Path, **context: Any) -> list[list[str]]:
    """What was done to end the release, in order."""
    (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
    host = {
        "release_system": "shop",
        "release_cluster": {"namespace": "shop"},
        "release_components": [
            {"name": name, "entry": {"kind": "httproute", "name": name}, "urls": [], "identity": {}}
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
        StandIn("release_run", "state", {}),
        StandIn("release_lock", "state", {}),
    )
    assert "failed=0" in said, said
    return asked


END = [["release_drift", "recorded"], ["release_run", "ended"]]


def test_what_was_released_is_settled_before_it_is_remembered_as_it_is(tmp_path: Path) -> None:
    assert ended(tmp_path) == [["helm_bluegreen", "settled"], ["helm_bluegreen", "settled"], *END]


@pytest.mark.parametrize("back", [{"evidence": 3.0}, {}])
def test_what_failed_is_not_settled(tmp_path: Path, back: dict[str, float]) -> None:
    """It was taken back, or its rollback did not finish and another run has to end it."""
    failure = {"reason": "it answers 500", "record": "it answers 500"}
    done = ended(tmp_path, failure=failure, at=back)
    assert [one for one in done if one[0] == "helm_bluegreen"] == []
