#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Release many workloads at once, and take back exactly what was changed
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Brings Deployments, StatefulSets and DaemonSets, and whatever comes with them, to a version in place. It writes only
    what differs, watches all workloads at once, and returns when every one of them is observed, updated and available,
    and the pods of the old version are gone.
  - A crash loop, an image that cannot be pulled, a pod that fits on no node, an exceeded quota or progress deadline
    ends the wait within seconds, with logs and events in the result.
  - What an object was is kept in an annotation of its own, C(runbook.release/rollout), which the write that changes it
    also writes. So a run that is killed at any moment can be continued, or taken back, from any machine.
  - Which release was the newest, and whether it came to its end, stands in the ConfigMap C(rollout-) followed by
    O(name).
options:
  name:
    description:
      - Name of the release unit, the workloads that are released and taken back together.
      - Lower case letters, digits and hyphens.
    type: str
    required: true
  namespace:
    description: Namespace of all the objects. It has to exist.
    type: str
    required: true
  state:
    description:
      - V(released) brings everything to O(source). A release that did not come to its end goes on. What an object was
        is then still what it was before that release began.
      - V(restored) takes the newest release of the unit back if it is of O(version), and does nothing otherwise. Only
        what that release has changed goes back, and no further than it was, whoever else has changed it since. What
        it has created is deleted if it is a workload, and left otherwise.
    type: str
    choices: [released, restored]
    default: released
  version:
    description: The version that is released, or taken back.
    type: str
    required: true
  source:
    description: What to release. Required for O(state=released), and for O(policy=redeploy) the version before.
    type: dict
    suboptions: &source
      kind:
        description:
          - V(image) sets the images of O(source.images) in workloads that exist, and nothing else.
          - V(manifests) is rendered objects, in O(source.objects) or O(source.path).
          - V(kustomize) is a kustomization in the folder O(source.path), built with C(kustomize) or C(kubectl).
        type: str
        choices: [image, manifests, kustomize]
        required: true
      images:
        description: Images of containers. Manifests and kustomizations get them after they were rendered.
        type: list
        elements: dict
        suboptions:
          kind:
            description: Kind of the workload.
            type: str
            choices: [Deployment, StatefulSet, DaemonSet]
            default: Deployment
          name:
            description: Name of the workload.
            type: str
            required: true
          container:
            description: Name of the container. May be left out if there is only one, or if only one runs that image.
            type: str
          image:
            description: Image with its tag or digest.
            type: str
            required: true
      path:
        description: File or folder of manifests, or folder of the kustomization.
        type: path
      objects:
        description: Kubernetes objects, instead of O(source.path).
        type: list
        elements: dict
  sources:
    description: Several of them that are one release unit, instead of O(source).
    type: list
    elements: dict
    suboptions: *source
  waves:
    description:
      - Names of workloads, or V(Kind/name), wave by wave. The next wave begins when the one before is ready.
      - Workloads that are not named follow in a last wave. What is no workload comes before all of them.
      - Restoring goes through the waves of the release in reverse.
    type: list
    elements: list
  strategy:
    description: How Deployments replace their pods, whatever the source says.
    type: dict
    suboptions:
      max_unavailable:
        description: How many pods may be missing, as a number or a percentage.
        type: raw
      max_surge:
        description: How many pods may be there in addition, as a number or a percentage.
        type: raw
  policy:
    description:
      - How O(state=restored) brings back what was changed.
      - V(manifests) restores the objects as they were recorded. Replicas only if the release changed them.
      - V(revision) restores only the pod templates, from the ReplicaSets and ControllerRevisions that were current
        before the release, by their recorded names.
      - V(redeploy) applies O(source), to what was changed and to nothing else.
    type: str
    choices: [manifests, revision, redeploy]
    default: manifests
  only:
    description:
      - Names of workloads, or V(Kind/name), that alone go back with O(state=restored). All go if not set.
      - What is no workload then stays, as what does not go back may need it; it is named in RV(left). The release
        itself stays the newest, so that its other workloads can still go back.
      - A release that did not come to its end goes back as a whole.
    type: list
    elements: str
    default: []
  force:
    description: Take over fields that other field managers own. Without it that is a conflict, which names them.
    type: bool
    default: false
  keep_budgets:
    description:
      - Refuse a release whose rollout would take away more pods than a PodDisruptionBudget allows. Without it that is
        only a warning.
    type: bool
    default: true
  timeout:
    description: Seconds until everything has to be ready.
    type: int
    default: 600
  stable:
    description: Seconds the pods of a wave have to stay ready without a restart.
    type: int
    default: 5
extends_documentation_fragment:
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - The API server validates what would be written, in a dry run.
      - What is configured for a time that is over counts as put back, as the run that does it puts it back first.
  diff_mode:
    support: full
    details:
      - Data of Secrets is hashed.
  idempotent:
    support: full
notes:
  - Needs the RBAC verbs C(list) and C(watch) for C(deployments.apps), C(statefulsets.apps), C(daemonsets.apps),
    C(replicasets.apps), C(controllerrevisions.apps), C(pods) and C(events), C(list) for
    C(horizontalpodautoscalers.autoscaling) and C(poddisruptionbudgets.policy), C(get), C(create) and C(patch) for
    C(configmaps), and C(get), C(create) and C(patch) for what it releases, in O(namespace). To restore, also C(delete)
    for workloads it has created, and for pods of StatefulSets that cannot start.
  - Replicas of a workload that has a HorizontalPodAutoscaler are not set.
  - Objects are applied on the server. Objects that left the source are not deleted, and fields that left it stay if
    another field manager has set them.
  - A Secret that would change in place is refused, as it could not go back. Give it a name with a hash of its content.
  - The controllers that replace pods do not ask PodDisruptionBudgets, so this module does.
seealso:
  - module: runbook.release.helm_bluegreen
  - module: runbook.release.workload_pause
"""

EXAMPLES = r"""
- name: Release a kustomization, the database proxy before everything else
  runbook.release.rollout:
    name: shop
    namespace: shop
    version: 1.5.0
    source:
      kind: kustomize
      path: /srv/shop/overlays/production
    waves:
      - [shop-proxy]
      - [shop-api, shop-worker]

- name: Set the images of two workloads, one pod at a time
  runbook.release.rollout:
    name: shop
    namespace: shop
    version: 1.5.0
    source:
      kind: image
      images:
        - {name: shop-api, container: api, image: "registry.example/shop-api:1.5.0"}
        - {kind: StatefulSet, name: shop-queue, image: "registry.example/shop-queue:1.5.0"}
    strategy: {max_unavailable: 1, max_surge: 1}

- name: Take back exactly what that release has changed
  runbook.release.rollout:
    name: shop
    namespace: shop
    version: 1.5.0
    state: restored

- name: Take back one workload of it, and leave the others with the new version
  runbook.release.rollout:
    name: shop
    namespace: shop
    version: 1.5.0
    state: restored
    only: [Deployment/shop-api]
"""

RETURN = r"""
release:
  description: Which release of the unit this was.
  type: str
  returned: success
  sample: 1.5.0 2026-03-01T02:00:13Z 5f0c11d2
version:
  description: The version of that release.
  type: str
  returned: success
  sample: 1.5.0
digest:
  description: Of what was asked for, whatever the cluster has; empty without a source.
  type: str
  returned: success
  sample: sha256:5f0c11d2
plan:
  description: What was done, or in check mode would be done, in order.
  type: list
  elements: str
  returned: success
  sample: ["change Deployment shop-api: api registry.example/shop-api:1.5.0", wait until Deployment shop-api is ready]
workloads:
  description:
    - The workloads with their images before and after.
    - Of a release that goes on, before is what they were when it began.
    - What was done is V(created), V(changed), V(restored), V(deleted) or V(nothing).
    - The revision is the ReplicaSet or ControllerRevision a workload had before it was changed.
  type: list
  elements: dict
  returned: success
  sample:
    - {kind: Deployment, name: shop-api, before: {api: "registry.example/shop-api:1.4.2"},
       after: {api: "registry.example/shop-api:1.5.0"}, pods: 3, done: changed, revision: shop-api-7d9c5b8f}
left:
  description: What was changed or created and is left as it is, because O(policy) or O(only) does not restore it.
  type: list
  elements: str
  returned: success
  sample: [ConfigMap shop-api-h2k5t]
seconds:
  description: How long it took.
  type: float
  returned: success
problems:
  description: Why pods did not become ready.
  type: list
  elements: dict
  returned: when it did not become ready
missing:
  description: What was missing until all would have been ready.
  type: list
  elements: str
  returned: when it did not become ready
not_begun:
  description: What was not touched, because it comes in a later wave.
  type: list
  elements: str
  returned: when it did not become ready
evidence:
  description: Logs, events and conditions of the pods and workloads.
  type: dict
  returned: when it did not become ready
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.rollout.model import Strategy, Want, Waves
from ansible_collections.runbook.release.plugins.module_utils.rollout.operate import Request, operate
from ansible_collections.runbook.release.plugins.module_utils.rollout.source import Source

IMAGE = {
    "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
    "name": {"type": "str", "required": True},
    "container": {"type": "str"},
    "image": {"type": "str", "required": True},
}
SOURCE: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "kind": {"type": "str", "choices": ["image", "manifests", "kustomize"], "required": True},
        "images": {"type": "list", "elements": "dict", "options": IMAGE},
        "path": {"type": "path"},
        "objects": {"type": "list", "elements": "dict"},
    },
    "mutually_exclusive": [("path", "objects")],
    "required_if": [
        ("kind", "image", ("images",)),
        ("kind", "manifests", ("path", "objects"), True),
        ("kind", "kustomize", ("path",)),
    ],
}
NEEDS_SOURCE = (("state", "released"), ("policy", "redeploy"))


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["released", "restored"], "default": "released"},
            "version": {"type": "str", "required": True},
            "source": SOURCE,
            "sources": {**SOURCE, "type": "list", "elements": "dict"},
            "waves": {"type": "list", "elements": "list"},
            "strategy": {"type": "dict", "options": {"max_unavailable": {"type": "raw"}, "max_surge": {"type": "raw"}}},
            "policy": {"type": "str", "choices": ["manifests", "revision", "redeploy"], "default": "manifests"},
            "only": {"type": "list", "elements": "str", "default": []},
            "force": {"type": "bool", "default": False},
            "keep_budgets": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 600},
            "stable": {"type": "int", "default": 5},
        },
        required_if=[(name, value, ("source", "sources"), True) for name, value in NEEDS_SOURCE],
        mutually_exclusive=[("source", "sources")],
    )
    return own.merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def request_of(module: AnsibleModule) -> Request:
    params = module.params
    needs_source = any(params[name] == value for name, value in NEEDS_SOURCE)
    want = Want(
        params["name"],
        params["namespace"],
        params["version"],
        Waves.of(params["waves"]),
        Strategy.of(params["strategy"]),
        params["force"],
        params["keep_budgets"],
        tuple(params["only"]),
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) if module.check_mode else "",
    )
    sources = tuple(map(Source.of, (params["sources"] or [params["source"]]) if needs_source else ()))
    return Request(want, params["state"], sources, params["policy"], params["timeout"], params["stable"], module._diff)


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        client, request = kube_client(module), request_of(module)
        with journal(client, Run.of(module.params["run"]), module.warn) as book:
            outcome = operate(client, request, book)
        for warning in outcome.warnings:
            module.warn(warning)
        module.exit_json(**outcome.report(), **({"diff": outcome.diff} if module._diff else {}))


if __name__ == "__main__":
    main()
