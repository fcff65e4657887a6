#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_claim
short_description: Let the volume of a claim grow, and wait until it has
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Asks for a larger size of a C(PersistentVolumeClaim) by one guarded patch, and returns once the volume has it and
    its file system as well.
  - Refuses, before anything is changed, a smaller size, a claim without a volume, and a C(StorageClass) that does not
    let its volumes grow. A volume that has grown never shrinks again.
options:
  name:
    description: Name of the claim.
    type: str
    required: true
  namespace:
    description: Namespace of the claim.
    type: str
    required: true
  size:
    description: Size it is to have, for example V(200Gi).
    type: str
    required: true
  timeout:
    description: Seconds until it has to have that size.
    type: int
    default: 600
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
  - Needs the RBAC verbs C(get), C(list), C(watch) and C(patch) for C(persistentvolumeclaims) in O(namespace). With
    C(get) for C(storageclasses.storage.k8s.io) of the cluster it says why a class is refused; without it the API server
    does.
  - The claims of a StatefulSet grow one by one; its C(volumeClaimTemplates) stay what its source says.
"""

EXAMPLES = r"""
- name: The disk of the database is nearly full
  runbook.release.volume_claim:
    name: data-postgres-0
    namespace: shop
    size: 200Gi
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be.
  type: str
  returned: success
  sample: it grows from 100Gi to 200Gi
before:
  description: The claim as it was found.
  type: dict
  returned: success
  contains: &claim
    requested:
      description: The size that is asked for.
      type: str
    capacity:
      description: The size it has.
      type: str
after:
  description: The claim as it is, or in check mode as the API server would make it.
  type: dict
  returned: success
  contains: *claim
seconds:
  description: How long it took.
  type: float
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
from ansible_collections.runbook.release.plugins.module_utils.volume.grow import Request, operate


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "size": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 600},
        },
    )
    return own.merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    params = module.params
    with failing_cleanly(module):
        request = Request(params["namespace"], params["name"], params["size"], params["timeout"])
        client = kube_client(module)
        with journal(client, Run.of(params["run"]), module.warn) as book:
            report = operate(client, request, book).report()
        sides = {side: f"{report[side]['requested']}\n" for side in ("before", "after")}
        module.exit_json(**report, **({"diff": sides} if module._diff else {}))


if __name__ == "__main__":
    main()
