# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the records of a system are, on the machine that runs the playbook."""

from __future__ import annotations

import os
from pathlib import Path

DOCUMENTATION = r"""
name: records
short_description: Name the folder of the records of a system
version_added: 0.1.0
description:
  - The folder below which each release, restore and incident of a system has a folder of its own.
options:
  _input:
    description:
      - The folder of all systems. By default C(runbook-release) in C($XDG_STATE_HOME), which is C(~/.local/state).
    type: str
    required: true
  system:
    description: The name of the system.
    type: str
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Keep what was planned
  ansible.builtin.copy:
    content: "{{ plan }}"
    dest: "{{ release_record | default('') | runbook.release.records(release_system) }}/plan.json"
    mode: "0600"
"""

RETURN = r"""
_value:
  description: The folder.
  type: path
"""


def records(given: object, system: str) -> str:
    """The folder of the system; empty or none is the default."""
    state = os.environ.get("XDG_STATE_HOME") or f"{Path.home()}/.local/state"
    return f"{given or f'{state}/runbook-release'}/{system}"


class FilterModule:
    """The filter ``runbook.release.records``."""

    def filters(self) -> dict[str, object]:
        return {"records": records}
