#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_acceptance
short_description: Record who accepted what a release did
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Tells the index of all releases who accepted a release after it had ended, whatever its verdict.
  - What they sign is not the plan but what happened, the head of the sealed ledger of the release, which
    M(runbook.release.release_info) shows. So no approval that was given before the release can count after it.
    M(runbook.release.release_approval) proves the signatures; this module records what it returned.
  - It needs no lock. Another release may be under way, and is not disturbed.
options:
  namespace:
    description: Namespace of the lock and the ledgers.
    type: str
    required: true
  system:
    description: The system that was released.
    type: str
    required: true
  environment:
    description: The environment it was released in.
    type: str
    required: true
  release:
    description: Id of the release.
    type: str
    required: true
  approvals:
    description:
      - Who accepted it, as RV(runbook.release.release_approval#module:approvals) says it, each with C(role),
        C(approver), C(key), C(expires) and C(kind). What else there is, is not recorded.
    type: list
    elements: dict
    required: true
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
    support: full
    details:
      - The first acceptance of a release that was recorded stays.
requirements:
  - rfc8785
seealso:
  - module: runbook.release.release_approval
  - module: runbook.release.release_info
notes:
  - "Needs the RBAC verbs C(get), C(list), C(create) and C(patch) for C(configmaps) in O(namespace)."
"""

EXAMPLES = r"""
- name: Look at the releases of a system
  runbook.release.release_info:
    namespace: shop
    system: shop
    environment: prod
  register: known

- name: Prove that all three have signed what happened
  runbook.release.release_approval:
    state: verified
    digest: "sha256:{{ known.releases[-1].head.sha256 }}"
    required: {lead: 1, customer: 1, operations: 1}
    starter: alice@example.com
    system: shop
    environment: prod
    path: /srv/releases/shop/approvals
    signers: /srv/releases/signers
  register: proven

- name: Record it
  runbook.release.release_acceptance:
    namespace: shop
    system: shop
    environment: prod
    release: "{{ known.releases[-1].release }}"
    approvals: "{{ proven.approvals }}"
"""

RETURN = r"""
release:
  description: The id of the release.
  type: str
  returned: success
  sample: shop-prod-1-4-0-20261124t190000z
verdict:
  description: How it had ended.
  type: str
  returned: success
  sample: released
accepted:
  description: Who accepted it.
  type: list
  elements: dict
  returned: success
  sample:
    - role: lead
      approver: bob@example.com
      key: SHA256:0P1o7wDOZnYH2B6Uw7a3Qh0MTTt2Yd0p0mPpM7gqQwE
      expires: "2026-11-25T19:00:00Z"
      kind: ssh
sentence:
  description: The same for people.
  type: str
  returned: success
  sample: Release shop-prod-1-4-0-20261124t190000z, which ended released, was accepted by bob@example.com (lead).
findings:
  description: Everything that is wrong with the index.
  type: list
  elements: dict
  returned: when refused because of it
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import holder_of, lease_name
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.acceptance import Acceptance, accept


def acceptance_argument_spec() -> ArgumentSpec:
    texts = {name: {"type": "str", "required": True} for name in ("namespace", "system", "environment", "release")}
    approvals = {"type": "list", "elements": "dict", "required": True}
    return ArgumentSpec({**texts, "approvals": approvals, "holder": {"type": "str"}})


def main() -> None:
    spec = acceptance_argument_spec().merge(kube_argument_spec())
    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    with failing_cleanly(module):
        params = module.params
        lease = lease_name(params["system"], params["environment"])
        asked = Acceptance(
            params["namespace"],
            lease,
            params["release"],
            params["approvals"],
            params["holder"] or holder_of(os.environ),
        )
        module.exit_json(**accept(kube_client(module), asked))


if __name__ == "__main__":
    main()
