#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_incident
short_description: Keep the record of an incident, and refuse what is out of order
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Keeps one ledger in the cluster for each incident of a system in one environment, which is only added to. It does
    nothing else, so it needs no lock and disturbs no release.
  - At most one incident of a type is open at a time. Its ledger is C(<system>-<environment>-incident-<type>-<number>).
  - What is given again as it is known already adds nothing.
options:
  state:
    description:
      - V(opened) opens an incident of O(type), or goes on with the open one.
      - V(noted) adds what is given to the newest incident of O(type).
      - V(acknowledged) says that somebody answers it. A remedy or an O(update) says so too.
      - V(mitigated) says that users do not suffer any more.
      - V(resolved) is refused without a O(cause), while any of O(symptoms) did not pass, and while the incident is
        still contained.
      - V(reviewed) closes the record of a resolved incident for good.
    type: str
    choices: [opened, noted, acknowledged, mitigated, resolved, reviewed]
    default: noted
  namespace:
    description: Namespace the ledger is kept in.
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
    description: Type of the incident, one of O(incidents), or V(other) for what nobody foresaw.
    type: str
    default: other
  number:
    description: Number of the incident within its type; the newest one if V(0).
    type: int
    default: 0
  incidents:
    description: What the system says about its incidents, as C(release_incidents) of P(runbook.release.respond#role).
    type: dict
    default: {}
  severity:
    description:
      - How severe it is, by the system's own name or by V(critical), V(high), V(medium) or V(low). Its response and
        resolution times begin when the incident is opened.
      - That of the type if not set.
    type: str
  title:
    description: What it is, in few words.
    type: str
  source:
    description: Who noticed it.
    type: str
    choices: [alert, person, internal]
  trigger:
    description: What set it off, such as the name of the alert and the tool it came from.
    type: str
  users:
    description: How many users are hit, as a number or a share.
    type: str
  impact:
    description: What users notice.
    type: str
  affected:
    description: The parts that are affected.
    type: list
    elements: str
  expected:
    description: When it is expected to be over.
    type: str
  cause:
    description: What the cause is.
    type: str
  fix:
    description: What was changed to resolve it; the remedies that were performed if not set.
    type: str
  change:
    description: Where the lasting correction is recorded.
    type: str
  vector:
    description: How an attacker got in.
    type: str
  exposed:
    description: Which data was exposed.
    type: str
  lessons:
    description: What was learned.
    type: list
    elements: str
  actions:
    description: What is to be done so that it does not happen again.
    type: list
    elements: str
  review_at:
    description: When it is reviewed.
    type: str
  review_link:
    description: Where the review is.
    type: str
  update:
    description: What people are told now.
    type: str
  symptoms:
    description:
      - What M(runbook.release.tor_validate) said of the symptoms just now, as its
        RV(runbook.release.tor_validate#module:verdicts).
    type: list
    elements: dict
  evidence:
    description: Evidence that was kept. Number and SHA-256 of its files are recorded.
    type: dict
    suboptions:
      path:
        description: Its folder, on the machine the module runs on.
        type: path
        required: true
      whole:
        description: Whether everything that was to be kept was.
        type: bool
        required: true
  remedy:
    description:
      - A remedy of the type. One that contains a security incident may only begin when evidence was kept and was whole.
    type: dict
    suboptions:
      task:
        description: Name of the task.
        type: str
        required: true
      moment:
        description: What is said of it.
        type: str
        required: true
        choices: [begins, done, failed, taken back]
      for:
        description: How long it lasts before it is put back by itself; until somebody takes it back if empty.
        type: str
        default: ""
      why:
        description: Why it failed, or which release went back, without the words of others.
        type: str
        default: ""
      before:
        description: What was seen before it, in sentences.
        type: list
        elements: str
        default: []
      after:
        description: What was seen after it, in sentences.
        type: list
        elements: str
        default: []
  told:
    description: What became of the messages, as P(runbook.release.notify#role) says it in C(notify_outcome).
    type: list
    elements: dict
    suboptions:
      name:
        description: Who it was for.
        type: str
        required: true
      event:
        description: What it was about.
        type: str
        required: true
      delivered:
        description: Whether it was taken.
        type: bool
        required: true
      why:
        description: Why it was not.
        type: str
        default: ""
  timezone:
    description: Time zone in which the times of RV(incident) are.
    type: str
    default: UTC
  holder:
    description:
      - Who records it, as others read it.
      - Without it, the AWX job if E(AWX_HOST) and E(JOB_ID) are set, else C(user@host).
    type: str
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - O(evidence), O(remedy) and O(told) are added every time.
requirements:
  - rfc8785
seealso:
  - module: runbook.release.release_incident_info
  - module: runbook.release.release_ledger
notes:
  - "Needs the RBAC verbs C(get), C(list), C(create) and C(patch) for C(configmaps) in O(namespace)."
"""

EXAMPLES = r"""
- name: Open an incident, or go on with the open one
  runbook.release.release_incident:
    state: opened
    namespace: shop
    system: shop
    environment: prod
    type: errors
    incidents: "{{ release_incidents }}"
    source: alert
    trigger: HighErrorRate in Prometheus
    users: 5 %
  register: incident

- name: Say where it stands
  runbook.release.release_incident:
    namespace: shop
    system: shop
    environment: prod
    type: errors
    incidents: "{{ release_incidents }}"
    update: The connection pool is exhausted; it is being raised.

- name: Resolve it
  runbook.release.release_incident:
    state: resolved
    namespace: shop
    system: shop
    environment: prod
    type: errors
    incidents: "{{ release_incidents }}"
    symptoms: "{{ judged.verdicts }}"
    cause: The connection pool was too small for the traffic.
    actions: [Alert on the connection pool, Review the autoscaling]
"""

RETURN = r"""
id:
  description: Id of the incident, which is the name of its ledger.
  type: str
  returned: success
  sample: shop-prod-incident-errors-3
new:
  description: Whether it was opened just now.
  type: bool
  returned: success
plan:
  description: What was added to the ledger, or in check mode would be added.
  type: list
  elements: str
  returned: success
  sample: [incident opened]
incident:
  description:
    - Everything that is known of it, as M(runbook.release.release_incident_info) says it in
      RV(runbook.release.release_incident_info#module:incidents).
  type: dict
  returned: success
holding:
  description: The symptoms that hold.
  type: list
  elements: str
  returned: when O(state=resolved) was refused because of them
  sample: [error rate]
findings:
  description: Everything that is wrong with the ledger.
  type: list
  elements: dict
  returned: when refused because of it
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.incident.decide import (
    ASKED_STATES,
    LISTS,
    TEXTS,
    Asked,
    given,
    outcomes,
)
from ansible_collections.runbook.release.plugins.module_utils.incident.declared import Declared
from ansible_collections.runbook.release.plugins.module_utils.incident.evidence import kept
from ansible_collections.runbook.release.plugins.module_utils.incident.operate import Call, Place, operate
from ansible_collections.runbook.release.plugins.module_utils.incident.story import MOMENTS
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import holder_of, lease_name
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)

_TEXT = {"type": "str", "required": True}
_EMPTY = {"type": "str", "default": ""}
_SEEN = {"type": "list", "elements": "str", "default": []}
_REMEDY = {
    **{"task": _TEXT, "moment": {**_TEXT, "choices": list(MOMENTS)}, "for": _EMPTY, "why": _EMPTY},
    **{"before": _SEEN, "after": _SEEN},
}
_EVIDENCE = {"path": {"type": "path", "required": True}, "whole": {"type": "bool", "required": True}}
_TOLD = {"name": _TEXT, "event": _TEXT, "delivered": {"type": "bool", "required": True}, "why": _EMPTY}


def incident_argument_spec() -> ArgumentSpec:
    texts = {name: {"type": "str"} for name in TEXTS}
    return ArgumentSpec(
        {
            **{name: _TEXT for name in ("namespace", "system", "environment")},
            **texts,
            **{name: {"type": "list", "elements": "str"} for name in LISTS},
            "state": {"type": "str", "choices": sorted(ASKED_STATES), "default": "noted"},
            "type": {"type": "str", "default": "other"},
            "number": {"type": "int", "default": 0},
            "incidents": {"type": "dict", "default": {}},
            "severity": {"type": "str"},
            "source": {"type": "str", "choices": ["alert", "person", "internal"]},
            "update": {"type": "str"},
            "symptoms": {"type": "list", "elements": "dict"},
            "evidence": {"type": "dict", "options": _EVIDENCE},
            "remedy": {"type": "dict", "options": _REMEDY},
            "told": {"type": "list", "elements": "dict", "options": _TOLD},
            "timezone": {"type": "str", "default": "UTC"},
            "holder": {"type": "str"},
        }
    )


def asked(options: dict[str, Any]) -> Asked:
    evidence = options["evidence"]
    return Asked(
        state=options["state"],
        severity=options["severity"] or "",
        facts=given(options),
        evidence=kept(evidence["path"], evidence["whole"]) if evidence else {},
        symptoms=options["symptoms"],
        remedy=options["remedy"] or {},
        update=options["update"] or "",
        told=outcomes(options["told"] or []),
    )


def main() -> None:
    spec = incident_argument_spec().merge(kube_argument_spec())
    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    options = module.params
    with failing_cleanly(module):
        place = Place(options["namespace"], lease_name(options["system"], options["environment"]))
        who = options["holder"] or holder_of(os.environ)
        call = Call(
            place,
            Declared.of(options["incidents"]),
            options["type"],
            asked(options),
            who,
            options["number"],
            options["timezone"],
        )
        result = operate(kube_client(module), call)
        known = {"before": result.pop("before"), "after": result.pop("after")}
        module.exit_json(**result, **({"diff": known} if module._diff else {}))


if __name__ == "__main__":
    main()
