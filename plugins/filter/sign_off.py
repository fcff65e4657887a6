# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sheet a release is signed off by."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError

DOCUMENTATION = r"""
name: sign_off
short_description: Tick the items of a sheet by what a release recorded
version_added: 0.1.0
description:
  - An item is ticked when each of its criteria was asked and passed wherever it was asked, and each of its steps is
    done. What was not asked is never ticked.
options:
  _input:
    description: The items, as O(runbook.release.plan#role:main:release_sign_off).
    type: list
    elements: dict
    required: true
  preflight:
    description: Verdicts of the gate that is held before there is a ledger.
    type: list
    elements: dict
    required: true
  ledger:
    description: The ledger of the release as its mirror keeps it, one entry a line.
    type: str
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Show what may be signed
  ansible.builtin.debug:
    msg: "{{ release_sign_off | runbook.release.sign_off([], lookup('ansible.builtin.file', 'ledger.jsonl')) }}"
"""

RETURN = r"""
_value:
  description: C(item), C(ticked) and C(why) of each item.
  type: list
  elements: dict
  sample:
    - item: Everything runs
      ticked: true
      why: ["replicas is 3, expected >= 3 (pass)"]
"""


def sign_off(items: list[dict[str, t.Any]], preflight: list[dict[str, t.Any]], ledger: str) -> list[dict[str, t.Any]]:
    """Return each item with whether it is ticked, and why."""
    from ansible_collections.runbook.release.plugins.module_utils.release.sign_off import sheet

    try:
        return sheet(items, preflight, ledger)
    except ReleaseError as error:
        raise AnsibleFilterError(f"sign_off: {error}") from error


class FilterModule:
    """The filter ``runbook.release.sign_off``."""

    def filters(self) -> dict[str, t.Callable[..., list[dict[str, t.Any]]]]:
        return {"sign_off": sign_off}
