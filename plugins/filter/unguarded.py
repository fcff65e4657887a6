# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory of production or staging does not ask of a release."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.release.guards import unguarded as lacking

DOCUMENTATION = r"""
name: unguarded
short_description: Name what an inventory does not ask of its releases
version_added: 0.1.0
description:
  - Returns one sentence for everything that keeps an inventory from being one of production or of staging.
  - Production has to ask for approvals, for windows and for a proof, or say why not.
options:
  _input:
    description: What the inventory calls its environment.
    type: str
    required: true
  purpose:
    description: What it has to be for.
    type: str
    choices: [production, staging]
    required: true
  given:
    description:
      - What is set, as C(approvals), C(windows) and C(proof), and as C(without) the reasons for what is not.
    type: dict
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Refuse to release to production what nobody approves
  ansible.builtin.assert:
    that: lacking | length == 0
    fail_msg: "{{ lacking | join(' ') }}"
  vars:
    lacking: "{{ 'prod' | runbook.release.unguarded('production', {'windows': release_windows}) }}"
"""

RETURN = r"""
_value:
  description: One sentence each, empty when nothing is lacking.
  type: list
  elements: str
  sample: ["release_without.windows is 'no', which is no reason. Do: write a sentence."]
"""


def unguarded(environment: str, purpose: str, given: dict[str, t.Any]) -> list[str]:
    """One sentence for everything that is lacking."""
    try:
        return lacking(purpose, str(environment), given)
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"unguarded: this is no environment with its guards: {error!r}") from error


class FilterModule:
    """The filter ``runbook.release.unguarded``."""

    def filters(self) -> dict[str, t.Callable[..., list[str]]]:
        return {"unguarded": unguarded}
