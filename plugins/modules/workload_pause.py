#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_pause
short_description: Stop what writes to a database, and bring it back exactly as it was
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Scales workloads to zero, suspends CronJobs, and watches until every pod is gone, also those that are still ending.
  - What a workload had is kept in an annotation of its own, which the patch that scales it writes. So a run that is
    killed at any moment leaves nothing at zero that does not say how it comes back, and a second run goes on.
  - A HorizontalPodAutoscaler rests while its target has no replicas. It is recorded, and not changed.
options:
  state:
    description:
      - V(paused) brings the selected workloads to zero.
      - V(resumed) brings back what is paused for O(name). What had no replicas before keeps none, and what somebody
        else has scaled up meanwhile is left as it is, with a warning.
    type: str
    choices: [paused, resumed]
    required: true
  name:
    description: What they are paused for. Only a run with the same name resumes them, and nobody else pauses them.
    type: str
    required: true
  namespace:
    description: Namespace of the workloads.
    type: str
    required: true
  workloads:
    description: Workloads by name. One that does not exist is refused.
    type: list
    elements: dict
    suboptions:
      kind:
        description: Kind of the workload.
        type: str
        choices: [Deployment, StatefulSet, CronJob]
        default: Deployment
      name:
        description: Name of the workload.
        type: str
        required: true
  labels:
    description: Workloads that have all these labels. With O(state=paused) it is refused if there is none.
    type: dict
  everything:
    description:
      - Every Deployment and every CronJob of the namespace.
      - A StatefulSet, which may be the database itself, has to be named.
    type: bool
    default: false
  ready:
    description: With O(state=resumed), also wait until what comes back is ready.
    type: bool
    default: true
  timeout:
    description: Seconds until the pods have to be gone, or ready.
    type: int
    default: 300
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
  - Needs the RBAC verbs C(list), C(watch) and C(patch) for C(deployments.apps), C(statefulsets.apps) and
    C(cronjobs.batch), C(list) and C(watch) for C(replicasets.apps), C(jobs.batch) and C(pods), and C(list) for
    C(horizontalpodautoscalers.autoscaling), in O(namespace).
  - A Job of a suspended CronJob that runs already is waited for, and not ended.
"""

EXAMPLES = r"""
- name: Nobody writes while the database is restored
  runbook.release.workload_pause:
    state: paused
    name: restore of shop
    namespace: shop
    workloads:
      - name: shop-blue
      - {kind: CronJob, name: shop-cleanup}

- name: Everybody is back as they were
  runbook.release.workload_pause:
    state: resumed
    name: restore of shop
    namespace: shop
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be done.
  type: list
  elements: str
  returned: success
  sample: [scale Deployment shop-blue from 3 to 0, suspend CronJob shop-cleanup]
workloads:
  description: The workloads with their sizes. The size of a CronJob is V(0) when it is suspended, else V(1).
  type: list
  elements: dict
  returned: success
  sample: [{kind: Deployment, name: shop-blue, before: 3, after: 0}]
seconds:
  description: How long it took.
  type: float
  returned: success
left:
  description: What is still there, or is not ready.
  type: list
  elements: str
  returned: when it took too long
  sample: [pod shop-blue-7d9c5b-x2v8q]
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
from ansible_collections.runbook.release.plugins.module_utils.workloads.observe import Selection
from ansible_collections.runbook.release.plugins.module_utils.workloads.operate import Request, operate

WORKLOAD = {
    "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "CronJob"], "default": "Deployment"},
    "name": {"type": "str", "required": True},
}


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["paused", "resumed"], "required": True},
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "workloads": {"type": "list", "elements": "dict", "options": WORKLOAD},
            "labels": {"type": "dict"},
            "everything": {"type": "bool", "default": False},
            "ready": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 300},
        },
    )
    return own.merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    params = module.params
    selection = Selection.of(params)
    if params["state"] == "paused" and not selection:
        module.fail_json(msg="Nothing is selected. Do: set workloads, labels or everything.")
    with failing_cleanly(module):
        client = kube_client(module)
        request = Request(
            params["namespace"], params["name"], params["state"], selection, params["timeout"], params["ready"]
        )
        with journal(client, Run.of(params["run"]), module.warn) as book:
            outcome = operate(client, request, book)
        for warning in outcome.plan.warnings:
            module.warn(warning)
        diff = {"diff": outcome.diff()} if module._diff else {}
        module.exit_json(**outcome.report(), **diff)


if __name__ == "__main__":
    main()
