# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds spent in each stage, from the moments the stages began."""

from __future__ import annotations

import typing as t

from ansible_collections.runbook.release.plugins.module_utils.release.budgets import seconds_of

DOCUMENTATION = r"""
name: durations
short_description: Turn the moments stages began into the seconds they took
version_added: 0.1.0
description:
  - Each stage lasts until the next one begins; the last one lasts until O(end).
options:
  _input:
    description: Stage names with the epoch seconds at which they began.
    type: dict
    required: true
  end:
    description: Epoch seconds at which the last stage ended.
    type: float
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Show how long each stage took
  ansible.builtin.debug:
    msg: "{{ {'deploy': 100.0, 'shift': 112.5} | runbook.release.durations(140.0) }}"
"""

RETURN = r"""
_value:
  description: Seconds of each stage, in order of their beginning.
  type: dict
  sample: {"deploy": 12.5, "shift": 27.5}
"""


def durations(began: dict[str, float], end: float) -> dict[str, float]:
    """Return the seconds between each stage's beginning and the next one's (epoch seconds in, seconds out)."""
    return seconds_of(began, end)


class FilterModule:
    """The filter ``runbook.release.durations``."""

    def filters(self) -> dict[str, t.Callable[..., dict[str, float]]]:
        return {"durations": durations}
