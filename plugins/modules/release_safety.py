#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_safety
short_description: Tell whether a release may go back
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Judges schema, configuration and capacity of the version a release would go back to, and fails when going back would
    break it.
  - "Schema: a migration of class V(contract) or V(irreversible) that has begun forbids going back. The result then has
    the plan forward."
  - "Configuration: every ConfigMap and Secret that the pods of the previous colour cannot start without has to exist,
    and the previous colour has to be what it was when it was live. Secrets are never read, only their names."
  - "Capacity: a previous colour with too few ready pods is no reason to refuse. RV(warm_first) names it."
  - Nothing is changed.
options:
  namespace:
    description: Namespace of the components.
    type: str
    required: true
  components:
    description:
      - The components to judge, each with C(name), C(entry) and, if they are not the usual ones, C(services) and
        C(port), as M(runbook.release.helm_bluegreen_info) takes them. What else a component has is not looked at, so
        that the variable RV(ignore:release_components) can be given as it is.
      - A component that rolls has C(workloads) instead, as P(runbook.release.plan#role) describes them. It goes back to
        what M(runbook.release.rollout) remembers of them.
    type: list
    elements: dict
    required: true
  migrations:
    description: The database steps of the release.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What people call the step.
        type: str
        required: true
      class:
        description:
          - After V(expand) the previous version still works. After V(contract) it does not, because something it uses
            is gone. After V(irreversible) data is gone, too.
        type: str
        choices: [expand, contract, irreversible]
        required: true
      description:
        description: What it does, in a sentence. Not used here.
        type: str
  reached:
    description:
      - The last stage of the release that has begun. Before V(migrate) no migration stands in the way.
      - Without it every migration counts as begun, which is what to ask at plan time.
    type: str
    choices: [plan, preflight, approve, backup, migrate, deploy, shift, verify, observe, retire]
    default: retire
  version:
    description:
      - The version being released. A component whose newest shift led to another version has not been shifted by this
        release, and what is live is what it would go back to.
      - Without it, the newest shift is taken for this release's.
    type: str
  force:
    description: Why to go back although it is not safe. The module then does not fail; RV(safe) says what it is.
    type: str
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.attributes
  - runbook.release.attributes.info_module
notes:
  - Needs the RBAC verb C(list) for C(configmaps) and C(secrets), besides what M(runbook.release.helm_bluegreen_info)
    reads. The API server is asked for the metadata of Secrets only.
  - Keys within a ConfigMap or Secret are not checked.
seealso:
  - module: runbook.release.traffic_switch
  - module: runbook.release.helm_bluegreen
"""

EXAMPLES = r"""
- name: May this release go back?
  runbook.release.release_safety:
    namespace: shop
    components:
      - {name: shop, entry: {kind: httproute, name: shop}}
      - {name: shop-api, entry: {kind: service, name: shop-api}}
    migrations:
      - {name: 0042-add-currency, class: expand}
    reached: shift
    version: 1.4.0
  register: back

- name: Bring up what is too small
  runbook.release.helm_bluegreen:
    namespace: shop
    name: "{{ item }}"
    state: warm
    entry: {kind: httproute, name: "{{ item }}"}
  loop: "{{ back.warm_first }}"

- name: Go back although a column is gone
  runbook.release.release_safety:
    namespace: shop
    components: "{{ release_components }}"
    migrations:
      - {name: 0043-drop-price, class: contract}
    force: CHG-1234, the previous version was proven with the new schema
"""

RETURN = r"""
safe:
  description: Whether the release may go back.
  type: bool
  returned: always
  sample: false
findings:
  description: What stands in the way.
  type: list
  elements: dict
  returned: always
  contains:
    component:
      description: Name of the component; empty when it is about all of them.
      type: str
    kind:
      description: One of V(schema), V(configuration) and V(capacity). The last one forbids nothing.
      type: str
    sentence:
      description: What it is.
      type: str
    remedy:
      description: What to do about it.
      type: str
  sample:
    - component: ""
      kind: schema
      sentence: "Migration 0043-drop-price is a contract: the version before it does not work with the schema it leaves"
      remedy: "fix forward: release a version that works with migration 0043-drop-price"
    - component: shop
      kind: capacity
      sentence: 1 of 3 pods of blue are ready to take the traffic of shop
      remedy: bring it to its capacity first (helm_bluegreen with state warm)
forward:
  description: What to do instead of going back, in order; empty when the schema does not forbid it.
  type: list
  elements: str
  returned: always
  sample:
    - Leave the traffic with the version that works best with the schema as it is now.
    - "Fix forward: release a version that works with migration 0043-drop-price."
    - Only if that cannot be done, restore the backup from before; what was written since is lost then.
warm_first:
  description: Components whose previous colour has to be brought to its capacity before traffic returns to it.
  type: list
  elements: str
  returned: always
  sample: [shop]
components:
  description:
    - Per component the colour it would go back to, the version that runs there, how many of its pods are ready, and how
      many it needs to take over what the other colour carries now. The colour is empty when nothing was live before.
  type: dict
  returned: always
  sample:
    shop: {colour: blue, version: 1.3.2, ready: 1, needed: 3}
forced:
  description: O(force), if it was needed; else empty.
  type: str
  returned: success
  sample: ""
"""

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import CONFIGMAP, SECRET
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.components import (
    COMPONENTS_OPTION,
    apart,
    observe_all,
    targets_of,
)
from ansible_collections.runbook.release.plugins.module_utils.release.in_place import ways
from ansible_collections.runbook.release.plugins.module_utils.release.safety import CLASSES, STAGES, Migration, judge

if TYPE_CHECKING:
    from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient


def argument_spec() -> ArgumentSpec:
    migration = {
        "name": {"type": "str", "required": True},
        "class": {"type": "str", "required": True, "choices": list(CLASSES)},
        "description": {"type": "str"},
    }
    own = ArgumentSpec(
        {
            "namespace": {"type": "str", "required": True},
            "components": COMPONENTS_OPTION,
            "migrations": {"type": "list", "elements": "dict", "default": [], "options": migration},
            "reached": {"type": "str", "choices": list(STAGES), "default": STAGES[-1]},
            "version": {"type": "str"},
            "force": {"type": "str"},
        }
    )
    return own.merge(kube_argument_spec())


def judged(client: KubeClient, params: dict[str, Any]) -> dict[str, Any]:
    namespace, version = params["namespace"], params["version"] or ""
    coloured, rolling = apart(params["components"])
    components = observe_all(client, targets_of(coloured, namespace))
    existing = {
        kind.kind: {obj["metadata"]["name"] for obj in client.list_metadata(kind, namespace)}
        for kind in (CONFIGMAP, SECRET)
    }
    migrations = [Migration(one["name"], one["class"]) for one in params["migrations"]]
    in_place = ways(client, namespace, rolling, existing, version) if rolling else []
    answer = judge(migrations, params["reached"], components, existing, version, in_place)
    if not answer.safe and not params["force"]:
        raise answer.refusal(f"namespace {namespace}")
    return {**answer.report(), "forced": "" if answer.safe else params["force"]}


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        module.exit_json(changed=False, **judged(kube_client(module), module.params))


if __name__ == "__main__":
    main()
