#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_change
short_description: Restart, scale, configure, autoscale, isolate, pin or return one workload
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Changes one workload of a running system by one guarded patch, and watches it until it is ready. It fails as soon as
    that cannot happen any more, with the evidence.
  - Refuses, before anything is changed, what an autoscaler would undo, what does not fit a ResourceQuota or the nodes,
    and a restart that takes away more pods than a PodDisruptionBudget allows.
  - With O(temporary) the same patch keeps what was in an annotation of the object. A Job in the cluster, which is there
    before the change is made, puts it back when the time is over. So does the next run that finds it overdue, and
    O(state=reverted).
  - What somebody else changed meanwhile is never put back, and a warning names it.
options:
  state:
    description:
      - V(restarted) replaces all pods, by the annotation that C(kubectl rollout restart) writes.
      - V(scaled) sets the replicas.
      - V(configured) sets environment variables and resources of one container.
      - V(autoscaled) creates a HorizontalPodAutoscaler, or corrects the one that is there.
      - V(isolated) parts its pods from everything but the peers of O(allow), by a NetworkPolicy that is there for a
        time only. It goes with the workload, too.
      - V(pinned) has one container run another version of its image, for when the usual way back cannot be used.
      - V(undone) gives the workload the pods of an earlier revision again, as a whole.
      - V(reverted) puts back what is temporary. Without O(name) and O(everything) that is what is overdue in the
        namespace, it is not waited for, and kinds that may not be listed are left out.
    type: str
    choices: [restarted, scaled, configured, autoscaled, isolated, pinned, undone, reverted]
    required: true
  namespace:
    description: Namespace of the workload.
    type: str
    required: true
  kind:
    description: Kind of the workload. Of a component it need not be given.
    type: str
    choices: [Deployment, StatefulSet, DaemonSet]
    default: Deployment
  name:
    description:
      - Name of the workload, or of one of the O(components). Required unless O(state=reverted).
    type: str
  components:
    description:
      - The components of the system, as M(runbook.release.helm_bluegreen_info) takes them, so that the variable
        RV(ignore:release_components) can be given as it is.
      - With colours, the name of a component is the workload behind its live colour, and the name of a workload without
        its colour is that of the live one. A component that rolls is its only workload.
    type: list
    elements: dict
  after_change_of:
    description:
      - With O(state=restarted), restart only if a pod was started before one of these was last changed. That is told by
        their metadata, their contents are never read.
    type: list
    elements: dict
    suboptions:
      kind:
        description: Kind of the object.
        type: str
        choices: [Secret, ConfigMap]
        default: Secret
      name:
        description: Name of the object.
        type: str
        required: true
  since:
    description:
      - With O(state=restarted), restart only if a pod was started before this moment, such as V(2026-11-21T16:00:00Z).
    type: str
  temporary:
    description:
      - Put it back after a time. Not with O(state=restarted), O(state=pinned) and O(state=undone). Required with
        O(state=isolated).
    type: dict
    suboptions:
      for:
        description: How long, as V(90) seconds, V(30m), V(2h) or V(1d).
        type: str
        required: true
      reason:
        description: What for. It is kept with what was.
        type: str
        default: ''
  image:
    description:
      - Image with C(python3), 3.9 or newer, in its C(PATH), for the Job that puts back what is O(temporary). Without it
        there is no Job, which is a warning.
    type: str
  image_pull_policy:
    description: When the image is pulled.
    type: str
    choices: [Always, IfNotPresent, Never]
    default: IfNotPresent
  user:
    description:
      - User id the Job runs as. V(0) leaves it to the cluster, as OpenShift wants it, or to an image that names a user
        by its id.
    type: int
    default: 65534
  everything:
    description: With O(state=reverted) and without O(name), put back all that is temporary, also what is not overdue.
    type: bool
    default: false
  keep_budgets:
    description:
      - Refuse a change whose rollout would take away more pods than a PodDisruptionBudget allows. Without it that is
        only a warning.
    type: bool
    default: true
  timeout:
    description: Seconds until everything has to be ready.
    type: int
    default: 300
  stable:
    description: Seconds all pods have to be ready without a restart.
    type: int
    default: 5
extends_documentation_fragment:
  - runbook.release.change
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - The API server checks the patch. The Job is not sent as a dry run.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - With O(state=restarted) only if O(after_change_of) or O(since) says what for. With O(temporary) a second run
        lengthens the time. With O(state=undone) the number is gone once it was done, and a second run is refused.
notes:
  - Whether a NetworkPolicy keeps anybody out is up to the network of the cluster, and so is what becomes of connections
    that stand. Policies add up, so what another one lets through stays let through; a warning names it. Ask from
    outside whether it helped.
  - A change for good does not outlive the next release, unless its source says the same. Only the replicas of a live
    colour are copied by M(runbook.release.helm_bluegreen), which refuses to copy those of a temporary change.
  - Needs the RBAC verbs C(list), C(watch) and C(patch) for C(deployments.apps), C(statefulsets.apps) and
    C(daemonsets.apps), C(list) and C(watch) for C(replicasets.apps), C(controllerrevisions.apps), C(pods) and
    C(events), C(list), C(create), C(patch) and C(delete) for C(horizontalpodautoscalers.autoscaling), C(list) for
    C(poddisruptionbudgets.policy), C(resourcequotas), C(limitranges) and, where they may be read, C(nodes), and with
    O(after_change_of) C(list) for C(secrets) or C(configmaps), with O(state=isolated) C(list), C(create) and
    C(delete) for C(networkpolicies.networking.k8s.io). With O(image) what
    M(runbook.release.release_deadman) needs for its Job.
seealso:
  - module: runbook.release.workload_pause
  - module: runbook.release.rollout
"""

EXAMPLES = r"""
- name: Restart what still runs with the old password
  runbook.release.workload_change:
    state: restarted
    namespace: shop
    name: shop-api
    components: "{{ release_components }}"
    after_change_of:
      - {name: shop-database}

- name: More of the API, for two hours
  runbook.release.workload_change:
    state: scaled
    namespace: shop
    name: shop-api
    components: "{{ release_components }}"
    replicas: 10
    temporary: {for: 2h, reason: a campaign}
    image: registry.example/python:3.13-slim

- name: Debug logs for half an hour
  runbook.release.workload_change:
    state: configured
    namespace: shop
    name: shop-worker
    env: {LOG_LEVEL: DEBUG}
    append: {BLOCKED: [203.0.113.7]}
    temporary: {for: 30m, reason: incident 17}
    image: registry.example/python:3.13-slim

- name: More memory, for good
  runbook.release.workload_change:
    state: configured
    namespace: shop
    name: shop-worker
    resources:
      requests: {memory: 1Gi}
      limits: {memory: 2Gi}

- name: Let it follow the load
  runbook.release.workload_change:
    state: autoscaled
    namespace: shop
    name: shop-worker
    autoscaler: {min: 3, max: 20, cpu: 70}

- name: Let nobody but the bastion near it, for four hours
  runbook.release.workload_change:
    state: isolated
    namespace: shop
    name: shop-api
    components: "{{ release_components }}"
    allow:
      from: [{podSelector: {matchLabels: {app: bastion}}}]
    temporary: {for: 4h, reason: incident 18}
    image: registry.example/python:3.13-slim

- name: Run the version before, when a release cannot go back by itself
  runbook.release.workload_change:
    state: pinned
    namespace: shop
    name: shop-api
    components: "{{ release_components }}"
    version: v1.4.0

- name: Return to a revision by its number
  runbook.release.workload_change:
    state: undone
    namespace: shop
    name: shop-worker
    revision: 3

- name: Put back what is overdue
  runbook.release.workload_change:
    state: reverted
    namespace: shop
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be done.
  type: list
  elements: str
  returned: success
  sample: [scale Deployment shop-api-blue from 3 to 10]
workload:
  description: The workload the name stands for.
  type: dict
  returned: success, unless O(state=reverted)
  sample: {kind: Deployment, name: shop-api-blue, colour: blue, component: shop-api}
before:
  description: What is changed, as it was, field by field.
  type: dict
  returned: success
  sample: {Deployment shop-api-blue replicas: 3}
after:
  description: The same as it is now, or in check mode would be.
  type: dict
  returned: success
  sample: {Deployment shop-api-blue replicas: 10}
room:
  description: What the change needs beyond what there is now, and what was looked at to see whether it fits.
  type: str
  returned: when the workload grows
  sample: "there is room for 7 more pods: ResourceQuota team and 3 nodes"
until:
  description: When it is put back.
  type: str
  returned: with O(temporary)
  sample: "2026-11-21T18:00:00Z"
temporary:
  description: What is temporary in the namespace after this.
  type: list
  elements: dict
  returned: success
  sample:
    - {kind: Deployment, name: shop-api-blue, what: scaled, until: "2026-11-21T18:00:00Z", reason: a campaign,
       by: alice@a, since: "2026-11-21T16:00:00Z", overdue: false}
left:
  description: What was not put back, and why.
  type: list
  elements: str
  returned: success with O(state=reverted)
  sample: ["Deployment shop-api-blue: replicas are 7 and were set to 10, so somebody else changed them"]
went:
  description:
    - What went back by itself since a run last recorded it. A run of a release or of tasks writes it into its ledger.
  type: list
  elements: str
  returned: success with O(state=reverted)
  sample: ["Deployment shop-api-blue: replicas are 3 again since 2026-11-21T18:00:02Z"]
seconds:
  description: How long it took.
  type: float
  returned: success
evidence:
  description: Conditions, events and logs of what did not become ready.
  type: dict
  returned: when it does not become ready
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.change.back import revert
from ansible_collections.runbook.release.plugins.module_utils.change.operate import change
from ansible_collections.runbook.release.plugins.module_utils.change.want import REVERTED, Want
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
    unsaid,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run

CHANGED_OBJECT: dict[str, Any] = {
    "kind": {"type": "str", "choices": ["Secret", "ConfigMap"], "default": "Secret"},
    "name": {"type": "str", "required": True},
}
BOUNDS: dict[str, Any] = {
    "min": {"type": "int", "required": True},
    "max": {"type": "int", "required": True},
    "cpu": {"type": "int"},
}
PEERS: dict[str, Any] = {"type": "list", "elements": "dict"}
ALLOW: dict[str, Any] = {"from": PEERS, "to": PEERS}
TEMPORARY: dict[str, Any] = {
    "for": {"type": "str", "required": True},
    "reason": {"type": "str", "default": ""},
}
CONFIGURES = ("env", "unset", "append", "resources")


def argument_spec() -> ArgumentSpec:
    states = ["restarted", "scaled", "configured", "autoscaled", "isolated", "pinned", "undone", "reverted"]
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": states, "required": True},
            "namespace": {"type": "str", "required": True},
            "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
            "name": {"type": "str"},
            "components": {"type": "list", "elements": "dict"},
            "after_change_of": {"type": "list", "elements": "dict", "options": CHANGED_OBJECT},
            "since": {"type": "str"},
            "replicas": {"type": "int"},
            "contain": {"type": "bool", "default": False},
            "container": {"type": "str"},
            "version": {"type": "str"},
            "revision": {"type": "int"},
            "env": {"type": "dict", "no_log": True},
            "unset": {"type": "list", "elements": "str"},
            "append": {"type": "dict", "no_log": True},
            "resources": {"type": "dict", "options": {"requests": {"type": "dict"}, "limits": {"type": "dict"}}},
            "autoscaler": {"type": "dict", "options": BOUNDS},
            "allow": {"type": "dict", "options": ALLOW},
            "temporary": {"type": "dict", "options": TEMPORARY},
            "image": {"type": "str"},
            "image_pull_policy": {
                "type": "str",
                "choices": ["Always", "IfNotPresent", "Never"],
                "default": "IfNotPresent",
            },
            "user": {"type": "int", "default": 65534},
            "everything": {"type": "bool", "default": False},
            "keep_budgets": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 300},
            "stable": {"type": "int", "default": 5},
        },
        required_if=[
            *(("state", state, ["name"]) for state in states[:-1]),
            ("state", "scaled", ["replicas"]),
            ("state", "configured", CONFIGURES, True),
            ("state", "autoscaled", ["autoscaler"]),
            ("state", "isolated", ["temporary"]),
            ("state", "pinned", ["version"]),
            ("state", "undone", ["revision"]),
        ],
        mutually_exclusive=[("after_change_of", "since")],
    )
    return own.merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    given = unsaid(module, "env", "append")
    with failing_cleanly(module):
        client, want = kube_client(module), Want.of(given)
        with journal(client, Run.of(module.params["run"]), module.warn) as book:
            outcome = revert(client, want, book) if want.state == REVERTED else change(client, want, book)
        for warning in outcome.warnings:
            module.warn(warning)
        module.exit_json(**outcome.report(), **({"diff": outcome.diff()} if module._diff else {}))


if __name__ == "__main__":
    main()
