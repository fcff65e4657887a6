# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the stages of a release took, against how long they may take."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.release.budgets import budgets_of, held, seconds_of

DOCUMENTATION = r"""
name: budgeted
short_description: Hold what the stages of a release took against their budgets
version_added: 0.1.0
description:
  - Takes C(release_budgets) and returns for each stage that was reached what was planned and what it took so far.
options:
  _input:
    description: C(release_budgets), as O(runbook.release.plan#role:main:release_budgets) has it.
    type: dict
    required: true
  context:
    description: C(release_context), of which C(at), C(shift) and C(first) are read.
    type: dict
    required: true
  strategy:
    description: How the system is released.
    type: str
    choices: [bluegreen, rolling]
    required: true
  end:
    description: Epoch seconds at which the last stage ended.
    type: float
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Show which stages took longer than they may
  ansible.builtin.debug:
    msg: "{{ held | selectattr('over') | map(attribute='sentence') }}"
  vars:
    held: "{{ release_budgets | runbook.release.budgeted(release_context, 'bluegreen', now(utc=true).timestamp()) }}"
"""

RETURN = r"""
_value:
  description:
    - C(planned) are the seconds a stage may take with those for which it only watches, C(actual) those it took.
      C(over) tells whether these are more, C(sentence) says so, and C(stops) tells whether a release must then not go
      on.
  type: list
  elements: dict
  sample:
    - {stage: backup, planned: 600.0, stops: true, actual: 42.1, over: false, sentence: ""}
"""


def budgeted(budgets: dict[str, t.Any], context: dict[str, t.Any], strategy: str, end: float) -> list[dict[str, t.Any]]:
    """What was planned for each stage that was reached, and what it took."""
    try:
        planned = budgets_of(budgets, context["shift"], rolling=strategy == "rolling", first=bool(context["first"]))
    except ReleaseError as error:
        raise AnsibleFilterError(f"budgeted: {error}") from error
    return held(planned, seconds_of(context["at"], end))


class FilterModule:
    """The filter ``runbook.release.budgeted``."""

    def filters(self) -> dict[str, t.Callable[..., list[dict[str, t.Any]]]]:
        return {"budgeted": budgeted}
