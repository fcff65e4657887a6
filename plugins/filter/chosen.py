# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one run of maintenance does."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tasks.chosen import choose

DOCUMENTATION = r"""
name: chosen
short_description: Tell what one run of maintenance does
version_added: 0.1.0
description:
  - Takes what holds for the maintenance of a system, and returns what a list of it, or single tasks, come to.
  - Everything that is wrong with the maintenance, with the catalogue or with what is asked for is one error.
options:
  _input:
    description: The maintenance, as O(runbook.release.plan#role:main:release_maintenance).
    type: dict
    required: true
  catalogue:
    description: The tasks, as O(runbook.release.plan#role:main:release_tasks).
    type: list
    elements: dict
    required: true
  name:
    description: Name of the list; empty for single tasks.
    type: str
    default: ""
  tasks:
    description: Names of single tasks; empty for a list.
    type: list
    elements: str
    default: []
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Which tasks are done each week?
  ansible.builtin.debug:
    msg: "{{ (release_maintenance | runbook.release.chosen(release_tasks, 'weekly')).tasks }}"
"""

RETURN = r"""
_value:
  description:
    - What is done. C(tasks) are names, each once and in order. C(longest) is in seconds, V(0) without a limit.
    - C(windowed) tells whether it waits for a window. What changes anything does, unless the list says otherwise.
  type: dict
  sample: {name: weekly, tasks: [vacuum], windowed: true, mode: false, backup: true, longest: 7200.0}
"""


def chosen(
    maintenance: dict[str, t.Any], catalogue: list[dict[str, t.Any]], name: str = "", tasks: t.Sequence[str] = ()
) -> dict[str, t.Any]:
    """What a list, or single tasks, come to."""
    try:
        return choose(maintenance, catalogue, name, tasks).report()
    except ReleaseError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter ``runbook.release.chosen``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"chosen": chosen}
