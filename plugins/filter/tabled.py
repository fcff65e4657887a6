# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of tasks, for people."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.tasks.table import sentence, table

DOCUMENTATION = r"""
name: tabled
short_description: Put into a table and a sentence what became of tasks
version_added: 0.1.0
description:
  - Takes what P(runbook.release.maintain#role) noted of each task, and words it for people.
options:
  _input:
    description: What became of each task, as C(tasks) of C(release_context).
    type: list
    elements: dict
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Show what became of the tasks
  ansible.builtin.debug:
    msg: "{{ (release_context.tasks | runbook.release.tabled).lines }}"
"""

RETURN = r"""
_value:
  description:
    - C(lines) of a table with the columns task, clause, verdict and why, and a C(sentence) that names what needs
      somebody.
  type: dict
  sample:
    lines:
      - "task    clause   verdict  why"
      - "vacuum  SYS-179  done"
    sentence: Of 1 tasks 1 done.
"""


def tabled(tasks: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """A table and a sentence."""
    try:
        return {"lines": table(tasks), "sentence": sentence(tasks)}
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"tabled: this is not what became of tasks: {error!r}") from error


class FilterModule:
    """The filter ``runbook.release.tabled``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"tabled": tabled}
