# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many hosts at a time.

A play has its C(serial) before it forks, so what is loaded for it no task loads again: ansible looks at every filter of
a collection to find one, in each worker.
"""

from __future__ import annotations

import re

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: batches
short_description: Check how many hosts go at a time
version_added: 0.1.0
description:
  - Takes what the C(serial) of a play takes and returns it, or says what is wrong with it.
options:
  _input:
    description: A number of hosts, or a share of them with a percent sign.
    type: str
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Release
  hosts: all
  serial: "{{ release_serial | default('100%') | runbook.release.batches }}"
"""

RETURN = r"""
_value:
  description: The number or the share, as it was given.
  type: str
"""

BATCH = re.compile(r"[1-9][0-9]*|(?:[1-9][0-9]?|100)%")


def batches(given: object) -> str:
    """The number or the share."""
    if not BATCH.fullmatch(str(given)):
        raise AnsibleFilterError(
            f"release_serial is {given!r}, which is no number of hosts. Do: give a number like 1, or a share like 25%."
        )
    return str(given)


class FilterModule:
    """The filter ``runbook.release.batches``."""

    def filters(self) -> dict[str, object]:
        return {"batches": batches}
