# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks fill a Secret of which nobody says where its values are kept."""

from __future__ import annotations

import typing as t

from ansible_collections.runbook.release.plugins.module_utils.secret.declared import unwritten as sentences

DOCUMENTATION = r"""
name: unwritten
short_description: Name the tasks that fill a Secret of which nobody says where its values are kept
version_added: 0.1.0
description:
  - Returns one sentence for each task of the kind C(secret) whose Secret is not among those that a release writes.
options:
  _input:
    description: The catalogue, as O(runbook.release.plan#role:main:release_tasks).
    type: list
    elements: dict
    required: true
  secrets:
    description: The Secrets of the system, as O(runbook.release.plan#role:main:release_secrets).
    type: list
    elements: dict
    required: true
  without:
    description: The tasks that are not done in this environment, as O(runbook.release.maintain#role:main:task_without).
    type: dict
    default: {}
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Refuse a catalogue that nobody could rotate a Secret with
  ansible.builtin.assert:
    that: release_tasks | runbook.release.unwritten(release_secrets) | length == 0
"""

RETURN = r"""
_value:
  description: One sentence each, empty when all can be filled.
  type: list
  elements: str
"""

Given = t.Mapping[str, t.Any]


def unwritten(tasks: t.Sequence[Given], secrets: t.Sequence[Given], without: t.Collection[str] = ()) -> list[str]:
    """One sentence for each task that cannot be done."""
    return sentences([one for one in tasks if one.get("name") not in without], secrets)


class FilterModule:
    """The filter ``runbook.release.unwritten``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"unwritten": unwritten}
