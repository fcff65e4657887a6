#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_lock
short_description: Let one release at a time change an environment
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Holds, renews and releases a lock that is a C(coordination.k8s.io) Lease, one for each system and environment.
  - Every acquisition gets a fencing token above all earlier ones, also after a release and when somebody deleted the
    Lease. Whoever has a stale token is refused, so a run that lost the lock without noticing stops at its next step.
  - A second starter is refused with the name of the holder, since when it holds the lock and for how long.
  - A lock that was not renewed for O(ttl) seconds belongs to a dead run, and the next O(state=held) takes it over.
    O(takeover) takes it from a living one. Either way the Lease keeps a record of who did it and why.
  - Of any number of runs that try at the same time one succeeds. Every write is guarded by the C(resourceVersion) it
    was decided on.
  - Clocks of operators do not matter, because none is read. Time is what the API server says in the very answer that
    carries the Lease, for those who write it as for those who judge it.
options:
  state:
    description:
      - V(held) acquires the lock. With the O(token) of the lock nothing is done while it has not expired.
      - V(renewed) proves that O(token) is still the newest one and starts its O(ttl) anew. An expired lock that nobody
        took over can still be renewed.
      - V(released) lets others acquire the lock at once. The Lease stays and remembers the token.
    type: str
    choices: [held, renewed, released]
    default: held
  namespace:
    description: Namespace of the Lease.
    type: str
    required: true
  system:
    description: The system to lock. The Lease is named C(<system>-<environment>), in lower case and with hyphens.
    type: str
  environment:
    description: The environment to lock.
    type: str
  name:
    description: Name of the Lease, instead of O(system) and O(environment).
    type: str
  ttl:
    description:
      - Seconds after the last renewal during which nobody takes the lock without O(takeover).
      - It counts from the look at the Lease that comes before the write, so a slow API server never makes it longer.
      - Choose it longer than the longest time between two renewals.
    type: int
    default: 60
  holder:
    description:
      - Who holds the lock, as others read it.
      - Without it, the AWX job if E(AWX_HOST) and E(JOB_ID) are set, else C(user@host).
      - It is a name, not a proof. What proves that a run holds the lock is its O(token).
    type: str
  token:
    description: RV(token) of the acquisition. Required with O(state=renewed) and O(state=released).
    type: int
  takeover:
    description: Take the lock also from a living holder. Needs O(reason).
    type: bool
    default: false
  reason:
    description: Why the lock is taken over, for the record.
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
      - Holding and releasing with a token are. Holding without a token is not, since it has to be refused while
        anyone holds the lock, and renewing renews.
notes:
  - "Needs the RBAC verbs C(get), C(create) and C(patch) for C(leases.coordination.k8s.io) in O(namespace)."
  - If several API servers serve the cluster, the difference of their clocks shortens or lengthens O(ttl). Tokens are
    unique and rise whatever any clock says.
"""

EXAMPLES = r"""
- name: Let nobody else release this system
  runbook.release.release_lock:
    namespace: shop
    system: shop
    environment: prod
  register: lock

- name: Still the only one? Then go on for another minute
  runbook.release.release_lock:
    namespace: shop
    system: shop
    environment: prod
    state: renewed
    token: "{{ lock.token }}"

- name: Let others release it
  runbook.release.release_lock:
    namespace: shop
    system: shop
    environment: prod
    state: released
    token: "{{ lock.token }}"

- name: Take the lock from a run that hangs
  runbook.release.release_lock:
    namespace: shop
    system: shop
    environment: prod
    takeover: true
    reason: CHG-1234, the machine of that run is gone
  register: lock
"""

RETURN = r"""
token:
  description: The fencing token of the newest acquisition; V(0) if there never was one.
  type: int
  returned: success
  sample: 1795271165
holder:
  description: Who holds the lock, empty after a release.
  type: str
  returned: success
  sample: alice@build-7
since:
  description: When it was acquired, by the API server's clock.
  type: str
  returned: success
  sample: "2026-11-24T19:00:00Z"
renewed:
  description: When it was renewed last, by the API server's clock.
  type: str
  returned: success
  sample: "2026-11-24T19:04:10Z"
ttl:
  description: Seconds it stays valid after that.
  type: int
  returned: success
  sample: 60
lease:
  description: Namespace and name of the Lease.
  type: str
  returned: success
  sample: shop/shop-prod
taken_over:
  description: From whom this task took the lock and why; empty if from nobody.
  type: dict
  returned: success
  sample:
    from: bob@laptop
    token: 1795271164
    by: alice@build-7
    why: not renewed for more than 60 s
    at: "2026-11-24T19:00:00Z"
owner:
  description: Who holds the lock instead, with the seconds that remain of its time.
  type: dict
  returned: when refused
  sample:
    holder: bob@laptop
    token: 1795271164
    ttl: 60
    since: "2026-11-24T18:58:30Z"
    renewed: "2026-11-24T18:59:55Z"
    remaining: 55
"""

import os
import uuid

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.lock.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import holder_of, lease_name
from ansible_collections.runbook.release.plugins.module_utils.lock.keep import keep
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)


def lock_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["held", "renewed", "released"], "default": "held"},
            "namespace": {"type": "str", "required": True},
            "system": {"type": "str"},
            "environment": {"type": "str"},
            "name": {"type": "str"},
            "ttl": {"type": "int", "default": 60},
            "holder": {"type": "str"},
            "token": {"type": "int", "no_log": False},
            "takeover": {"type": "bool", "default": False},
            "reason": {"type": "str"},
        },
        required_one_of=[("name", "system")],
        required_together=[("system", "environment")],
        required_if=[
            ("state", "renewed", ["token"]),
            ("state", "released", ["token"]),
            ("takeover", True, ["reason"]),
        ],
        mutually_exclusive=[("name", "system"), ("token", "takeover")],
    )


def wanted(module: AnsibleModule) -> Want:
    params = module.params
    if params["ttl"] < 1:
        module.fail_json(msg=f"ttl is {params['ttl']}: a lock has to be valid for at least 1 second.")
    return Want(
        lease=f"{params['namespace']}/{params['name'] or lease_name(params['system'], params['environment'])}",
        state=params["state"],
        holder=params["holder"] or holder_of(os.environ),
        claim=str(uuid.uuid4()),
        ttl=params["ttl"],
        token=params["token"],
        takeover=params["takeover"],
        reason=params["reason"] or "",
    )


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **lock_argument_spec().merge(kube_argument_spec()).to_kwargs())
    with failing_cleanly(module):
        outcome = keep(kube_client(module), wanted(module))
        result = outcome.report()
        if module._diff:
            result["diff"] = outcome.diff()
        module.exit_json(**result)


if __name__ == "__main__":
    main()
