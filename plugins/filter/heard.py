# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the witness of a release must have heard."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.release.heard import heard as criteria

DOCUMENTATION = r"""
name: heard
short_description: Ask what the witness of a release must have heard
version_added: 0.1.0
description:
  - Takes the fact C(release_context) and returns the criteria of the witness, which are that no request was lost and
    that the new version answers without errors.
  - There are none without a witness.
options:
  _input:
    description: The fact C(release_context).
    type: dict
    required: true
  components:
    description: Names of the components that are witnessed.
    type: list
    elements: str
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Hold the gate live
  runbook.release.tor_validate:
    criteria: "{{ release_context | runbook.release.heard(['web']) }}"
"""

RETURN = r"""
_value:
  description: Criteria, as in O(runbook.release.tor_validate#module:criteria).
  type: list
  elements: dict
"""


def heard(context: dict[str, t.Any], components: list[str]) -> list[dict[str, t.Any]]:
    """The criteria of each component in turn."""
    try:
        return criteria(context, components)
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"heard: this is not a release_context: {error!r}") from error


class FilterModule:
    """The filter ``runbook.release.heard``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"heard": heard}
