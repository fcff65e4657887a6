#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: Tell which releases there were, and where the unfinished one stands
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Reads the index of all releases of a system in one environment, verifies it, and tells which release is unfinished,
    which versions are on hold, who holds the lock, and how long a release usually takes.
options:
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
  release:
    description: Id of the release of which RV(begun) is told.
    type: str
    default: ""
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.attributes
  - runbook.release.attributes.info_module
requirements:
  - rfc8785
seealso:
  - module: runbook.release.release_run
notes:
  - "Needs the RBAC verbs C(get) and C(list) for C(configmaps), and C(get) for C(leases.coordination.k8s.io), in
    O(namespace)."
"""

EXAMPLES = r"""
- name: Look at the releases of a system
  runbook.release.release_info:
    namespace: shop
    system: shop
    environment: prod
  register: known

- name: Say where the unfinished one stands
  ansible.builtin.debug:
    msg: "{{ known.unfinished.sentence }}"
  when: known.unfinished
"""

RETURN = r"""
releases:
  description:
    - All releases, the oldest first, numbered without gaps. C(kind) is V(restore) for a restore of the databases and
      V(tasks) for a run of tasks, which have no C(version), and V(release) for all others.
    - C(verdict), C(ended) and C(head) are empty while a release is unfinished.
    - C(head) is the last entry of its sealed ledger, and its digest stands for everything that happened. Number 0 says
      that the release died before it started anything.
    - C(accepted) are the approvals of what it did; empty until C(playbooks/accept.yml) recorded them.
    - C(takes_back) is the release that C(playbooks/rollback.yml) took back with it; empty for all others. C(alone) are
      the components of that which went back while its others stayed; empty where all went.
  type: list
  elements: dict
  returned: success
  sample:
    - number: 1
      release: shop-prod-1-4-0-20261124t190000z
      version: 1.4.0
      kind: release
      plan: 5f1d0c2a
      takes_back: ""
      alone: []
      who: alice@build-7
      began: "2026-11-24T19:00:00.123456Z"
      ended: "2026-11-24T19:06:52.654321Z"
      verdict: released
      seconds: 412.5
      head: {number: 27, sha256: 8d2a1f34c1a3b9c6f4f0a6ae2d6be1c0c8b9d3a0d5f44c0b93f53a5d2b7c9e11}
      accepted:
        - role: lead
          approver: bob@example.com
          key: SHA256:0P1o7wDOZnYH2B6Uw7a3Qh0MTTt2Yd0p0mPpM7gqQwE
          expires: "2026-11-25T19:00:00Z"
          kind: ssh
begun:
  description: What the ledger of O(release) recorded when it began; empty without O(release) or such a ledger.
  type: dict
  returned: success
  sample:
    version: 1.4.0
    plan: sha256:8d2a1f
    components: [api, web]
    migrations: [{name: 0043-drop-price, class: contract}]
    starter: alice@example.com
    approvals:
      - role: lead
        approver: bob@example.com
        key: SHA256:0P1o7wDOZnYH2B6Uw7a3Qh0MTTt2Yd0p0mPpM7gqQwE
        expires: "2026-11-25T19:00:00Z"
        kind: ssh
unfinished:
  description:
    - The release that has not ended, as its ledger tells it; empty if there is none.
    - C(weights) is what the new version of each component got, or was about to get.
    - C(backups) names the backup of each database to return to, C(migrated) says whether any migration ever began.
    - C(rolled) are the release units that ever began to roll. Only those may be taken back, and of them only the
      components C(alone) if there are any.
  type: dict
  returned: success
  sample:
    release: shop-prod-1-4-1-20261125t190000z
    version: 1.4.1
    kind: release
    who: bob@laptop
    began: "2026-11-25T19:00:00.123456Z"
    at: switch web to 25
    done: [stage api, stage web, switch api to 25]
    way: forward
    weights: {api: 25, web: 25}
    backups: {shop: shop-prod-1-4-1-20261125t190000z-shop}
    migrated: true
    rolled: []
    alone: []
    sentence: >-
      Release shop-prod-1-4-1-20261125t190000z of 1.4.1 stands in the middle of 'switch web to 25' (api 25 %, web 25 %);
      bob@laptop recorded last, at 2026-11-25T19:03:12.654321Z.
tasks:
  description:
    - The run of tasks that has not ended, in the shape of RV(unfinished); empty if there is none.
    - If nobody holds the lock it was interrupted. Nobody goes on with it, and whatever begins next ends it as
      V(given up).
  type: dict
  returned: success
  sample: {}
untold:
  description:
    - The release that ended, or never began, and died before it told the index; empty if there is none.
    - M(runbook.release.release_run) with O(runbook.release.release_run#module:state=begun) tells it, whatever it then
      does.
  type: str
  returned: success
  sample: shop-prod-1-4-1-20261125t190000z
ways_back:
  description:
    - The backups to return to from what is live, and from what came after it. They must not be pruned.
    - They are those of the newest release whose verdict is C(released), of every later one, and those that an
      unfinished restore goes on with.
  type: list
  elements: str
  returned: success
  sample: [shop-prod-1-4-0-20261124t190000z-shop, shop-prod-1-4-1-20261125t190000z-shop]
holds:
  description: The versions that must not be released again without a reason, and the release that failed.
  type: list
  elements: dict
  returned: success
  sample:
    - version: 1.3.9
      verdict: rolled back
      release: shop-prod-1-3-9-20261117t190000z
      since: "2026-11-17T19:08:00.000001Z"
owner:
  description: Who holds the lock, with the seconds that remain of its time; empty if nobody does.
  type: dict
  returned: success
  sample:
    holder: bob@laptop
    token: 1795271164
    ttl: 60
    since: "2026-11-25T19:00:00Z"
    renewed: "2026-11-25T19:03:12Z"
    remaining: 55
typical_seconds:
  description: What nine of the ten newest good releases took at most; V(0) if there was none.
  type: float
  returned: success
  sample: 412.5
findings:
  description: Everything that is wrong with the index or the ledger of the unfinished release.
  type: list
  elements: dict
  returned: when something is
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import lease_name
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.tell import tell


def info_argument_spec() -> ArgumentSpec:
    required = {name: {"type": "str", "required": True} for name in ("namespace", "system", "environment")}
    return ArgumentSpec({**required, "release": {"type": "str", "default": ""}})


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **info_argument_spec().merge(kube_argument_spec()).to_kwargs())
    with failing_cleanly(module):
        params = module.params
        lease = lease_name(params["system"], params["environment"])
        module.exit_json(changed=False, **tell(kube_client(module), params["namespace"], lease, params["release"]))


if __name__ == "__main__":
    main()
