# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A moment as people in a time zone read it."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.notify.message import local

DOCUMENTATION = r"""
name: in_zone
short_description: Write a moment with the name of its time zone
version_added: 0.1.0
description:
  - Turns epoch seconds or ISO 8601 into the local time of a place.
options:
  _input:
    description: The moment, as epoch seconds or ISO 8601 with an offset.
    type: raw
    required: true
  zone:
    description: Name of an IANA time zone.
    type: str
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Say when it begins
  ansible.builtin.debug:
    msg: "{{ '2026-11-24T19:00:00Z' | runbook.release.in_zone('Asia/Bangkok') }}"
"""

RETURN = r"""
_value:
  description: Date, time, zone and offset.
  type: str
  sample: 2026-11-25 02:00 Asia/Bangkok (+07:00)
"""


def in_zone(at: t.Any, zone: str) -> str:
    """The moment ``at`` in ``zone``."""
    try:
        return local(at, zone)
    except (OSError, ValueError, TypeError) as error:
        raise AnsibleFilterError(f"in_zone: {at!r} in {zone!r} is no moment in a time zone: {error}") from error


class FilterModule:
    """The filter ``runbook.release.in_zone``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"in_zone": in_zone}
