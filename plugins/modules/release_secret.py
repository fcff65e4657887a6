#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_secret
short_description: Keep the keys of a Secret in the cluster as they are declared
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Creates a Secret, or updates the keys that differ. What is the same is not written.
  - Keys that others have set stay as they are. Keys that this module wrote before, and that are not named any more, go.
  - Values show nowhere, neither in the result nor in a difference nor in the ledger; there stand names of keys.
options:
  name:
    description: Name of the Secret.
    type: str
    required: true
  namespace:
    description: Namespace of the Secret.
    type: str
    required: true
  type:
    description: Type of the Secret, which never changes. With O(registry) it is C(kubernetes.io/dockerconfigjson).
    type: str
    default: Opaque
  data:
    description: Its keys and their values. A value may not be empty.
    type: dict
  registry:
    description: How kubelets log in to a registry of images.
    type: dict
    suboptions:
      server:
        description: The registry, such as C(ghcr.io).
        type: str
        required: true
      username:
        description: The user.
        type: str
        required: true
      password:
        description: The password or token of the user.
        type: str
        required: true
  force:
    description: Take over keys that somebody else has set. Without it such a key is refused, with the name of who has.
    type: bool
    default: false
extends_documentation_fragment:
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows which keys differ, never their values.
  idempotent:
    support: full
notes:
  - Needs the RBAC verbs C(get), C(create) and C(patch) for C(secrets) in O(namespace).
  - What reads the Secret is not restarted; M(runbook.release.workload_change) does that, by its option
    C(after_change_of).
"""

EXAMPLES = r"""
- name: The workloads find the password of the database
  runbook.release.release_secret:
    namespace: shop
    name: database-credentials
    data:
      username: shop
      password: "{{ lookup('runbook.release.referenced', {'environment': 'DATABASE_PASSWORD'}) }}"

- name: Kubelets can pull the images
  runbook.release.release_secret:
    namespace: shop
    name: registry-pull
    registry:
      server: ghcr.io
      username: shop-releases
      password: "{{ lookup('runbook.release.referenced', {'file': '/run/secrets/registry'}) }}"
"""

RETURN = r"""
create:
  description: Whether there was no such Secret.
  type: bool
  returned: success
added:
  description: Names of the keys it lacked.
  type: list
  elements: str
  returned: success
  sample: [password]
updated:
  description: Names of the keys that had another value.
  type: list
  elements: str
  returned: success
removed:
  description: Names of the keys this module wrote before and that are not named any more.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.secret.fill import DOCKER, Request, operate, registry_data

REGISTRY = {
    "server": {"type": "str", "required": True},
    "username": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
}


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "type": {"type": "str", "default": "Opaque"},
            "data": {"type": "dict", "no_log": True},
            "registry": {"type": "dict", "options": REGISTRY},
            "force": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("data", "registry")],
        required_one_of=[("data", "registry")],
    )
    return own.merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    params = module.params
    with failing_cleanly(module):
        registry = params["registry"]
        data = registry_data(registry) if registry else {key: str(value) for key, value in params["data"].items()}
        kind = DOCKER[0] if registry else params["type"]
        request = Request(params["namespace"], params["name"], kind, data, params["force"])
        client = kube_client(module)
        with journal(client, Run.of(params["run"]), module.warn) as book:
            plan = operate(client, request, book)
        diff = {"diff": plan.diff(data)} if module._diff else {}
        told = plan.report()
        module.exit_json(changed=plan.differs, updated=told.pop("changed"), **told, **diff)


if __name__ == "__main__":
    main()
