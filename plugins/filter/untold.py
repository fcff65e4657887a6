# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who could never be told, because of how it is written."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.notify.targets import mistakes

DOCUMENTATION = r"""
name: untold
short_description: Name everything that keeps people from ever being told
version_added: 0.1.0
description:
  - Returns one sentence for everything that is missing, unknown or twice in who is told of what.
options:
  _input:
    description: Who is told of what, as O(runbook.release.plan#role:main:release_notify).
    type: list
    elements: dict
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Refuse what nobody could ever be told by
  ansible.builtin.assert:
    that: wrong | length == 0
    fail_msg: "{{ wrong | join(' ') }}"
  vars:
    wrong: "{{ release_notify | runbook.release.untold }}"
"""

RETURN = r"""
_value:
  description: One sentence each, empty when all can be told.
  type: list
  elements: str
  sample: ["release_notify[2].to.routing_key is missing, which pagerduty needs."]
"""


def untold(entries: list[dict[str, t.Any]]) -> list[str]:
    """One sentence for everything that is wrong."""
    try:
        return mistakes(entries)
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"untold: this does not say who is told of what: {type(error).__name__}") from None


class FilterModule:
    """The filter ``runbook.release.untold``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"untold": untold}
