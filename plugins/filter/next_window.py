# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the next release window opens."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.window.answer import upcoming

DOCUMENTATION = r"""
name: next_window
short_description: Tell when the next release window opens
version_added: 0.1.0
description:
  - Takes a list of windows and returns the first opening after a moment that is long enough and not frozen.
  - It looks 400 days ahead.
options:
  _input:
    description: Windows, as P(runbook.release.in_window#filter) takes them.
    type: list
    elements: dict
    required: true
  at:
    description:
      - The moment to look from, as epoch seconds or ISO 8601 with an offset. V(now(\).timestamp(\)) is now.
    type: raw
    required: true
  freezes:
    description: Times without releases, as P(runbook.release.in_window#filter) takes them.
    type: list
    elements: dict
    default: []
  need:
    description: How long the window must stay open, as seconds or a text like V(45m).
    type: raw
    default: 0
author:
  - runbook.release contributors (@runbook-release)
requirements:
  - python-dateutil
seealso:
  - plugin: runbook.release.in_window
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say when the next release can begin, and until when to announce it
  ansible.builtin.debug:
    msg: "{{ opening.local }} ({{ opening.timezone }}), to be announced by {{ opening.notice_by }}"
  vars:
    windows:
      - {rrule: "FREQ=WEEKLY;BYDAY=SU;BYHOUR=2", timezone: UTC, duration: 2h, notice: 7d}
    opening: "{{ windows | runbook.release.next_window(now().timestamp()) }}"
"""

RETURN = r"""
_value:
  description:
    - The opening, empty if there is none within 400 days.
    - C(begins) and C(ends) are in UTC, C(local) is the beginning in C(timezone), C(wait) the seconds until then.
    - C(window) is the position of the window in the list, V(-1) when the list is empty and a freeze ends.
    - C(notice_by) is the latest moment to announce a release in it, empty if the window asks for no notice.
  type: dict
  sample:
    begins: "2026-11-22T02:00:00Z"
    ends: "2026-11-22T04:00:00Z"
    local: "2026-11-22T02:00:00+00:00"
    timezone: UTC
    wait: 43200
    window: 0
    notice_by: "2026-11-15T02:00:00Z"
"""


def next_window(windows: t.Any, at: t.Any, freezes: t.Any = (), need: t.Any = 0) -> dict[str, t.Any]:
    """Find the first opening after ``at``."""
    try:
        return upcoming(windows, at, freezes, need)
    except ReleaseError as error:
        raise AnsibleFilterError(f"next_window: {error}") from error
    except ImportError as error:
        raise AnsibleFilterError("next_window needs python-dateutil: install it where ansible-playbook runs") from error


class FilterModule:
    """The filter ``runbook.release.next_window``."""

    def filters(self) -> dict[str, t.Callable[..., dict[str, t.Any]]]:
        return {"next_window": next_window}
