#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: paging_window
short_description: Open and end a maintenance window of the service that pages people
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Opens a maintenance window of PagerDuty, or a silence of an Alertmanager, so that nobody is paged by a downtime that
    was planned, and ends it.
  - A window is found by its O(name). So a second run makes it longer instead of opening another one, and a run that
    knows nothing of the first one can end it. It always has an end, so one that nobody ends is over all the same.
  - One of that name about other O(services) or O(matchers) does not count when a window is opened, and stays as it is.
    O(state=closed) ends all of them.
options:
  state:
    description: Whether a window of that name is open, about what is given.
    type: str
    choices: [open, closed]
    default: open
  kind:
    description: The service.
    type: str
    choices: [pagerduty, alertmanager]
    required: true
  name:
    description: What the window is called, and known by. Two systems need two names.
    type: str
    required: true
  for:
    description: How long nobody is paged from now on, for example V(2 h). Required with O(state=open).
    type: str
  url:
    description: Where the service is. Required for V(alertmanager).
    type: str
  services:
    description: Ids of the services of PagerDuty the window is about. Required to open one there.
    type: list
    elements: str
  sender:
    description: Address of the user of PagerDuty in whose name it is done. Required for V(pagerduty).
    type: str
  matchers:
    description:
      - Labels, with their values, of the alerts a silence is about. Required to open one at an V(alertmanager).
    type: dict
  authorization:
    description: The whole value of the header C(Authorization), for example V(Token token=…) or V(Bearer …).
    type: str
  ca_cert:
    description: Certificate that the service's is proven by, in PEM.
    type: path
  timeout:
    description: Seconds one request may take.
    type: int
    default: 30
extends_documentation_fragment:
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details: A second run with O(state=open) makes the window longer.
"""

EXAMPLES = r"""
- name: Nobody is paged for two hours
  runbook.release.paging_window:
    kind: pagerduty
    name: maintenance of shop
    for: 2 h
    services: [PSHOP01]
    sender: releases@example.com
    authorization: "{{ lookup('ansible.builtin.env', 'PAGERDUTY_AUTHORIZATION') }}"

- name: People are paged again
  runbook.release.paging_window:
    state: closed
    kind: pagerduty
    name: maintenance of shop
    sender: releases@example.com
    authorization: "{{ lookup('ansible.builtin.env', 'PAGERDUTY_AUTHORIZATION') }}"

- name: No alert of the shop for two hours
  runbook.release.paging_window:
    kind: alertmanager
    url: http://alertmanager.monitoring:9093
    name: maintenance of shop
    for: 2 h
    matchers: {namespace: shop}
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be.
  type: str
  returned: success
  sample: nobody is paged for 2 h, until 2026-11-21T18:00:00Z
before:
  description: Windows of that name that were open.
  type: list
  elements: dict
  returned: success
  sample: []
after:
  description: Those that are open now. In check mode a new one has no C(id).
  type: list
  elements: dict
  returned: success
  sample: [{id: PMW01, ends: "2026-11-21T18:00:00Z", about: [PSHOP01]}]
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import ArgumentSpec, failing_cleanly
from ansible_collections.runbook.release.plugins.module_utils.paging.services import (
    ACCEPT,
    PAGERDUTY,
    Alertmanager,
    PagerDuty,
    Wire,
)
from ansible_collections.runbook.release.plugins.module_utils.paging.window import CLOSED, OPEN, Service, Want, operate
from ansible_collections.runbook.release.plugins.module_utils.window.spans import seconds


def argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "state": {"type": "str", "choices": [OPEN, CLOSED], "default": OPEN},
            "kind": {"type": "str", "choices": ["pagerduty", "alertmanager"], "required": True},
            "name": {"type": "str", "required": True},
            "for": {"type": "str"},
            "url": {"type": "str"},
            "services": {"type": "list", "elements": "str"},
            "sender": {"type": "str"},
            "matchers": {"type": "dict"},
            "authorization": {"type": "str", "no_log": True},
            "ca_cert": {"type": "path"},
            "timeout": {"type": "int", "default": 30},
        },
        required_if=[
            ("state", OPEN, ["for"]),
            ("state", OPEN, ["services", "matchers"], True),
            ("kind", "pagerduty", ["sender"]),
            ("kind", "alertmanager", ["url"]),
        ],
        mutually_exclusive=[("services", "matchers")],
    )


def service_of(params: Mapping[str, Any]) -> Service:
    login, ca_cert, timeout = params["authorization"] or "", params["ca_cert"] or "", float(params["timeout"])
    if params["kind"] == "alertmanager":
        matchers = {str(label): str(value) for label, value in (params["matchers"] or {}).items()}
        return Alertmanager(Wire(params["url"], login, ca_cert, timeout), matchers)
    wire = Wire(params["url"] or PAGERDUTY, login, ca_cert, timeout, ACCEPT)
    return PagerDuty(wire, tuple(params["services"] or ()), params["sender"])


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    params = module.params
    with failing_cleanly(module):
        want = Want(params["state"], params["name"], seconds("for", params["for"]) if params["for"] else 0.0)
        outcome = operate(service_of(params), want, datetime.now(UTC), module.check_mode)
        module.exit_json(**outcome.report(), **({"diff": outcome.diff()} if module._diff else {}))


if __name__ == "__main__":
    main()
