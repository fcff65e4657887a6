#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_mode
short_description: Let a maintenance page answer instead of the application, and take it back exactly
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Makes an entry answer from another Service, and later from those it had before.
  - What the entry said is kept in an annotation of its own, which the patch that changes it writes. So a run that is
    killed at any moment leaves no entry in maintenance that does not say how it comes back.
options:
  state:
    description:
      - V(on) makes the page answer everything the entry answers. It is refused while nothing is ready behind the page.
      - V(off) puts back exactly what was there before. What somebody else has changed meanwhile is left as it is, with
        a warning. Nothing is changed when it is not on. A rule is known by what it matches, or by host and path, and
        the port of a Service by its number, so others may come and go meanwhile.
    type: str
    choices: ["on", "off"]
    required: true
  name:
    description: What it is on for. Only the same name takes it back; for others it is a warning.
    type: str
    default: maintenance
  namespace:
    description: Namespace of the entry and of the page.
    type: str
    required: true
  entry:
    description: The object that decides where traffic goes.
    type: dict
    required: true
    suboptions:
      kind:
        description:
          - V(httproute) is an HTTPRoute of the Gateway API, of which every rule with back ends gets the page instead.
          - V(ingress) is an Ingress, of which every path and the default back end do.
          - V(service) is a Service, which gets the selector and the target port of the page.
        type: str
        choices: [httproute, ingress, service]
        required: true
      name:
        description: Name of the object.
        type: str
        required: true
      namespace:
        description: Namespace of the object and of the page; that of the module if not set.
        type: str
  page:
    description: The Service that answers meanwhile, and how users see it. Required with O(state=on).
    type: dict
    suboptions:
      service:
        description: Name of the Service.
        type: str
        required: true
      port:
        description: Number or name of its port, if it has several.
        type: str
      url:
        description:
          - Where users ask. It then returns only once several new connections in a row got the page, or with
            O(state=off) did not any more.
        type: str
      address:
        description: IP or name to connect to for O(page.url), while host name and SNI stay those of the URL.
        type: str
      ca_cert:
        description: PEM file with the authorities to trust for O(page.url); those of this machine if not set.
        type: path
      shows:
        description:
          - A regular expression for what stands in the page but not in the application. Required with O(page.url).
        type: str
  timeout:
    description: Seconds until the Gateways of an HTTPRoute have to have taken it, and again until users see it.
    type: int
    default: 60
  holder:
    description:
      - Who does it, as others read it on the entry.
      - Without it, the AWX job if E(AWX_HOST) and E(JOB_ID) are set, else C(user@host).
    type: str
extends_documentation_fragment:
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - Needs the RBAC verbs C(get) and C(patch) for the kind of O(entry), of an HTTPRoute also C(list) and C(watch), and
    with O(state=on) C(get) for C(services) and C(list) for C(endpointslices.discovery.k8s.io), in the namespace.
"""

EXAMPLES = r"""
- name: Users see the maintenance page
  runbook.release.maintenance_mode:
    state: "on"
    namespace: shop
    entry: {kind: httproute, name: shop}
    page: {service: sorry}

- name: Users see the shop again
  runbook.release.maintenance_mode:
    state: "off"
    namespace: shop
    entry: {kind: httproute, name: shop}
"""

RETURN = r"""
sentence:
  description: What was done, or in check mode would be.
  type: str
  returned: success
  sample: HTTPRoute shop answers from the maintenance page.
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import holder_of
from ansible_collections.runbook.release.plugins.module_utils.maintenance.operate import KINDS, Request, operate
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run

ENTRY = {
    "kind": {"type": "str", "choices": list(KINDS), "required": True},
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str"},
}
PAGE = {
    "service": {"type": "str", "required": True},
    "port": {"type": "str"},
    "url": {"type": "str"},
    "address": {"type": "str"},
    "ca_cert": {"type": "path"},
    "shows": {"type": "str"},
}


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["on", "off"], "required": True},
            "name": {"type": "str", "default": "maintenance"},
            "namespace": {"type": "str", "required": True},
            "entry": {"type": "dict", "required": True, "options": ENTRY},
            "page": {"type": "dict", "options": PAGE, "required_together": [("url", "shows")]},
            "timeout": {"type": "int", "default": 60},
            "holder": {"type": "str"},
        },
        required_if=[("state", "on", ["page"])],
    )
    return own.merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        client = kube_client(module)
        request = Request.of(module.params, module.params["holder"] or holder_of(os.environ))
        with journal(client, Run.of(module.params["run"]), module.warn) as book:
            plan = operate(client, request, book)
        for warning in plan.warnings:
            module.warn(warning)
        diff = {"diff": plan.diff()} if module._diff else {}
        module.exit_json(changed=bool(plan.ops), sentence=f"{plan.sentence}.", **diff)


if __name__ == "__main__":
    main()
