#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_deadman
short_description: Let the cluster give the traffic back when a release dies
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Starts a Job in the cluster that watches the lock of a release. When the lock is held but was not renewed for its
    time to live, whoever released is dead. The Job then takes the lock over, so that the dead run can change nothing
    any more should it wake up, gives all traffic back to the colour that had it before the shift, and releases the
    lock.
  - It ends by itself, without doing anything, when the lock is released or somebody else acquires it.
  - It gives back only what the shift took. An entry that was changed under a newer token, or whose traffic or rules
    somebody else changed, is left alone, and the log of the Job says so.
  - The Job may read and patch the Lease and the entries it is about, each by its name, and nothing else. It runs under
    the restricted Pod Security Standard, and needs no network but the API server.
options:
  state:
    description:
      - V(present) starts the Job and waits until it has proven, in a dry run, that it can do what it may have to do. A
        Job for another O(run) or other entries is replaced.
      - V(absent) removes the Job and everything that belongs to it. The ledgers and the lock are not touched.
    type: str
    choices: [present, absent]
    default: present
  namespace:
    description: Namespace of the components, and of the lock without O(run).
    type: str
    required: true
  components:
    description:
      - The components to watch over, each with C(name), C(entry) and, if they are not the usual ones, C(services) and
        C(port), as M(runbook.release.helm_bluegreen_info) takes them. What else a component has is not looked at, so
        that the variable RV(ignore:release_components) can be given as it is.
      - A component is passed over while only one of its colour Services exists, because nothing can be shifted then.
      - Required with O(state=present).
    type: list
    elements: dict
  version:
    description:
      - The version being released. With it, a release that is resumed after all its traffic was shifted still gives it
        back to the colour before. Without it, traffic belongs to the colour that is live when the Job is made.
    type: str
  image:
    description: Image with C(python3), 3.9 or newer, in its C(PATH). Required with O(state=present).
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
  timeout:
    description: Seconds to wait until the Job watches.
    type: int
    default: 60
  system:
    description: The system whose lock it watches. Together with O(environment) it is needed without O(run).
    type: str
  environment:
    description: The environment whose lock it watches.
    type: str
extends_documentation_fragment:
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - The Job itself is not sent as a dry run when it replaces another one.
  diff_mode:
    support: none
  idempotent:
    support: full
notes:
  - The lock has to be renewed at least once in its time to live for as long as the Job is there, also between the tasks
    of a playbook. Choose the C(ttl) of the lock longer than the longest time between two tasks with O(run).
  - Remove the Job before the previous colour is scaled down. It looks at weights, not at pods, and would give the
    traffic to a colour that is too small for it.
  - Needs the RBAC verbs C(get), C(list), C(watch), C(create), C(patch) and C(delete) for C(jobs), C(get), C(create),
    C(patch) and C(delete) for C(configmaps), C(serviceaccounts), C(roles) and C(rolebindings), C(list) and C(watch) for
    C(pods), and whatever the Job is given.
seealso:
  - module: runbook.release.release_run
  - module: runbook.release.traffic_switch
"""

EXAMPLES = r"""
- name: Whatever happens to this machine, the traffic goes back
  runbook.release.release_deadman:
    namespace: shop
    components: "{{ release_components }}"
    version: 1.4.0
    image: registry.example/python:3.13-slim
    run: "{{ release_context.run }}"

- name: The release is over
  runbook.release.release_deadman:
    state: absent
    namespace: shop
    run: "{{ release_context.run }}"

- name: Remove what a release left that nobody resumed
  runbook.release.release_deadman:
    state: absent
    namespace: shop
    system: shop
    environment: prod
"""

RETURN = r"""
name:
  description: Name of the Job and of everything that belongs to it.
  type: str
  returned: success
  sample: dead-man-shop-prod
entries:
  description: The entries it watches over, and where it would give their traffic.
  type: list
  elements: dict
  returned: success with O(state=present)
  contains:
    entry:
      description: Kind, namespace and name of the entry.
      type: str
    colour:
      description: The colour that would get all the traffic.
      type: str
    weights:
      description: The weights it would have then.
      type: dict
  sample:
    - entry: httproute shop/shop
      colour: blue
      weights: {blue: 100, green: 0}
log:
  description: The last lines of the Job's log.
  type: list
  elements: str
  returned: when the Job does not come to watch
"""

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import lease_name
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.components import COMPONENTS_OPTION, targets_of
from ansible_collections.runbook.release.plugins.module_utils.release.deadman import Man, name_of, remove, way_back
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.pod_keep import present
from ansible_collections.runbook.release.plugins.module_utils.release.pod_program import Image
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.traffic.observe import observe_entry

if TYPE_CHECKING:
    from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient

Report = dict[str, Any]


def argument_spec() -> ArgumentSpec:
    policies = ["Always", "IfNotPresent", "Never"]
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "namespace": {"type": "str", "required": True},
            "components": {**COMPONENTS_OPTION, "required": False},
            "version": {"type": "str"},
            "image": {"type": "str"},
            "image_pull_policy": {"type": "str", "choices": policies, "default": "IfNotPresent"},
            "user": {"type": "int", "default": 65534},
            "timeout": {"type": "int", "default": 60},
            "system": {"type": "str"},
            "environment": {"type": "str"},
        },
        required_if=[("state", "present", ["components", "image", "run"])],
        required_one_of=[("run", "system")],
        required_together=[("system", "environment")],
    )
    return own.merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def watch(client: KubeClient, params: Report, run: Run) -> Report:
    with journal(client, run):
        states = [
            observe_entry(client, target.entry, target.services)
            for target in targets_of(params["components"], params["namespace"])
        ]
        returns = [found for state in states if (found := way_back(state, params["version"] or ""))]
        image = Image(params["image"], params["image_pull_policy"], params["user"])
        program = Man(run, returns, image).program
        changed = present(client, program, params["timeout"])
    return {"changed": changed, "name": program.name, "entries": [one.report() for one in returns]}


def leave(client: KubeClient, params: Report, run: Run | None) -> Report:
    lease = run.lease if run else lease_name(params["system"], params["environment"])
    with journal(client, run):
        changed = remove(client, run.namespace if run else params["namespace"], lease)
    return {"changed": changed, "name": name_of(lease)}


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        client, run = kube_client(module), Run.of(module.params["run"])
        if run and module.params["state"] == "present":
            module.exit_json(**watch(client, module.params, run))
        module.exit_json(**leave(client, module.params, run))


if __name__ == "__main__":
    main()
