#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_observation
short_description: Record the looks at a system after its release
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - An observation is a plan of looks after a release has ended. Each look is a short run of its own. What was seen is
    kept in the cluster, in a ledger that belongs to the observation, so any machine can take the next look.
  - Tells which look is due and records what M(runbook.release.tor_validate) found at it. Looks that nobody took in time
    are recorded as missed.
  - It is over after the last look, or when the rollback policy says to roll back, unless that is of one component
    alone. Its ledger is then sealed.
  - It needs no lock. It changes nothing about the system.
options:
  state:
    description:
      - V(due) tells where the observation stands.
      - V(looked) records O(look). What was recorded first stays.
    type: str
    choices: [due, looked]
    default: due
  namespace:
    description: Namespace of the ledgers.
    type: str
    required: true
  release:
    description: Id of the release.
    type: str
    required: true
  ended:
    description: When the release ended, as RV(runbook.release.release_info#module:releases) tells it.
    type: str
    required: true
  plan:
    description:
      - When to look, after the release ended. C(every) and C(until) plan looks at equal distances from the end of the
        phase before on, C(at) plans one look.
      - Durations are seconds, or a text like C(10m) or C(1h30m).
    type: list
    elements: dict
    required: true
    suboptions:
      every:
        description: From one look to the next.
        type: str
      until:
        description: When the phase ends. The last look is there if it is a multiple of C(every).
        type: str
      at:
        description: When to look once.
        type: str
  look:
    description: Number of the look. Required with O(state=looked).
    type: int
  verdicts:
    description: What M(runbook.release.tor_validate) returned. Required with O(state=looked).
    type: list
    elements: dict
  decision:
    description:
      - What M(runbook.release.tor_validate) returned as RV(runbook.release.tor_validate#module:decision).
      - Required with O(state=looked).
    type: dict
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - rfc8785
seealso:
  - module: runbook.release.tor_validate
  - module: runbook.release.release_info
notes:
  - "Needs the RBAC verbs C(get), C(list), C(create) and C(patch) for C(configmaps) in O(namespace)."
"""

EXAMPLES = r"""
- name: Find out whether a look is due
  runbook.release.release_observation: &observation
    namespace: shop
    release: shop-prod-1-4-0-20261124t190000z
    ended: "2026-11-24T19:06:52Z"
    plan:
      - {every: 10m, until: 1h}
      - {every: 30m, until: 4h}
      - {every: 1h, until: 24h}
  register: observation

- name: Look
  runbook.release.tor_validate:
    criteria: "{{ criteria }}"
    baseline: "{{ observation.baseline }}"
    policy:
      - {when: all, action: rollback}
      - {criterion: health of the mailer, when: failed, action: rollback, component: mailer}
      - {criterion: error share, when: "> 20 %", action: rollback}
      - {criterion: error share, when: "10 %..20 %", action: rollback, after: 5m}
      - {criterion: error share, when: "5 %..10 %", action: watch}
    standing: "{{ observation.decision.standing }}"
    fail: false
  register: seen
  when: observation.due > 0

- name: Record it
  runbook.release.release_observation:
    <<: *observation
    state: looked
    look: "{{ observation.due }}"
    verdicts: "{{ seen.verdicts }}"
    decision: "{{ seen.decision }}"
  when: observation.due > 0
"""

RETURN = r"""
ledger:
  description: Id of the ledger of the observation, for M(runbook.release.release_ledger).
  type: str
  returned: success
  sample: shop-prod-1-4-0-20261124t190000z-observed
looks:
  description: How many looks the plan has.
  type: int
  returned: success
  sample: 32
due:
  description: Number of the look that is due, V(0) if none is.
  type: int
  returned: success
  sample: 4
missed:
  description: Numbers of the looks that were due before and were not taken.
  type: list
  elements: int
  returned: success
  sample: []
next:
  description: When the next look is due, empty if there is none.
  type: str
  returned: success
  sample: "2026-11-24T19:56:52Z"
over:
  description: Whether the observation is over.
  type: bool
  returned: success
baseline:
  description:
    - What was captured for the release before its traffic moved, for O(runbook.release.tor_validate#module:baseline).
  type: dict
  returned: with O(state=due), empty when nothing was captured
first:
  description: Whether nothing was live before the release, so that there is nothing to compare it with.
  type: bool
  returned: with O(state=due)
verdict:
  description: Over all looks so far, V(pass), V(fail) or V(insufficient). Empty before the first one.
  type: str
  returned: success
  sample: pass
decision:
  description:
    - What was decided at the newest look, as M(runbook.release.tor_validate) says it, with C(action) (C(nothing),
      C(watch), C(hold) or C(rollback)) and C(sentence).
    - C(components) are those that alone are rolled back; empty where all are. C(standing) is for the next look.
  type: dict
  returned: success
  sample:
    action: nothing
    sentence: every blocking criterion passed
    components: []
    standing: {}
sentence:
  description: All of it in one sentence.
  type: str
  returned: success
  sample: >-
    Observation of shop-prod-1-4-0-20261124t190000z: 3 of 3 looks passed; the next is due at 2026-11-24T19:46:52Z.
    Decision nothing: every blocking criterion passed.
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import holder_of
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.tor.observing import Observation, due, look

_PHASE = {"every": {"type": "str"}, "until": {"type": "str"}, "at": {"type": "str"}}


def observation_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["due", "looked"], "default": "due"},
            "namespace": {"type": "str", "required": True},
            "release": {"type": "str", "required": True},
            "ended": {"type": "str", "required": True},
            "plan": {"type": "list", "elements": "dict", "required": True, "options": _PHASE},
            "look": {"type": "int"},
            "verdicts": {"type": "list", "elements": "dict"},
            "decision": {"type": "dict"},
        },
        required_if=[("state", "looked", ["look", "verdicts", "decision"])],
    )


def main() -> None:
    spec = observation_argument_spec().merge(kube_argument_spec())
    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    with failing_cleanly(module):
        params = module.params
        asked, client = Observation.of(params, holder_of(os.environ)), kube_client(module)
        if params["state"] == "due":
            module.exit_json(**due(client, asked))
        module.exit_json(**look(client, asked, params["look"], params["verdicts"], params["decision"]))


if __name__ == "__main__":
    main()
