# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release unit of a system whose components roll."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.release.rolling import unit as unit_of

DOCUMENTATION = r"""
name: unit
short_description: Tell what the components of a system roll to, and in which order
version_added: 0.1.0
description:
  - Returns the options of M(runbook.release.rollout) that bring all components to a version as one release unit.
  - Components with the same folder or file are rendered once. An image gets the version as its tag.
options:
  _input:
    description: The components, as O(runbook.release.plan#role:main:release_components).
    type: list
    elements: dict
    required: true
  system:
    description: The system.
    type: str
    required: true
  version:
    description: The version.
    type: str
    required: true
  rolling:
    description: How they roll, as O(runbook.release.plan#role:main:release_rolling).
    type: dict
    default: {}
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Which workloads go first?
  ansible.builtin.debug:
    msg: "{{ (release_components | runbook.release.unit('shop', '1.5.0', release_rolling)).waves | first }}"
"""

RETURN = r"""
_value:
  description:
    - C(name), C(version), C(workloads), C(sources), C(waves), C(strategy), C(timeout), and what else was chosen.
  type: dict
"""


def unit(
    components: list[dict[str, t.Any]], system: str, version: str, rolling: dict[str, t.Any] | None = None
) -> dict[str, t.Any]:
    """The options of rollout."""
    try:
        return unit_of(system, version, components, rolling)
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"unit: these are no components that roll: {error!r}") from error


class FilterModule:
    """The filter ``runbook.release.unit``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"unit": unit}
