#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_incident_info
short_description: Tell which incidents there are, what is overdue of them, and what a release that went back did
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Reads the ledgers of the incidents of a system in one environment, and verifies them.
options:
  namespace:
    description: Namespace the ledgers are kept in.
    type: str
    required: true
  system:
    description: The system.
    type: str
    required: true
  environment:
    description: The environment.
    type: str
    required: true
  type:
    description: Only incidents of this type.
    type: str
    default: ""
  everything:
    description: Whether all incidents are told, and not only the newest one of each type.
    type: bool
    default: false
  incidents:
    description:
      - What the system says about its incidents, as C(release_incidents) of P(runbook.release.respond#role). Its
        C(escalation) is needed for RV(due).
    type: dict
    default: {}
  release:
    description: Id of a release of which RV(release) is told.
    type: str
    default: ""
  timezone:
    description: Time zone in which the times are told.
    type: str
    default: UTC
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.attributes
  - runbook.release.attributes.info_module
requirements:
  - rfc8785
seealso:
  - module: runbook.release.release_incident
notes:
  - "Needs the RBAC verbs C(get) and C(list) for C(configmaps) in O(namespace)."
"""

EXAMPLES = r"""
- name: Look what is open
  runbook.release.release_incident_info:
    namespace: shop
    system: shop
    environment: prod
  register: known

- name: Say it
  ansible.builtin.debug:
    msg: "{{ known.open }}"
"""

RETURN = r"""
open:
  description: One sentence for each open incident.
  type: list
  elements: str
  returned: success
  sample: ["Incident shop-prod-incident-errors-3: P1 API errors, investigating since 2026-11-25 15:30 UTC."]
incidents:
  description:
    - The incidents. C(state) is how far it came, C(status) the word people outside are told (V(Investigating),
      V(Identified), V(Monitoring) or V(Resolved)), C(reached) says when and by whom.
    - C(timers) are the moments by which it was to be answered, to be resolved and to be spoken of.
    - C(symptoms) are the verdicts of the last look. C(standing) are remedies still in force and until when,
      C(contained) those of them that contain a security incident.
  type: list
  elements: dict
  returned: success
  sample:
    - id: shop-prod-incident-errors-3
      sentence: "Incident shop-prod-incident-errors-3: P1 API errors, monitoring since 2026-11-25 15:30 UTC."
      state: mitigated
      status: Monitoring
      open: true
      type: errors
      severity: P1
      scale: high
      title: API errors
      cause: The connection pool is exhausted
      reached: {opened: {when: "2026-11-25T15:30:00.123456Z", who: alice@ops}}
      timers: [{what: response, by: "2026-11-25T15:45:00Z", happened: "2026-11-25T15:32:00.1Z", missed: false}]
      symptoms: {error rate: pass}
      evidence: [{path: /var/lib/releases/shop/incidents, files: 7, sha256: 8d2a1f34, whole: true}]
      remedies: [restart the API]
      standing: {}
      contained: []
      told: ["slack #incidents"]
      minutes: 0
      timeline: [{at: "15:30", when: "2026-11-25T15:30:00.123456Z", who: alice@ops, text: "P1 API errors, by alert"}]
due:
  description:
    - What is overdue, and the steps of the escalation that an incident nobody has acknowledged has come to. C(key)
      tells each from all others, and C(tells) names who of C(release_notify) is told; all who are told of incidents if
      empty.
  type: list
  elements: dict
  returned: success
  sample:
    - incident: shop-prod-incident-errors-3
      type: errors
      what: update
      key: shop-prod-incident-errors-3 update 2026-11-25T16:00:00Z
      sentence: Incident shop-prod-incident-errors-3 was to be spoken of by 2026-11-25T16:00:00Z.
      tells: []
release:
  description: O(release) as its ledger tells it; empty without it.
  type: dict
  returned: success
  sample:
    id: shop-prod-1-4-1-20261125t190000z
    version: 1.4.1
    verdict: rolled back
    reason: more than 20 % of the requests failed
    minutes: 4
findings:
  description: Everything that is wrong with one of the ledgers.
  type: list
  elements: dict
  returned: when something is
"""

from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.incident.declared import Declared
from ansible_collections.runbook.release.plugins.module_utils.incident.operate import Look, Place, tell, tell_release
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import lease_name
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)


def info_argument_spec() -> ArgumentSpec:
    required = {name: {"type": "str", "required": True} for name in ("namespace", "system", "environment")}
    empty = {name: {"type": "str", "default": ""} for name in ("type", "release")}
    return ArgumentSpec(
        {
            **required,
            **empty,
            "everything": {"type": "bool", "default": False},
            "incidents": {"type": "dict", "default": {}},
            "timezone": {"type": "str", "default": "UTC"},
        }
    )


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **info_argument_spec().merge(kube_argument_spec()).to_kwargs())
    given = module.params
    with failing_cleanly(module):
        client = kube_client(module)
        place = Place(given["namespace"], lease_name(given["system"], given["environment"]))
        steps = Declared.of(given["incidents"]).escalation
        look = Look(place, steps, given["type"], given["everything"], given["timezone"])
        release = tell_release(client, look, given["release"])
        module.exit_json(changed=False, **tell(client, look, datetime.now(UTC)), release=release)


if __name__ == "__main__":
    main()
