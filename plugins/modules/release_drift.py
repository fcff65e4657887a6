#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_drift
short_description: Find what was changed without a release
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Remembers, in the index of an environment, a fingerprint of every object that belongs to the live colour of each
    component, with the entry and the live colour's Service. Later it tells which of them were changed, have vanished or
    have appeared, and who did it.
  - What belongs to a colour is what Helm installed for it. An object has appeared if it says that it is part of the
    same Helm release, or if it is an autoscaler of one of its workloads.
  - A fingerprint is made of what people decide about an object. Its status, what the cluster gave it, the annotations
    of this collection and the trace of a restart are no part of it, nor is the size of a workload that an autoscaler
    manages.
  - Secrets are never read, except those Helm keeps its records in. What is remembered of a Secret is its
    C(resourceVersion), so every write counts.
options:
  state:
    description:
      - V(recorded) adds the fingerprints to the index. Use it at the end of every release, whatever became of it, and
        to accept a change that was made without one.
      - V(checked) compares the newest fingerprints with what there is. It finds, and does not fail.
    type: str
    choices: [recorded, checked]
    required: true
  namespace:
    description: Namespace of the components, and of the index without O(run).
    type: str
    required: true
  components:
    description:
      - The components, each with C(name), C(entry) and, if they are not the usual ones, C(services) and C(port), as
        M(runbook.release.helm_bluegreen_info) takes them. What else a component has is not looked at, so that the
        variable RV(ignore:release_components) can be given as it is.
      - A component that rolls has C(workloads) instead. They and whatever M(runbook.release.rollout) changed with them
        are remembered.
      - Required with O(state=recorded). A check looks at the components that were recorded.
    type: list
    elements: dict
  system:
    description: The system whose index it is. Together with O(environment) it is needed without O(run).
    type: str
  environment:
    description: The environment whose index it is.
    type: str
extends_documentation_fragment:
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - The entry is sent as a server-side dry run.
  diff_mode:
    support: none
  idempotent:
    support: full
notes:
  - With O(run) the entry of the index carries its fencing token, and is refused when it is stale. Nothing is written
    into the ledger of the release.
  - Needs the RBAC verb C(list) for every kind of object the components consist of, C(get) for those of the whole
    cluster and for the Secrets of Helm.
  - An upgrade of the cluster can add defaults to objects, and all of them show as changed then. Record them again.
seealso:
  - module: runbook.release.release_safety
"""

EXAMPLES = r"""
- name: Remember how this release leaves the shop
  runbook.release.release_drift:
    state: recorded
    namespace: shop
    components: "{{ release_components }}"
    run: "{{ release_context.run }}"

- name: Has anybody changed it since?
  runbook.release.release_drift:
    state: checked
    namespace: shop
    system: shop
    environment: prod
  register: drift

- name: Nobody may have
  ansible.builtin.assert:
    that: not drift.drifted
    fail_msg: "{{ drift.findings | map(attribute='sentence') | join('; ') }}"
"""

RETURN = r"""
objects:
  description: How many objects are remembered.
  type: int
  returned: success
  sample: 14
since:
  description: When the newest fingerprints were recorded; empty if never.
  type: str
  returned: success with O(state=checked)
  sample: "2026-11-21T16:04:11.120935Z"
release:
  description: The release that left things so; empty if they were recorded without one.
  type: str
  returned: success
  sample: shop-prod-1-4-0-20261121t160000z
interim:
  description:
    - Releases that began after the fingerprints were recorded. While there is one, nobody can tell whether a finding is
      its doing.
  type: list
  elements: str
  returned: success with O(state=checked)
  sample: []
drifted:
  description: Whether something was changed without a release. V(false) if RV(interim) names a release.
  type: bool
  returned: success with O(state=checked)
  sample: true
findings:
  description: What is not as it was recorded.
  type: list
  elements: dict
  returned: success with O(state=checked)
  contains:
    component:
      description: Name of the component.
      type: str
    kind:
      description: V(changed), V(appeared) or V(vanished).
      type: str
    object:
      description: Kind and name of the object.
      type: str
    namespace:
      description: Its namespace; empty for an object of the whole cluster, and for a Helm release.
      type: str
    by:
      description: The field manager that wrote it last; empty when nothing tells.
      type: str
    at:
      description: When that was, by the API server's clock.
      type: str
    fields:
      description: Up to five of the fields that manager owns; empty if it is Helm or this collection.
      type: list
      elements: str
    sentence:
      description: The same for people.
      type: str
  sample:
    - component: shop
      kind: changed
      object: Deployment shop-blue
      namespace: shop
      by: kubectl-edit
      at: "2026-11-21T17:20:31Z"
      fields: ["spec.template.spec.containers[shop].env"]
      sentence: "Deployment shop-blue of shop was changed by kubectl-edit at 2026-11-21T17:20:31Z:
        spec.template.spec.containers[shop].env"
"""

import os
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import holder_of, lease_name
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
from ansible_collections.runbook.release.plugins.module_utils.release.drift import STATE, compare, recorded, state
from ansible_collections.runbook.release.plugins.module_utils.release.drift_observe import (
    find,
    newest_revisions,
    take,
)
from ansible_collections.runbook.release.plugins.module_utils.release.in_place import take as take_in_place
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.register import Register, index_of
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run

if TYPE_CHECKING:
    from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
    from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry

Report = dict[str, Any]


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["recorded", "checked"], "required": True},
            "namespace": {"type": "str", "required": True},
            "components": {**COMPONENTS_OPTION, "required": False},
            "system": {"type": "str"},
            "environment": {"type": "str"},
        },
        required_if=[("state", "recorded", ["components"])],
        required_one_of=[("run", "system")],
        required_together=[("system", "environment")],
    )
    return own.merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def record(client: KubeClient, params: Report) -> Report:
    namespace, run = params["namespace"], Run.of(params["run"])
    release = run.release if run else ""
    index, entries = opened(client, params, run)
    before, (coloured, rolling) = recorded(entries), apart(params["components"])
    parts = take(client, namespace, observe_all(client, targets_of(coloured, namespace))) if coloured else {}
    in_place = take_in_place(client, namespace, rolling, before.parts or {}) if rolling else {}
    parts = {**parts, **in_place}
    after = state(release, parts)
    changed = bool(before.interim) or before.parts is None or state(before.release, before.parts) != after
    if changed:
        with journal(client, run):
            index.add(STATE, after)
    objects = sum(len(part.fingerprints) for part in parts.values())
    return {"changed": changed, "release": release, "objects": objects, "warnings": index.warnings}


def check(client: KubeClient, params: Report) -> Report:
    before = recorded(opened(client, params, Run.of(params["run"]))[1])
    parts = before.parts or {}
    refs = {ref for part in parts.values() for ref in part.fingerprints}
    findings = []
    if refs:
        revisions = newest_revisions(client, params["namespace"], parts)
        findings = compare(parts, *find(client, params["namespace"], refs), revisions)
    return {
        "changed": False,
        "objects": len(refs),
        "since": before.when,
        "release": before.release,
        "interim": list(before.interim),
        "drifted": bool(findings) and not before.interim,
        "findings": [finding.report() for finding in findings],
    }


def opened(client: KubeClient, params: Report, run: Run | None) -> tuple[Register, list[Entry]]:
    """The index and what is in it. Without a run the newest token is carried on: nobody's step is recorded then."""
    if run:
        index = index_of(client, run.namespace, run.lease, run.who, run.token, os.path.dirname(run.mirror))
        return index, index.entries()
    lease = lease_name(params["system"], params["environment"])
    entries = index_of(client, params["namespace"], lease).entries()
    fence = entries[-1].fence if entries else 0
    return index_of(client, params["namespace"], lease, holder_of(os.environ), fence), entries


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        act = record if module.params["state"] == "recorded" else check
        result = act(kube_client(module), module.params)
        for warning in result.pop("warnings", []):
            module.warn(warning)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
