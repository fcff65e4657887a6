# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How warm the version before a release is to be by now."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.release.warmth import Keep
from ansible_collections.runbook.release.plugins.module_utils.tor.moments import moment

DOCUMENTATION = r"""
name: warmth
short_description: Say how warm the version before a release is to be by now
version_added: 0.1.0
description:
  - Takes C(release_rollback.keep_warm) and returns the state of M(runbook.release.helm_bluegreen) that the idle colours
    should be in at a moment after the release, with the number of pods they keep.
options:
  _input:
    description:
      - C(full) is for how long after the release all pods are kept (C(1h)), C(until) for how long C(floor) pods of each
        workload (1), and C(removed) when the colour is uninstalled. Without it that never happens.
    type: dict
    required: true
  ended:
    description: When the release ended, as RV(runbook.release.release_info#module:releases) tells it.
    type: str
    required: true
  now:
    description: The moment, in seconds since the epoch.
    type: float
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Say what is to be done about the version before
  ansible.builtin.debug:
    msg: "{{ {'full': '1h', 'until': '24h'} | runbook.release.warmth(newest.ended, now(utc=true).timestamp()) }}"
"""

RETURN = r"""
_value:
  description:
    - C(state) is V(warm) while nothing is to be done, else V(retired) or V(absent). C(floor) is the number of pods.
  type: dict
  sample: {state: retired, floor: 1}
"""


def warmth(keep: dict[str, t.Any], ended: str, now: float) -> dict[str, t.Any]:
    """The state and the floor of the idle colours."""
    try:
        state, floor, _changes = Keep.of(keep).at(now - moment(ended).timestamp())
    except (ReleaseError, ValueError, AttributeError) as error:
        raise AnsibleFilterError(f"warmth: {error}") from error
    return {"state": state, "floor": floor}


class FilterModule:
    """The filter ``runbook.release.warmth``."""

    def filters(self) -> dict[str, t.Callable[..., dict[str, t.Any]]]:
        return {"warmth": warmth}
