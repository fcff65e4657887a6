#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_bluegreen
short_description: Bring a version up next to the live one, and take it away again
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Keeps one Helm release per colour, named after the component and the colour, and works on the colour that carries
    no traffic. Which one that is, is read from the entry every time; M(runbook.release.traffic_switch) moves traffic.
  - Takes an unmodified Helm chart, plain manifests or a kustomization. The latter two are wrapped in a generated chart,
    with the colour in names, selectors, labels and references; ConfigMaps and Secrets get their content in the name
    and become immutable, so that both versions keep the configuration they were made for.
  - A colour counts as running a version only after this module has seen it ready, and as long as Helm installed
    nothing newer. It says so in annotations of the colour Service.
  - Does not depend on Helm's own waiting. It watches until the workloads are observed, updated, ready and available at
    their capacity, the endpoints of the colour Service are exactly its pods, and nothing restarted for O(stable)
    seconds. A crash loop, an image that cannot be pulled, a probe that gets a wrong answer, or a pod that fits on no
    node ends the wait within seconds, with logs and events in the result.
options:
  name:
    description: Name of the component. The Helm releases are called by it, followed by C(-blue) and C(-green).
    type: str
    required: true
  namespace:
    description: Namespace of the component. It has to exist.
    type: str
    required: true
  state:
    description:
      - V(staged) makes the idle colour run exactly O(source) with at least the capacity the live colour has now. The
        live colour is not touched. If the live colour runs exactly that already, nothing is done.
      - V(warm) brings the previous version back to the capacity of the live one, so that traffic can return to it.
      - V(settled) gives the autoscalers of the live colour their own minimum back, which V(staged) and V(warm) raise to
        the capacity they bring. Nothing is done while both colours carry traffic.
      - V(retired) scales the idle colour down to O(floor) and remembers its size. It also settles the live colour.
      - V(absent) uninstalls the idle colour. It also settles the live colour.
      - A colour that carries traffic is never written to, scaled down or removed.
    type: str
    choices: [staged, warm, settled, retired, absent]
    default: staged
  version:
    description:
      - The version to be staged, as the component will call itself. Required for O(state=staged).
      - With O(state=retired), an idle colour that provably runs another version is left as it is.
    type: str
  source:
    description: What to install. Required for O(state=staged).
    type: dict
    suboptions:
      kind:
        description:
          - V(helm) is a chart, which Helm installs as it is.
          - V(manifests) is a file of manifests, or a folder of them.
          - V(kustomize) is a kustomization, built with C(kustomize) or C(kubectl).
          - Of manifests and kustomizations, both colours get their own Deployments, StatefulSets, DaemonSets, Jobs,
            CronJobs, Services, ConfigMaps, Secrets, HorizontalPodAutoscalers and PodDisruptionBudgets. Every
            other object is shared, created when it is missing, and otherwise left alone.
        type: str
        choices: [helm, manifests, kustomize]
        required: true
      chart:
        description: Folder, archive, OCI reference or name of the chart. Required for V(helm).
        type: str
      repo:
        description: URL of the chart repository, when O(source.chart) is a name in one.
        type: str
      chart_version:
        description: Version of the chart, when it is not a folder or archive.
        type: str
      values:
        description:
          - Values for the chart. They reach Helm in a private file, not by its command line.
          - Secrets do not belong here, but in Secret objects that the chart refers to.
        type: dict
      path:
        description: File or folder of the manifests, or folder of the kustomization. Required for these.
        type: path
      image:
        description:
          - Repository of the image the version is about, without a tag.
          - Containers of manifests and kustomizations that run it get O(version) as their tag.
          - A chart has to render it with O(version) as its tag; set that in O(source.values).
        type: str
  replicas:
    description: The least number of pods for each workload behind the colour Service.
    type: int
  floor:
    description: Number of pods a retired colour keeps.
    type: int
    default: 0
  quarantine:
    description:
      - Mark the colour that is retired as failed. V(warm) then refuses to go back to it until a version is staged anew.
    type: bool
    default: false
  timeout:
    description:
      - Seconds the whole state may take to be reached.
      - A Helm operation of the idle colour that is pending for longer than this has lost its owner and is recovered;
        a younger one is waited for by nobody and refused. With O(run) it is recovered at once, because whoever began
        it has lost the lock.
    type: int
    default: 300
  stable:
    description: Seconds the pods have to stay ready without a restart.
    type: int
    default: 5
  helm_binary:
    description:
      - Path of Helm 3 (3.10 or newer) or 4.
      - Searched for in E(PATH) and next to the Python interpreter if not set.
    type: path
extends_documentation_fragment:
  - runbook.release.entry
  - runbook.release.kube
  - runbook.release.run
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - Renders, runs all guards, and lets the API server validate what would be applied.
  diff_mode:
    support: full
    details:
      - Compares with what runs on the idle colour, and with what runs on the live one. Data of Secrets is hashed.
  idempotent:
    support: full
seealso:
  - module: runbook.release.helm_bluegreen_info
  - module: runbook.release.traffic_switch
"""

EXAMPLES = r"""
- name: Bring version 1.4.0 of a chart up next to the live version
  runbook.release.helm_bluegreen:
    name: shop
    namespace: shop
    version: 1.4.0
    source:
      kind: helm
      chart: /srv/charts/shop
      image: registry.example/shop
      values:
        image: {repository: registry.example/shop, tag: 1.4.0}
    entry: {kind: httproute, name: shop}

- name: The same for plain manifests behind a Service, with at least three pods
  runbook.release.helm_bluegreen:
    name: api
    namespace: shop
    version: v1.6.0
    source:
      kind: manifests
      path: deploy/api
      image: registry.example/api
    replicas: 3
    entry: {kind: service, name: api}

- name: Make the previous version ready to take the traffic back
  runbook.release.helm_bluegreen:
    name: shop
    namespace: shop
    state: warm
    entry: {kind: httproute, name: shop}

- name: Let the autoscaler of the version that is live now decide again
  runbook.release.helm_bluegreen:
    name: shop
    namespace: shop
    state: settled
    entry: {kind: httproute, name: shop}

- name: Scale the version that failed down, and remember that it did
  runbook.release.helm_bluegreen:
    name: shop
    namespace: shop
    state: retired
    quarantine: true
    entry: {kind: httproute, name: shop}
"""

RETURN = r"""
target:
  description: The colour this was about. It is the live one when that runs the version already.
  type: str
  returned: success
  sample: green
live:
  description: The colour that carries the traffic; empty while nothing is live yet.
  type: str
  returned: success
  sample: blue
idle:
  description: The other colour; empty while nothing is live yet.
  type: str
  returned: success
  sample: green
first:
  description: Whether nothing was live yet before. The first version is installed where the entry points to.
  type: bool
  returned: success
awaits_traffic:
  description: Whether the target is not live, so that what it runs has yet to get the traffic.
  type: bool
  returned: success
version:
  description: The version the target runs, or will run.
  type: str
  returned: success
  sample: 1.4.0
digest:
  description: Digest of the normalised manifests of the target.
  type: str
  returned: success
  sample: sha256:4f3b1c
capacity:
  description: Number of pods per workload of the target.
  type: dict
  returned: success
  sample: {Deployment/shop-green: 3}
plan:
  description: What was done, or in check mode would be done, in order.
  type: list
  elements: str
  returned: success
  sample: [upgrade release shop-green with version 1.4.0, wait until green is ready]
colours:
  description: Both colours after the run.
  type: dict
  returned: success
  sample:
    blue: {release: shop-blue, service: shop-blue, version: 1.3.2, digest: sha256:91aa20, revision: 7, status: deployed,
           ready: 3, desired: 3, weight: 100, quarantined: ""}
seconds:
  description: How long it took.
  type: float
  returned: success
problems:
  description: Why pods did not become ready.
  type: list
  elements: dict
  returned: when the colour did not become ready
missing:
  description: What was missing until the colour would have been ready.
  type: list
  elements: str
  returned: when the colour did not become ready
evidence:
  description: Logs, events and conditions of the pods and workloads of the colour.
  type: dict
  returned: when the colour did not become ready
"""

import os
import sys
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.helm.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Target
from ansible_collections.runbook.release.plugins.module_utils.helm.operate import Request, operate
from ansible_collections.runbook.release.plugins.module_utils.helm.source import Source
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import ENTRY_OPTIONS

SOURCE: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "kind": {"type": "str", "choices": ["helm", "manifests", "kustomize"], "required": True},
        "chart": {"type": "str"},
        "repo": {"type": "str"},
        "chart_version": {"type": "str"},
        "values": {"type": "dict"},
        "path": {"type": "path"},
        "image": {"type": "str"},
    },
    "required_if": [
        ("kind", "helm", ("chart",)),
        ("kind", "manifests", ("path",)),
        ("kind", "kustomize", ("path",)),
    ],
}


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "choices": ["staged", "warm", "settled", "retired", "absent"],
                "default": "staged",
            },
            "version": {"type": "str"},
            "source": SOURCE,
            "replicas": {"type": "int"},
            "floor": {"type": "int", "default": 0},
            "quarantine": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
            "stable": {"type": "int", "default": 5},
            "helm_binary": {"type": "path"},
        },
        required_if=[("state", "staged", ("version", "source"))],
    )
    return own.merge(ArgumentSpec(ENTRY_OPTIONS | RUN_OPTIONS), kube_argument_spec())


def request_of(module: AnsibleModule) -> Request:
    params = module.params
    staged = params["state"] == "staged"
    want = Want(
        state=params["state"],
        version=params["version"] or "",
        replicas=params["replicas"],
        floor=params["floor"],
        quarantine=params["quarantine"],
        timeout=params["timeout"],
        now=time.time(),
        alone=bool(params["run"]),
    )
    binary = params["helm_binary"] or module.get_bin_path("helm", opt_dirs=[os.path.dirname(sys.executable)]) or "helm"
    return Request(
        Target.of(params),
        want,
        Source.of(params["source"]) if staged else None,
        params["stable"],
        binary,
        module.check_mode,
        module._diff,
    )


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
