# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would fail somebody at night, because of how incidents are written down."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: unprepared
short_description: Name everything that keeps people from working on an incident
version_added: 0.1.0
description:
  - Returns one sentence for everything that is missing, unknown, twice or still a placeholder in what a system says
    about its incidents, and for every remedy that leaves something changed and has no way back.
options:
  _input:
    description: What the system says about its incidents, as C(release_incidents).
    type: dict
    required: true
  tasks:
    description: The catalogue of its tasks, as C(release_tasks).
    type: list
    elements: dict
    default: []
  notify:
    description: Who is told of what, as O(runbook.release.plan#role:main:release_notify).
    type: list
    elements: dict
    default: []
  type:
    description: Only what keeps people from working on an incident of this type; everything if empty.
    type: str
    default: ""
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Refuse to release what nobody could help at night
  ansible.builtin.assert:
    that: wrong | length == 0
    fail_msg: "{{ wrong | join(' ') }}"
  vars:
    wrong: "{{ release_incidents | runbook.release.unprepared(release_tasks, release_notify) }}"
"""

RETURN = r"""
_value:
  description: One sentence each, empty when people are prepared.
  type: list
  elements: str
  sample: ["release_incidents.escalation CTO.contact is still '[Phone]'. Do: write how to reach them."]
"""


def unprepared(
    given: dict[str, t.Any],
    tasks: list[dict[str, t.Any]] | None = None,
    notify: list[dict[str, t.Any]] | None = None,
    type: str = "",
) -> list[str]:
    """One sentence for everything that is wrong."""
    from ansible_collections.runbook.release.plugins.module_utils.incident.mistakes import mistakes

    try:
        return mistakes(given, tasks or [], notify or [], type)
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"unprepared: this says nothing about incidents: {error!r}") from error


class FilterModule:
    """The filter ``runbook.release.unprepared``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"unprepared": unprepared}
