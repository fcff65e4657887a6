#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_switch
short_description: Move traffic between two colours and prove that it moved
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Gives O(weight) percent of an entry's traffic to O(colour) with exactly one guarded patch.
  - It returns when the cutover is proven. The endpoints of the target are exactly its ready pods. The entry is accepted
    at this generation by every parent. New connections through each of O(urls) are answered by the version that should
    answer. The witness saw no request fail since the patch. All of that holds at the same time.
  - It touches only the weights (or the selector) it owns and its annotations. A concurrent edit of anything else
    survives. When somebody else changes the weights during the step, the step fails and names the field manager.
  - As part of a release (O(run)) the patch carries the fencing token as an annotation of the entry, and is refused when
    the entry was changed under a newer one.
  - It refuses, before anything changes, to give weight to a colour without ready endpoints, colour Services whose
    selectors can match the same pods, and an entry that does not name both colours.
  - When the proof fails, the weights stay as they are. Giving the traffic back is a step of its own, with
    O(colour=previous).
options:
  namespace:
    description: Namespace of the component.
    type: str
    required: true
  name:
    description:
      - Name of the component.
      - The name of the entry if not set.
    type: str
  colour:
    description:
      - The colour that gets the weight.
      - V(previous) is the colour that was live before the newest shift through this entry, as recorded on it. It is
        refused when that colour runs another version by now. Going back twice is going back once.
      - It is refused, too, when that colour is too small. It needs as many ready pods as the other one takes to carry
        its share of the traffic now, and no fewer than it was scaled down from. Once that many are asked for, a quarter
        may be missing, because there is nothing left to scale.
    type: str
    required: true
    choices: [blue, green, previous]
  weight:
    description:
      - Percentage of the traffic for O(colour); the other colour gets the rest.
      - An entry of the kind V(service) takes 0 and 100 only.
    type: int
    default: 100
  from_version:
    description:
      - With O(colour=previous), take back only a shift to this version. If the newest shift went to another one,
        nothing is changed.
    type: str
  force:
    description:
      - With O(colour=previous), why to go back although that colour is too small for the traffic.
      - The reason is kept in the ledger if it was needed.
    type: str
  urls:
    description:
      - What new connections ask. Without any, nothing but the cluster's own word proves the cutover.
    type: list
    elements: dict
    suboptions:
      url:
        description: An C(http) or C(https) URL whose answer names its version.
        type: str
        required: true
      address:
        description: IP address to connect to. Host name and SNI stay those of the URL.
        type: str
      ca_cert:
        description:
          - File with the CA certificates to trust besides those of the system. Certificates are always verified.
        type: path
  identity:
    description:
      - Where an answer names its version. Give one of the two. Required with O(urls).
      - The version a colour should answer with is the annotation C(runbook.release/version) of its Service, which
        M(runbook.release.helm_bluegreen) writes.
    type: dict
    suboptions:
      json:
        description: Dotted key in a JSON body.
        type: str
      header:
        description: Name of a response header.
        type: str
  proof:
    description: How much proof is enough.
    type: dict
    default: {}
    suboptions:
      connections:
        description:
          - New connections in a row, for each URL, that the right version has to answer.
          - While both colours have weight, either may answer and the target has to be seen at least once.
        type: int
        default: 50
      seconds:
        description: How long such a row has to last.
        type: float
        default: 0.5
      timeout:
        description:
          - Seconds after which the cutover has failed.
          - With O(run) up to 60 seconds during which the API server cannot be watched do not count.
        type: float
        default: 30
  drain:
    description: What to do about connections that clients opened before the switch, once O(weight=100) is proven.
    type: dict
    default: {}
    suboptions:
      budget:
        description:
          - Seconds to wait, at most, until nobody is connected to the other colour. V(0) does not wait.
          - Connections are counted in C(/proc/net/tcp) of its pods. Where that cannot be read, it waits until the
            witness has seen no answer of the old version for three seconds, and without a witness for the whole time.
        type: float
        default: 0
  witness:
    description: Folder of a running M(runbook.release.witness) that watches the same URLs.
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
      - The patch is sent as a server-side dry run and returned. Nothing is proven or drained.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - At the wanted weights nothing is patched, but the cutover is proven again.
notes:
  - With O(colour=previous) the RBAC verb C(list) for C(deployments.apps) and C(statefulsets.apps) lets it know what the
    colour was scaled down from, and whether it has its size. Without it, the number of ready pods alone decides.
seealso:
  - module: runbook.release.traffic_info
  - module: runbook.release.helm_bluegreen
  - module: runbook.release.witness
"""

EXAMPLES = r"""
- name: Give 5 % of the traffic to green
  runbook.release.traffic_switch:
    namespace: shop
    entry:
      kind: httproute
      name: shop
    colour: green
    weight: 5
    urls:
      - url: https://shop.example.com/version
    identity:
      json: version

- name: Give all of it to green and wait until the old connections are gone
  runbook.release.traffic_switch:
    namespace: shop
    entry:
      kind: httproute
      name: shop
    colour: green
    urls:
      - url: https://shop.example.com/version
    identity:
      json: version
    drain:
      budget: 30

- name: Go back
  runbook.release.traffic_switch:
    namespace: shop
    entry:
      kind: service
      name: shop
    colour: previous
    urls:
      - url: http://10.96.0.20/version
    identity:
      header: X-Version
"""

RETURN = r"""
colour:
  description: The colour that got the weight; the one that O(colour=previous) meant.
  type: str
  returned: success
  sample: green
version:
  description: The version that colour runs, empty if its Service does not say.
  type: str
  returned: success
  sample: 1.4.0
before:
  description: Weights in percent before the step.
  type: dict
  returned: success
  sample: {blue: 100, green: 0}
after:
  description: Weights in percent after the step, in check mode as they would be.
  type: dict
  returned: success
  sample: {blue: 95, green: 5}
patch:
  description: The JSON patch that was sent; empty when the weights were there already.
  type: list
  elements: dict
  returned: success
  sample:
    - {op: test, path: /spec/rules/0/backendRefs/1/weight, value: 0}
    - {op: add, path: /spec/rules/0/backendRefs/1/weight, value: 5}
cutover:
  description: What was proven.
  type: dict
  returned: success, and when the proof failed
  contains:
    proven:
      description: Whether everything held at the same time. Always V(false) in check mode.
      type: bool
      returned: always
    seconds:
      description: From the start of the module to the proof.
      type: float
      returned: when proven
    last_old_ms:
      description:
        - Milliseconds after the patch at which the other version last answered a new connection.
        - V(0) if it never did, none without O(urls) and while it still has weight.
      type: int
      returned: when proven
    connections:
      description: New connections made, all URLs together.
      type: int
      returned: when proven
    failed:
      description: How many of them failed.
      type: int
      returned: when proven
    endpoints:
      description: Endpoints that receive the traffic of the target.
      type: int
      returned: when proven
    missing:
      description: What was not proven.
      type: list
      elements: str
      returned: when the proof failed
    urls:
      description: For each URL the connections, failures, last error and answers by version.
      type: list
      elements: dict
      returned: when not in check mode
  sample:
    proven: true
    seconds: 0.93
    last_old_ms: 104
    connections: 61
    failed: 0
    endpoints: 2
    urls:
      - url: https://shop.example.com/version
        connections: 61
        failed: 0
        last_error: ""
        versions: {1.3.2: 10, 1.4.0: 51}
        last_old_ms: 104
drain:
  description: The wait for connections to the other colour; empty when there was none.
  type: dict
  returned: success
  contains:
    seconds:
      description: How long it took.
      type: float
    connected:
      description: Connections to the other colour at the end, none if they cannot be counted.
      type: int
    reason:
      description: Why they cannot be counted.
      type: str
    stale:
      description: Answers of the other version the witness saw meanwhile, none without a witness.
      type: int
  sample: {seconds: 3.02, connected: 0, reason: "", stale: 12}
forced:
  description: O(force), if it was needed; else empty.
  type: str
  returned: success
  sample: ""
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import ENTRY_OPTIONS
from ansible_collections.runbook.release.plugins.module_utils.traffic.step import Step, take

BEGAN = time.monotonic()


def switch_argument_spec() -> ArgumentSpec:
    url = {"url": {"type": "str", "required": True}, "address": {"type": "str"}, "ca_cert": {"type": "path"}}
    proof = {
        "connections": {"type": "int", "default": 50},
        "seconds": {"type": "float", "default": 0.5},
        "timeout": {"type": "float", "default": 30.0},
    }
    return ArgumentSpec(
        {
            "namespace": {"type": "str", "required": True},
            "name": {"type": "str"},
            "colour": {"type": "str", "required": True, "choices": ["blue", "green", "previous"]},
            "weight": {"type": "int", "default": 100},
            "from_version": {"type": "str"},
            "force": {"type": "str"},
            "urls": {"type": "list", "elements": "dict", "options": url},
            "identity": {
                "type": "dict",
                "options": {"json": {"type": "str"}, "header": {"type": "str"}},
                "required_one_of": [("json", "header")],
                "mutually_exclusive": [("json", "header")],
            },
            "proof": {"type": "dict", "default": {}, "options": proof},
            "drain": {"type": "dict", "default": {}, "options": {"budget": {"type": "float", "default": 0.0}}},
            "witness": {"type": "path"},
        },
    )


def main() -> None:
    spec = switch_argument_spec().merge(ArgumentSpec(ENTRY_OPTIONS | RUN_OPTIONS), kube_argument_spec())
    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    with failing_cleanly(module):
        step, client = Step.of(module.params), kube_client(module)
        with journal(client, Run.of(module.params["run"]), module.warn) as book:
            outcome = take(client, step, BEGAN, book)
        result = outcome.report()
        if module._diff:
            result["diff"] = outcome.diff()
        module.exit_json(**result)


if __name__ == "__main__":
    main()
