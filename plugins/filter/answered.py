# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from an alert."""

from __future__ import annotations

import json
import time
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError

DOCUMENTATION = r"""
name: answered
short_description: Tell whether an alert takes a release back
version_added: 0.1.0
description:
  - An alert takes the newest release back when RV(ignore:release_alerts) says so, while that is inside of its rollback
    window, and when what it fires for was not so before the release began.
  - It takes an unfinished release back that nobody goes on with any more. While somebody is at work nothing is done.
options:
  _input:
    description:
      - The alert as Alertmanager tells of it, with C(labels), C(status) and C(startsAt). As JSON it may be
        percent-encoded, so that nothing in it can be taken for a template.
    type: raw
    required: true
  own:
    description:
      - What the system says about itself, as C(system), C(environment), C(alerts) and C(within), for how long after its
        end a release may go back.
    type: dict
    required: true
  known:
    description: What M(runbook.release.release_info) told. Without it only what needs no look is answered.
    type: dict
  now:
    description: Epoch seconds; the time of this machine if not set.
    type: float
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Does it take the release back?
  ansible.builtin.debug:
    msg: "{{ rollback_alert | runbook.release.answered(own, known) }}"
  vars:
    own: {system: shop, environment: prod, alerts: "{{ release_alerts }}", within: 24h}
"""

RETURN = r"""
_value:
  description:
    - C(action) is V(back), V(nothing), V(other) when the alert is about another system, or V(look) when only O(known)
      can tell. C(sentence) says why.
  type: dict
  sample: {action: back, sentence: "HighErrorRate fires since 2026-11-24T19:08:00Z: 1.4.0 goes back."}
"""


def answered(
    alert: t.Any, own: dict[str, t.Any], known: dict[str, t.Any] | None = None, now: float | None = None
) -> dict[str, str]:
    """Action and sentence."""
    from ansible_collections.runbook.release.plugins.module_utils.alerts.answer import Fired, Own, answer, first

    try:
        fired = Fired.of(alert if isinstance(alert, str) else json.dumps(alert))
        asked = Own.of(own)
        said = answer(fired, asked, known, time.time() if now is None else float(now)) if known else first(fired, asked)
    except ReleaseError as error:
        raise AnsibleFilterError(f"answered: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"answered: this is no alert, or nothing it could be about: {error!r}") from error
    return {"action": said.action, "sentence": said.sentence}


class FilterModule:
    """The filter ``runbook.release.answered``."""

    def filters(self) -> dict[str, t.Callable[..., dict[str, str]]]:
        return {"answered": answered}
