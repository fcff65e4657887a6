#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tor_validate
short_description: Hold a gate by evaluating its criteria
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Measures every criterion and returns one verdict each, V(pass), V(fail), V(insufficient) or V(error).
  - The gate is passed when every blocking criterion is. What was not measured is never a pass. No data or too few
    samples is V(insufficient), anything that went wrong is V(error), and both keep the gate closed.
  - All criteria are evaluated at once. A source that hangs delays no other verdict.
  - Mistakes in the criteria are reported all together, each with its field, before anything is measured.
  - It changes nothing. As part of a release (O(run)) it keeps the lock renewed while it holds the gate, stops once
    somebody else has the lock, and with O(gate) and O(component) records the verdicts in the ledger.
  - With O(run.signing_key) the head of the ledger is then signed and kept in O(run.mirror). A head that cannot be
    signed is a warning.
options:
  criteria:
    description: What must hold.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the criterion is called in verdicts.
        type: str
        required: true
      clause:
        description: The clause it comes from, for example C(TOR 7.1.6).
        type: str
      source:
        description:
          - Where the value comes from, as C(kind) and the options of that kind.
          - "C(http): C(url), C(address) (IP to connect to, host name and SNI stay), C(ca_cert). Each sample is a
            request on a new connection. Redirects are answers and are not followed."
          - "C(service): C(service), C(path), C(port), C(namespace). The same through the API server, so it reaches a
            Service that nothing routes to yet."
          - "C(witness): C(path) of a witness's folder, C(version), C(since) in seconds since the epoch. With a version
            only the answers of that version count, and a request that nobody answered is not its error. Waits for the
            samples until the time is up. See M(runbook.release.witness)."
          - "C(kubernetes): C(object_kind), C(name), C(namespace), C(api_version) (C(apps/v1) if not given)."
        type: dict
        required: true
      select:
        description:
          - Which value.
          - "C(http) and C(service): C(status), C(latency), C(error_share), C(header:NAME), a dotted key or JMESPath in
            a JSON body, or a regular expression between slashes, of which the first group counts."
          - "C(witness): C(error_share), C(failed), C(lost), C(requests), C(wrong_version), C(p50), C(p95), C(p99)."
          - "C(kubernetes): C(desired), C(updated), C(ready), C(available), C(ready_share), C(restarts), or a dotted key
            or JMESPath in the object."
        type: str
        required: true
      aggregate:
        description:
          - How many values become one. Required when they differ.
          - Percentiles are by nearest rank.
        type: str
        choices: [count, last, avg, sum, min, max, p50, p90, p95, p99]
      expect:
        description:
          - What the value must be, for example C(< 500 ms), C(>= 95 %), C(== "ok"), C(== true) or C(200..299).
          - Units are compared by what they mean. A latency needs a unit, a share may be given in C(%), a bare number in
            a body is taken to be in the unit of the threshold.
          - Times in C(ns), C(us), C(ms), C(s), C(min), C(h), C(d). Bytes in C(B), C(kB), C(MB), C(GB), C(KiB), C(MiB),
            C(GiB). Power in C(W), C(kW), C(MW). Voltage in C(mV), C(V), C(kV). Rates in C(/s), C(/min), C(/h).
        type: raw
        required: true
      severity:
        description: A V(blocking) criterion keeps the gate closed, an V(advisory) one is only reported.
        type: str
        choices: [blocking, advisory]
        default: blocking
      samples:
        description:
          - How many observations the verdict needs.
          - C(http) and C(service) make that many requests, C(witness) waits for that many answers.
        type: int
        default: 1
      timeout:
        description: Seconds this criterion may take.
        type: float
        default: 10
      remedy:
        description: One sentence that is shown when the criterion does not pass.
        type: str
  namespace:
    description: Namespace of what the sources C(service) and C(kubernetes) name, unless they name one themselves.
    type: str
  deadline:
    description: Seconds one evaluation of all criteria may take.
    type: float
    default: 60
  hold:
    description:
      - Go on evaluating for so many seconds. The first blocking criterion that fails ends it at once, otherwise the
        last evaluation counts.
      - What is V(insufficient) or in V(error) in between may still pass in the end.
    type: float
    default: 0
  fail:
    description: Whether the task fails when the gate is not passed.
    type: bool
    default: true
  gate:
    description: What the ledger calls the gate, for example C(staged).
    type: str
  component:
    description: The component the ledger says the gate is held for.
    type: str
requirements:
  - jmespath, for a O(criteria[].select) that is more than a dotted key
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.run
  - runbook.release.attributes
  - runbook.release.attributes.info_module
seealso:
  - module: runbook.release.witness
"""

EXAMPLES = r"""
- name: Smoke the idle colour before it gets traffic
  runbook.release.tor_validate:
    namespace: shop
    criteria:
      - name: health
        source: {kind: service, service: shop-green, path: /healthz}
        select: status
        expect: 200..299
      - name: the new version answers
        source: {kind: service, service: shop-green, path: /version}
        select: version
        expect: '== "1.4.0"'

- name: Watch the new version for five minutes
  runbook.release.tor_validate:
    hold: 300
    criteria:
      - name: errors of the new version
        clause: TOR 4.2
        source: {kind: witness, path: /var/lib/releases/shop-1.4.0/witness, version: "1.4.0", since: "{{ step_began }}"}
        select: error_share
        expect: < 1 %
        samples: 200
        remedy: read the log of the new version for the failing route
      - name: nobody waits long
        source: {kind: http, url: "https://shop.example.com/search?q=lamp"}
        select: latency
        aggregate: p95
        samples: 20
        expect: < 800 ms
        severity: advisory

- name: Hold a gate of a release and record it
  runbook.release.tor_validate:
    run: "{{ begun.run }}"
    gate: staged
    component: shop
    criteria: "{{ criteria }}"
"""

RETURN = r"""
passed:
  description: Whether every blocking criterion passed.
  type: bool
  returned: always
head:
  description: The newest entry of the ledger, which holds the verdicts. Keep it elsewhere.
  type: dict
  returned: with O(gate) and O(run.signing_key)
  contains:
    number:
      description: Its number.
      type: int
    sha256:
      description: Its SHA-256.
      type: str
    signature:
      description: Signature by O(run.signing_key), as C(ssh-keygen -Y sign) writes it.
      type: str
      returned: when it was signed
  sample:
    number: 9
    sha256: 6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090
verdicts:
  description: One verdict for each criterion, in their order.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: Name of the criterion.
      type: str
    clause:
      description: Its clause.
      type: str
    severity:
      description: Its severity.
      type: str
    verdict:
      description: V(pass), V(fail), V(insufficient) or V(error).
      type: str
    observed:
      description: The value, in RV(verdicts[].unit).
      type: raw
    unit:
      description: The unit of the threshold.
      type: str
    threshold:
      description: What was expected.
      type: str
    margin:
      description: How far the value is from the threshold, in RV(verdicts[].unit). Negative on the wrong side.
      type: float
    samples:
      description: Observations behind the value.
      type: int
    sentence:
      description: All of it in one sentence.
      type: str
      sample: "errors of the new version (TOR 4.2): error_share is 0.2 %, expected < 1 %"
    source:
      description: What was read, without secrets.
      type: str
    evidence:
      description: What the source had to say beyond the value.
      type: raw
    seconds:
      description: How long it took.
      type: float
"""

import functools
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.tor.aggregate import AGGREGATES
from ansible_collections.runbook.release.plugins.module_utils.tor.baseline import Baseline
from ansible_collections.runbook.release.plugins.module_utils.tor.capture import baseline_of, capture
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import Criterion, parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import Gate, evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.tor.subject import Subject

if t.TYPE_CHECKING:
    from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient

_CRITERION = {
    "name": {"type": "str", "required": True},
    "clause": {"type": "str"},
    "source": {"type": "dict", "required": True},
    "select": {"type": "str", "required": True},
    "aggregate": {"type": "str", "choices": list(AGGREGATES)},
    "expect": {"type": "raw", "required": True},
    "severity": {"type": "str", "choices": ["blocking", "advisory"], "default": "blocking"},
    "samples": {"type": "int", "default": 1},
    "timeout": {"type": "float", "default": 10},
    "remedy": {"type": "str"},
}
_SUBJECT = {"version": {"type": "str"}, "digest": {"type": "str"}, "newer_than": {"type": "str"}}


def tor_validate_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "criteria": {"type": "list", "elements": "dict", "required": True, "options": _CRITERION},
            "state": {"type": "str", "choices": ["evaluated", "captured"], "default": "evaluated"},
            "baseline": {"type": "dict"},
            "subject": {"type": "dict", "options": _SUBJECT},
            "namespace": {"type": "str"},
            "deadline": {"type": "float", "default": 60},
            "hold": {"type": "float", "default": 0},
            "fail": {"type": "bool", "default": True},
            "gate": {"type": "str"},
            "component": {"type": "str"},
            **RUN_OPTIONS,
        },
        required_together=[("gate", "component")],
    ).merge(kube_argument_spec())


def main() -> t.NoReturn:
    module = AnsibleModule(supports_check_mode=True, **tor_validate_argument_spec().to_kwargs())
    params = module.params
    with failing_cleanly(module):
        criteria, run = parse_criteria(params["criteria"]), Run.of(params["run"])
        connect = functools.cache(lambda: kube_client(module))
        world = world_of(params, connect)
        look = functools.partial(measured, params, criteria, world)
        gate, head = in_release(module, run, connect(), look) if run else (look(lambda: None), {})
    result: dict[str, t.Any] = {"passed": gate.passed, "verdicts": [verdict.report() for verdict in gate.verdicts]}
    if params["state"] == "captured":
        result["baseline"] = baseline_of(gate)
    if head:
        result["head"] = head
    if params["fail"] and not gate.passed:
        module.fail_json(msg=summary(gate), **result)
    module.exit_json(changed=False, **result)


def measured(params: dict[str, t.Any], criteria: list[Criterion], world: World, check: t.Callable[[], None]) -> Gate:
    if params["state"] == "captured":
        return capture(criteria, world, params["deadline"])
    return evaluate(criteria, world, params["deadline"], params["hold"], check)


def in_release(
    module: AnsibleModule, run: Run, client: KubeClient, look: t.Callable[[t.Callable[[], None]], Gate]
) -> tuple[Gate, dict[str, t.Any]]:
    """The gate, held under the lock and recorded if it has a name, and the head of the ledger if it was signed.

    What this needs takes longer to import than most criteria take, so it is imported here.
    """
    from ansible_collections.runbook.release.plugins.module_utils.release import machine
    from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal

    with journal(client, run, module.warn) as book:
        gate = look(book.check)
        if not module.params["gate"]:
            return gate, {}
        book.note(machine.gate(module.params["gate"], module.params["component"]), after=gate.record())
        return gate, book.sign()


def world_of(params: dict[str, t.Any], connect: t.Callable[[], KubeClient]) -> World:
    about = {name: text for name, text in (params["subject"] or {}).items() if text}
    return World(params["namespace"] or "", connect, Subject(**about).checked(), Baseline.parse(params["baseline"]))


def summary(gate: Gate) -> str:
    """Every criterion that keeps the gate closed, in its own sentence."""
    count = f"{len(gate.blockers)} of {len(gate.verdicts)} criteria keep the gate closed"
    return ". ".join([count, *(f"{verdict.verdict}: {verdict.sentence}" for verdict in gate.blockers)]) + "."


if __name__ == "__main__":
    main()
