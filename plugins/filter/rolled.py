# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rollout did to each component."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.release.rolling import rolled as told

DOCUMENTATION = r"""
name: rolled
short_description: Tell what rollout did, or would do, to each component
version_added: 0.1.0
description:
  - Takes the result of M(runbook.release.rollout) for all components of a system, and returns what it says of each one
    in the shape in which M(runbook.release.helm_bluegreen) says it.
  - What is no workload belongs to the first component that renders anything.
options:
  _input:
    description: The result of M(runbook.release.rollout).
    type: dict
    required: true
  components:
    description: The components, as O(runbook.release.plan#role:main:release_components).
    type: list
    elements: dict
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Which components does this version change?
  ansible.builtin.debug:
    msg: "{{ (rollout_result | runbook.release.rolled(release_components)).values() | selectattr('awaits_traffic') }}"
"""

RETURN = r"""
_value:
  description:
    - By the name of the component whether it changes (C(awaits_traffic)), whether it is new (C(first)), which versions
      run (C(versions), C(live)), how many pods each workload has (C(capacity)), and C(plan), C(diff) and C(digest).
  type: dict
"""


def rolled(outcome: dict[str, t.Any], components: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    """What rollout says of each component."""
    try:
        return told(components, outcome)
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"rolled: this is no result of rollout for these components: {error!r}") from error


class FilterModule:
    """The filter ``runbook.release.rolled``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rolled": rolled}
