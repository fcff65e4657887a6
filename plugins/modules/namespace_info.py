#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: namespace_info
short_description: Say how everything in a namespace is doing
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Reads pods, workloads, Services with the pods behind them, autoscalers, Jobs, events and the use of CPU and memory,
    all at the same time. It is what one looks at first when something goes wrong.
  - What cannot be read is named and hides nothing else. Secrets, ConfigMaps and environment variables are not read.
options:
  namespace:
    description: The namespace.
    type: str
    required: true
  events:
    description: How many of the newest events are returned.
    type: int
    default: 50
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.attributes
  - runbook.release.attributes.info_module
notes:
  - Needs the RBAC verb C(list) for C(pods), C(events), C(services), C(deployments.apps), C(statefulsets.apps),
    C(daemonsets.apps), C(jobs.batch), C(cronjobs.batch), C(endpointslices.discovery.k8s.io),
    C(ingresses.networking.k8s.io), C(horizontalpodautoscalers.autoscaling), C(pods.metrics.k8s.io) and
    C(nodes.metrics.k8s.io), for as many of these as are to be seen.
seealso:
  - module: runbook.release.evidence
"""

EXAMPLES = r"""
- name: Look at everything
  runbook.release.namespace_info:
    namespace: shop
  register: seen

- name: Say what is not as it should be
  ansible.builtin.debug:
    msg: "{{ seen.summary }}"
"""

RETURN = r"""
summary:
  description: What is not as it should be, after how many pods are ready.
  type: list
  elements: str
  returned: success
  sample:
    - 2 of 3 pods are ready
    - "container shop of pod shop-green-7c9b-9kq2m: CrashLoopBackOff (exit code 1, 2 restarts)"
    - Service shop-green has no pods behind it
pods:
  description: C(name), C(phase), C(ready), C(restarts), C(node), C(started) and C(problem) of each pod.
  type: list
  elements: dict
  returned: success
workloads:
  description: C(kind), C(name), C(desired), C(ready), C(missing), C(images) and C(resources) of each workload.
  type: list
  elements: dict
  returned: success
services:
  description: C(name), C(type), whether it C(selects) pods, and its ready C(endpoints), of each Service.
  type: list
  elements: dict
  returned: success
autoscalers:
  description: C(name), C(min), C(max), C(desired) and C(at_maximum) of each HorizontalPodAutoscaler.
  type: list
  elements: dict
  returned: success
others:
  description: Kind and name of every Ingress, Job, CronJob and HorizontalPodAutoscaler.
  type: list
  elements: str
  returned: success
events:
  description: The newest events, the oldest of them first.
  type: list
  elements: str
  returned: success
node_use:
  description: C(name), C(cpu) and C(memory) of each node, as far as they are measured.
  type: list
  elements: dict
  returned: success
pod_use:
  description: C(pod), C(container), C(cpu) and C(memory) of each container, as far as they are measured.
  type: list
  elements: dict
  returned: success
unreadable:
  description: What could not be read, and why.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.kube.overview import overview, summary
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)


def main() -> None:
    own = ArgumentSpec({"namespace": {"type": "str", "required": True}, "events": {"type": "int", "default": 50}})
    module = AnsibleModule(supports_check_mode=True, **own.merge(kube_argument_spec()).to_kwargs())
    with failing_cleanly(module):
        seen = overview(kube_client(module), module.params["namespace"], module.params["events"])
        module.exit_json(changed=False, summary=summary(seen), **seen)


if __name__ == "__main__":
    main()
