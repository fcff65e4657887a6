# SPDX-License-Identifier: GPL-3.0-or-later
"""drill.yml: under the lock, with what it found in its record, its ledger and its last words; each host is one case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .stage import ROOT, StandIn, play
from .test_maintaining import BEGUN, ENDED

NAMES = ("shop", "orders")


def backup(database: str, seconds: float, age: float) -> dict[str, Any]:
    return {"backup": {"id": f"{database}-1", "database": database, "age": age, "proof": {"seconds": seconds}}}


def host(name: str, folder: Path, point: str) -> dict[str, Any]:
    return {
        "release_system": name,
        "release_environment": "prod",
        "release_cluster": {"namespace": "shop"},
        "release_record": str(folder),
        "release_databases": [{"name": one, "server": {"host": "db"}} for one in NAMES],
        "release_backups": {"store": {"path": "/backups"}, "recovery_time": "4 h", "recovery_point": point},
    }


def test_a_drill_takes_the_lock_and_leaves_what_it_found_in_record_ledger_and_last_words(tmp_path: Path) -> None:
    hosts = {name: host(name, tmp_path, point) for name, point in (("kept", "1 h"), ("missed", "10 min"))}
    proven = {"shop": backup("shop", 4.25, 300.0), "orders": backup("orders", 1.0, 1200.0)}
    said, asked = play(
        tmp_path,
        ROOT / "playbooks" / "drill.yml",
        hosts,
        StandIn("release_run", "state", {"begun": BEGUN, "ended": ENDED}),
        StandIn("release_ledger", "entry", {}),
        StandIn("release_lock", "state", {}),
        StandIn("workload_change", "state", {}),
        StandIn("pg_backup", "database", proven),
    )
    verdicts = {"kept": ("done", "1 h: kept"), "missed": ("failed", "10 min: MISSED")}
    last = dict(line.split(": ", 1) for line in said.strip().splitlines()[-2:])
    for name, (verdict, point) in verdicts.items():
        told = "lost (objective " + point + "). Ledger r1: 9 entries, sha256 ab."
        assert told in last[name], said
        assert last[name].count("of writes lost") == 1
        record = json.loads((tmp_path / name / "r1" / "record.json").read_text())
        (task,) = record["tasks"]
        assert (record["verdict"], record["kind"], task["verdict"]) == (verdict, "tasks", verdict)
        found = task["found"]
        assert found["objectives"] == {"recovery_time": "4 h", "recovery_point": point.partition(":")[0]}
        assert found["databases"] == {
            "shop": {"backup": "shop-1", "rto": 4.2, "rpo": 300.0, "kept": True},
            "orders": {"backup": "orders-1", "rto": 1.0, "rpo": 1200.0, "kept": name == "kept"},
        }
        assert (found["rpo"], found["kept"]) == (1200.0, name == "kept")
    assert [state for module, state in asked if module == "release_run"] == ["begun", "begun", "ended", "ended"]
    entries = [json.loads(entry) for module, entry in asked if module == "release_ledger"]
    assert [one["what"].partition(": ")[2] for one in entries[:2]] == ["begins", "begins"]
    ends = {one["what"]: one["after"]["rehearsed"]["kept"] for one in entries[2:]}
    assert ends == {"task recovery drill: done": True, "task recovery drill: failed": False}
