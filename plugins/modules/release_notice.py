#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_notice
short_description: Remember who was told of a release, so that nobody is told twice and a notice ahead is not forgotten
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Sends nothing. It reads and writes who was told of what in the index of all releases of a system in one environment,
    which is a ledger that is only added to.
  - It needs no lock. A release may be under way, and is not disturbed.
options:
  state:
    description:
      - V(due) returns those of O(names) who were not told of O(event) and O(about) yet.
      - V(told) records O(outcomes).
      - V(announcing) returns the window for which O(version) is to be announced, the first one that can still be
        announced in time. Once it was announced for one, that stays until it has ended or is not open any more.
        There is none for a version that is being released or was released last.
      - V(announced) fails when the window that is open at O(at) asks for a notice, and O(version) was not announced for
        it in time.
    type: str
    choices: [due, told, announcing, announced]
    default: due
  namespace:
    description: Namespace of the lock and the ledgers.
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
  event:
    description: What people are told. Required with O(state=due) and O(state=told).
    type: str
    choices:
      - notice
      - approval
      - begins
      - released
      - rolled_back
      - stopped
      - failed
      - restored
      - restore_failed
      - maintenance
      - incident
      - incident_update
      - incident_resolved
  about:
    description:
      - What it is about, such as the id of a release or the digest of a plan. Required with O(state=due) and
        O(state=told).
    type: str
  version:
    description: The version it is about. Required with O(state=told), O(state=announcing) and O(state=announced).
    type: str
  window:
    description: The window that is announced, as RV(window) says it, with O(state=told) and O(event=notice).
    type: dict
    default: {}
  names:
    description: Who is to be told. Required with O(state=due).
    type: list
    elements: str
  outcomes:
    description: What became of each message. Required with O(state=told).
    type: list
    elements: dict
    suboptions:
      name:
        description: Who it was for.
        type: str
        required: true
      delivered:
        description: Whether it was taken.
        type: bool
        required: true
      why:
        description: Why it was not, without secrets.
        type: str
        default: ""
  windows:
    description: Windows, as P(runbook.release.in_window#filter) takes them.
    type: list
    elements: dict
    default: []
  freezes:
    description: Times without releases, as P(runbook.release.in_window#filter) takes them.
    type: list
    elements: dict
    default: []
  at:
    description: The moment to judge, as epoch seconds or ISO 8601 with an offset. Required with O(windows).
    type: str
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
    support: none
  idempotent:
    support: partial
    details:
      - O(state=told) adds an entry every time it has outcomes. The other states change nothing.
requirements:
  - rfc8785
  - python-dateutil, for O(windows)
seealso:
  - plugin: runbook.release.messages
    plugin_type: filter
  - plugin: runbook.release.delivered
    plugin_type: filter
notes:
  - "Needs the RBAC verbs C(get), C(list), C(create) and C(patch) for C(configmaps) in O(namespace)."
"""

EXAMPLES = r"""
- name: Find out who is not told yet that the release begins
  runbook.release.release_notice:
    namespace: shop
    system: shop
    environment: prod
    event: begins
    about: shop-prod-1-4-0-20261124t190000z
    names: ["mail ops@example.com", "slack #ops"]
  register: notice

- name: Record who was told
  runbook.release.release_notice:
    state: told
    namespace: shop
    system: shop
    environment: prod
    event: begins
    about: shop-prod-1-4-0-20261124t190000z
    version: 1.4.0
    outcomes:
      - {name: mail ops@example.com, delivered: true}
      - {name: "slack #ops", delivered: false, why: "answered 500: Internal Server Error"}

- name: Refuse to begin in a window that was not announced
  runbook.release.release_notice:
    state: announced
    namespace: shop
    system: shop
    environment: prod
    version: 1.4.0
    windows: "{{ release_windows }}"
    at: "{{ now(utc=true).timestamp() }}"
"""

RETURN = r"""
due:
  description: Those of O(names) who were not told yet.
  type: list
  elements: str
  returned: success with O(state=due)
  sample: ["slack #ops"]
window:
  description: The window, in UTC, with the moment until which it has to be announced; empty if there is none.
  type: dict
  returned: success with O(state=announcing) and O(state=announced)
  sample:
    begins: "2026-11-24T19:00:00Z"
    ends: "2026-11-24T21:00:00Z"
    notice_by: "2026-11-23T19:00:00Z"
    timezone: Asia/Bangkok
findings:
  description: Everything that is wrong with the index.
  type: list
  elements: dict
  returned: when refused because of it
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import holder_of, lease_name
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.notify.record import (
    Told,
    announce,
    announced,
    due,
    record,
)
from ansible_collections.runbook.release.plugins.module_utils.notify.targets import EVENTS

_OUTCOME = {
    "name": {"type": "str", "required": True},
    "delivered": {"type": "bool", "required": True},
    "why": {"type": "str", "default": ""},
}


def notice_argument_spec() -> ArgumentSpec:
    texts = {name: {"type": "str", "required": True} for name in ("namespace", "system", "environment")}
    dicts = {"type": "list", "elements": "dict", "default": []}
    return ArgumentSpec(
        {
            **texts,
            "state": {"type": "str", "choices": ["due", "told", "announcing", "announced"], "default": "due"},
            "event": {"type": "str", "choices": list(EVENTS)},
            "about": {"type": "str"},
            "version": {"type": "str"},
            "window": {"type": "dict", "default": {}},
            "names": {"type": "list", "elements": "str"},
            "outcomes": {"type": "list", "elements": "dict", "options": _OUTCOME},
            "windows": dicts,
            "freezes": dicts,
            "at": {"type": "str"},
            "holder": {"type": "str"},
        },
        required_if=[
            ("state", "due", ["event", "about", "names"]),
            ("state", "told", ["event", "about", "version", "outcomes"]),
            ("state", "announcing", ["version", "at"]),
            ("state", "announced", ["version", "at"]),
        ],
    )


def act(module: AnsibleModule) -> dict[str, Any]:
    given, client = module.params, kube_client(module)
    where = (client, given["namespace"], lease_name(given["system"], given["environment"]))
    told = Told(given["event"] or "", given["about"] or "", given["version"] or "", given["window"])
    if given["state"] == "due":
        return due(*where, told, given["names"])
    if given["state"] == "told":
        return record(*where, told, given["outcomes"], given["holder"] or holder_of(os.environ))
    calendar = {name: given[name] for name in ("windows", "freezes", "at")}
    return announce(*where, told, calendar) if given["state"] == "announcing" else announced(*where, told, calendar)


def main() -> None:
    spec = notice_argument_spec().merge(kube_argument_spec())
    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    with failing_cleanly(module):
        module.exit_json(**act(module))


if __name__ == "__main__":
    main()
