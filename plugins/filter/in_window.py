# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a release may begin at a moment."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.window.answer import inside

DOCUMENTATION = r"""
name: in_window
short_description: Tell whether a release may begin now
version_added: 0.1.0
description:
  - Takes a list of windows and tells whether a moment lies in one of them and in no freeze, for how long that stays
    so, and when the next one opens.
  - A freeze beats every window. Without any window releases are allowed at all times that are not frozen.
  - Windows that touch or overlap are one.
options:
  _input:
    description:
      - Windows, each with the following keys.
      - C(rrule) is a rule of RFC 5545, in local time. It says on which days with C(BYDAY) or the like, and at what time
        with C(BYHOUR) and C(BYMINUTE), midnight if not set. C(UNTIL) ends it. C(DTSTART), C(COUNT) and an C(INTERVAL)
        above 1 are refused, because a window has no start to count from.
      - C(timezone) is the name of an IANA time zone.
      - C(duration) is how long the window stays open, as seconds or a text like V(2h) or V(1h30m), at most 31 days. It
        is real time, also in a night in which the clocks change.
      - C(notice), optional, is how long before its beginning a release has to be announced.
      - A beginning that the clocks skip is left out, as RFC 5545 says. Of one that comes twice the first counts.
    type: list
    elements: dict
    required: true
  at:
    description:
      - The moment to judge, as epoch seconds or ISO 8601 with an offset. V(now(\).timestamp(\)) is now.
    type: raw
    required: true
  freezes:
    description:
      - Times without releases, each with C(from), C(to) and C(reason).
      - C(from) and C(to) are ISO 8601. Without an offset they are in C(timezone), and in UTC without that. A date alone
        means the beginning of that day for C(from) and its end for C(to).
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
  - plugin: runbook.release.next_window
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Refuse a release outside its window
  ansible.builtin.assert:
    that: window.open
    fail_msg: "{{ window.reason }}"
  vars:
    windows:
      - {rrule: "FREQ=WEEKLY;BYDAY=TU,WE;BYHOUR=2", timezone: Asia/Bangkok, duration: 2h, notice: 24h}
    freezes:
      - {from: "2026-12-21", to: "2027-01-03", timezone: Asia/Bangkok, reason: end of the year}
    window: "{{ windows | runbook.release.in_window(now().timestamp(), freezes, '45m') }}"
"""

RETURN = r"""
_value:
  description:
    - C(open) tells whether a release may begin, with at least O(need) left.
    - C(remaining) is the number of seconds left, V(0) outside and none when no end is known. C(ends) is that moment.
    - C(freeze) is the freeze that forbids it, with C(from), C(to) and C(reason); empty if there is none.
    - C(next) is the next opening, as P(runbook.release.next_window#filter) returns it.
    - C(reason) is a sentence for the operator, empty when open.
  type: dict
  sample:
    open: false
    remaining: 0
    ends: ""
    freeze: {}
    next:
      begins: "2026-11-23T19:00:00Z"
      ends: "2026-11-23T21:00:00Z"
      local: "2026-11-24T02:00:00+07:00"
      timezone: Asia/Bangkok
      wait: 104400
      window: 0
      notice_by: "2026-11-22T19:00:00Z"
    reason: No window is open. The next one opens at 2026-11-23T19:00:00Z (2026-11-24T02:00:00+07:00 Asia/Bangkok).
"""


def in_window(windows: t.Any, at: t.Any, freezes: t.Any = (), need: t.Any = 0) -> dict[str, t.Any]:
    """Judge the moment ``at``."""
    try:
        return inside(windows, at, freezes, need)
    except ReleaseError as error:
        raise AnsibleFilterError(f"in_window: {error}") from error
    except ImportError as error:
        raise AnsibleFilterError("in_window needs python-dateutil: install it where ansible-playbook runs") from error


class FilterModule:
    """The filter ``runbook.release.in_window``."""

    def filters(self) -> dict[str, t.Callable[..., dict[str, t.Any]]]:
        return {"in_window": in_window}
