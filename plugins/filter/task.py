# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of a catalogue."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tasks import catalogue

DOCUMENTATION = r"""
name: task
short_description: Find one task of a catalogue
version_added: 0.1.0
description:
  - Takes the catalogue of a system and returns one of its tasks with everything that holds for it.
  - A catalogue with which anything is wrong, or that has no such task, is an error with one sentence for each.
options:
  _input:
    description: The catalogue, as O(runbook.release.plan#role:main:release_tasks).
    type: list
    elements: dict
    required: true
  name:
    description: Name of the task.
    type: str
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: What kind of work is it?
  ansible.builtin.debug:
    msg: "{{ (release_tasks | runbook.release.task('vacuum')).kind }}"
"""

RETURN = r"""
_value:
  description:
    - The task. C(kind) is the key that says what kind of work it is, C(options) what is under it, C(seconds) how long
      what is temporary stays, V(0) for good, and C(looks) whether it changes nothing.
  type: dict
  sample:
    name: vacuum
    clause: SYS-179
    kind: database
    options: {name: shop, do: vacuum}
    consent: false
    before: []
    after: []
    seconds: 0
    looks: false
"""


def task(tasks: list[dict[str, t.Any]], name: str) -> dict[str, t.Any]:
    """The task of that name."""
    try:
        return catalogue.task(tasks, name).report()
    except ReleaseError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter ``runbook.release.task``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"task": task}
