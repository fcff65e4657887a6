# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The criteria of a gate, with what only the release knows."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.asked import Gate
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.asked import asked as fill

DOCUMENTATION = r"""
name: asked
short_description: Fill in what only the release knows in the criteria of a gate
version_added: 0.1.0
description:
  - Gives each criterion of the source C(judge) the versions, the witness and the time from which it judges, and lets
    all of them share one probability to fail a good version. What a criterion says itself stays.
  - Leaves out what cannot be asked, which are criteria of the judge where it has heard nothing, and criteria that
    refer to a baseline where there was no version before.
options:
  _input:
    description: Criteria, as in O(runbook.release.tor_validate#module:criteria).
    type: list
    elements: dict
    required: true
  version:
    description: The new version.
    type: str
    required: true
  previous:
    description:
      - The version that still has a share of the traffic. If empty, the judge holds the new one to its objective.
    type: str
    default: ""
  witness:
    description: Folder of the witness.
    type: path
    default: ""
  since:
    description: Epoch seconds from which on answers count.
    type: float
    default: 0
  times:
    description: How often in the release the judge is asked about each criterion, in all steps and of all components.
    type: int
    default: 1
  judged:
    description: Whether the judge can have heard anything.
    type: bool
    default: true
  compared:
    description: Whether there was a version before.
    type: bool
    default: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Hold the step of a quarter of the traffic
  runbook.release.tor_validate:
    criteria: >-
      {{ release_gates.step | runbook.release.asked('1.4.0', previous='1.3.2', since=step_began,
         witness='/var/lib/releases/shop/witness/web') }}
    hold: 300
"""

RETURN = r"""
_value:
  description: The criteria.
  type: list
  elements: dict
"""


def asked(criteria: list[t.Any], version: str, **more: t.Any) -> list[t.Any]:
    """The criteria in the order they came."""
    try:
        return fill(criteria, Gate(version, **more))
    except TypeError as error:
        raise AnsibleFilterError(f"asked: {error}") from error


class FilterModule:
    """The filter ``runbook.release.asked``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"asked": asked}
