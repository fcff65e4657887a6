# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines on the screen, as ansible-playbook prints them; each host is one case."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIVE = {"verdict": "released", "sentence": "shop is live. Ledger shop-1: 16 entries, sha256 6ca1."}
BACK = {"verdict": "rolled back", "sentence": "shop failed and was rolled back. It  answers 500."}
TELLING = """
- hosts: all
  gather_facts: false
  tasks:
    - set_stats: {per_host: true, data: {release_outcome: "{{ outcome }}"}}
      when: outcome is defined
    - fail: {msg: "{{ reason }}"}
      when: reason is defined
"""
CASES = {
    "live": {"outcome": LIVE},
    "unproven": {"outcome": LIVE, "reason": "the archive cannot be written"},
    "back": {"outcome": BACK, "reason": "It answers 500."},
    "back_unproven": {"outcome": BACK, "reason": "the archive cannot be written"},
    "refused": {"reason": "there is no such\nversion"},
}


def test_the_outcome_is_told_and_what_else_failed(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(TELLING)
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": CASES}}))
    command = ["ansible-playbook", "-i", "hosts.json", "play.yml"]
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_CALLBACKS_ENABLED": "runbook.release.summary",
    }
    said = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True).stdout
    assert [line for line in said.splitlines() if line.strip()][-len(CASES) :] == [
        f"back: {BACK['sentence']}",
        f"back_unproven: {BACK['sentence']} the archive cannot be written",
        f"live: {LIVE['sentence']}",
        "refused: there is no such version",
        f"unproven: {LIVE['sentence']} the archive cannot be written",
    ]
