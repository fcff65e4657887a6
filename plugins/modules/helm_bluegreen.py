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
  - What works without being asked by traffic, CronJobs and O(workers), works in the live colour alone. It is installed
    at rest, without a pod, and V(handed_over) lets it work once its colour is live.
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
      - V(handed_over) lets CronJobs and workers work in the live colour alone. First those of the idle one stop. When
        no pod and no running Job of them is left, those of the live one start with the size they had, and become ready.
      - V(settled) gives the autoscalers of the live colour their own minimum back, which V(staged) and V(warm) raise to
        the capacity they bring. Nothing is done while both colours carry traffic.
      - V(retired) scales the idle colour down to O(floor) and remembers its size. It also settles the live colour.
      - V(absent) uninstalls the idle colour. It also settles the live colour.
      - A colour that carries traffic is never written to, scaled down or removed. Only what rests there starts to work.
    type: str
    choices: [staged, warm, handed_over, settled, retired, absent]
    default: staged
  version:
    description:
      - The version to be staged, as the component will call itself. Required for O(state=staged).
      - With O(state=retired), an idle colour that provably runs another version is left as it is.
    type: str
  replicas:
    description: The least number of pods for each workload behind the colour Service.
    type: int
  workers:
    description:
      - The workloads that work without being asked by traffic, as consumers of a queue do. CronJobs need not be named.
      - With O(state=staged) they are installed without pods. Every other state knows them by an annotation they get
        then, and what is called so in one colour counts as a worker in the other one, too.
      - A workload behind the colour Service cannot be one, nor one that something else may start from 0 replicas.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: Kind of the workload.
        type: str
        choices: [Deployment, StatefulSet]
        default: Deployment
      name:
        description: Its name as it is rendered, without the colour. C(shop-blue-mailer) is V(shop-mailer).
        type: str
        required: true
  overlap:
    description:
      - With O(state=handed_over), do not wait until nothing of the idle colour works any more. For a while both
        versions work then.
    type: bool
    default: false
  floor:
    description: Number of pods a retired colour keeps. Workers keep none.
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
  - runbook.release.source
  - runbook.release.entry
  - runbook.release.kube
  - runbook.release.run
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - Renders, runs all guards, and lets the API server validate what would be applied.
      - What is scaled for a time that is over counts as put back, as the run that does it puts it back first.
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
      values_files: [/srv/charts/shop/values-prod.yaml]
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

- name: The same with a consumer of a queue, which has no pods until its version is live
  runbook.release.helm_bluegreen:
    name: api
    namespace: shop
    version: v1.6.0
    source:
      kind: manifests
      path: deploy/api
      image: registry.example/api
    workers:
      - name: mailer
    entry: {kind: service, name: api}

- name: Let the CronJobs and workers of the version that is live now work, and no others
  runbook.release.helm_bluegreen:
    name: api
    namespace: shop
    state: handed_over
    timeout: 120
    entry: {kind: service, name: api}

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
values_files:
  description: The files of O(source.values_files), without their folders, and the digests of what was in them.
  type: list
  elements: dict
  returned: success
  sample: [{name: values-prod.yaml, digest: sha256:0d4e5f}]
capacity:
  description: Number of pods per workload of the target, V(0) for what rests until it is live.
  type: dict
  returned: success
  sample: {Deployment/shop-green: 3}
plan:
  description: What was done, or in check mode would be done, in order.
  type: list
  elements: str
  returned: success
  sample: [upgrade release shop-green with version 1.4.0, wait until green is ready]
workers:
  description: The CronJobs and workers of both colours, also those that would only be installed.
  type: list
  elements: str
  returned: success
  sample: [CronJob cleanup-blue, CronJob cleanup-green, Deployment mailer-blue, Deployment mailer-green]
colours:
  description:
    - Both colours after the run.
    - C(workers) has the replicas of each worker, and of a CronJob V(1), or V(0) while it is suspended.
  type: dict
  returned: success
  sample:
    blue: {release: shop-blue, service: shop-blue, version: 1.3.2, digest: sha256:91aa20, revision: 7, status: deployed,
           ready: 3, desired: 3, weight: 100, quarantined: "", workers: {Deployment mailer-blue: 2}}
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
left:
  description: What was still at work when the time for O(state=handed_over) was over.
  type: list
  elements: str
  returned: when the idle colour did not stop working
"""

import os
import sys
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.helm.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Target
from ansible_collections.runbook.release.plugins.module_utils.helm.operate import Request, operate
from ansible_collections.runbook.release.plugins.module_utils.helm.source import SOURCE, Source
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import ENTRY_OPTIONS

WORKER: dict[str, t.Any] = {
    "kind": {"type": "str", "choices": ["Deployment", "StatefulSet"], "default": "Deployment"},
    "name": {"type": "str", "required": True},
}


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "choices": ["staged", "warm", "handed_over", "settled", "retired", "absent"],
                "default": "staged",
            },
            "version": {"type": "str"},
            "source": SOURCE,
            "replicas": {"type": "int"},
            "workers": {"type": "list", "elements": "dict", "default": [], "options": WORKER},
            "overlap": {"type": "bool", "default": False},
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
        overlap=params["overlap"],
        timeout=params["timeout"],
        now=time.time(),
        alone=bool(params["run"]),
        due=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) if module.check_mode else "",
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
        tuple((one["kind"], one["name"]) for one in params["workers"]),
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
