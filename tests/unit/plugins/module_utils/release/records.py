# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a staging, as releases leave them in a folder."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import SEAL, Draft, Entry, Head, root
from ansible_collections.runbook.release.plugins.module_utils.ledger.sign import sign
from ansible_collections.runbook.release.plugins.module_utils.release import machine

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
DIGEST = {name: "sha256:" + name[0] * 64 for name in ("api", "bad", "cafe", "dead")}
IMAGES = {"api": [f"r.example/api@{DIGEST['api']}"], "web": [f"r.example/web@{DIGEST['cafe']}"]}


class Ledger:
    """Entries at the times they are given; each is also what an index or a release would have written."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.entries: list[Entry] = []

    @property
    def head(self) -> Head:
        return self.entries[-1].head if self.entries else root(self.id)

    def add(self, what: str, after: Any, when: datetime) -> None:
        draft = Draft(what, None, after, "bob@laptop", 7)
        self.entries.append(draft.following(self.head, when.isoformat().replace("+00:00", "Z")))

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ledger.jsonl").write_text("".join(f"{entry.text}\n" for entry in self.entries))


class Staging:
    """Releases of the system shop, in the order they are told."""

    def __init__(self, folder: Path, environment: str = "staging") -> None:
        self.folder = folder / "shop"
        self.environment = environment
        self.index = Ledger(f"shop-{environment}-index")
        self.now = NOON
        self.key = ""

    def release(
        self, id: str, version: str = "1.4.0", verdict: str = "released", images: Any = None, **more: Any
    ) -> Ledger:
        """One that took an hour; without a verdict it has not ended. What is ``more`` stands in its begin."""
        given = {"release": id, "version": version, "plan": "5f1d", "who": "bob@laptop"}
        self.index.add(machine.INDEX_BEGUN, {**given, "takes_back": more.pop("takes_back", "")}, self.now)
        ledger = Ledger(id)
        begun = {"system": "shop", "environment": self.environment, "version": version, **more}
        ledger.add(machine.RELEASE_BEGINS, begun, self.now)
        self.now += timedelta(hours=1)
        if verdict:
            ledger.add(
                machine.RELEASE_ENDS,
                {"verdict": verdict, "seconds": 3600, "images": IMAGES if images is None else images},
                self.now,
            )
            ledger.add(SEAL, None, self.now)
            told = {"release": id, "version": version, "verdict": verdict, "seconds": 3600}
            self.index.add(machine.INDEX_ENDED, {**told, "head": ledger.head.report()}, self.now)
        self.write(ledger)
        return ledger

    def write(self, ledger: Ledger) -> None:
        ledger.write(self.folder / ledger.id)
        if self.key:
            signed = sign(ledger.id, ledger.head, self.key)
            (self.folder / ledger.id / "heads.jsonl").write_text(signed.text + "\n")
        self.index.write(self.folder / "index")


def key(folder: Path, who: str) -> tuple[str, Path]:
    """A key of somebody, and the file that allows them to sign."""
    path, signers = folder / who, folder / f"{who}.allowed_signers"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", str(path)], check=True)
    signers.write_text(f"{who} {(folder / f'{who}.pub').read_text()}")
    return str(path), signers


def asked(**more: Any) -> Mapping[str, Any]:
    return {"system": "shop", "version": "1.4.0", "environment": "staging", "within": timedelta(days=14), **more}
