# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command said in each pod."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.tasks.ran import ran as told

DOCUMENTATION = r"""
name: ran
short_description: Tell what a command said in each pod it ran in
version_added: 0.1.0
description:
  - Takes the results of M(kubernetes.core.k8s_exec) in a loop over the names of pods.
options:
  _input:
    description: The results.
    type: list
    elements: dict
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: In which pods did it not end well?
  ansible.builtin.debug:
    msg: "{{ (exec_result.results | runbook.release.ran).bad }}"
"""

RETURN = r"""
_value:
  description:
    - C(pods), the last lines that were said, by the name of the pod, and C(bad), a sentence for each pod in which it
      did not end well.
  type: dict
"""


def ran(results: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """What was said in each pod."""
    try:
        return told(results)
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"ran: these are no results of a loop over pods: {error!r}") from error


class FilterModule:
    """The filter ``runbook.release.ran``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ran": ran}
