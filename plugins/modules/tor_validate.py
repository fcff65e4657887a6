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
  state:
    description:
      - V(evaluated) holds the gate.
      - V(captured) measures, before a release, what criteria that refer to a baseline will be compared with, and
        returns it as RV(baseline). Other criteria are left alone. Passed when all of them were measured.
      - As part of a release (O(run)) it is kept in the ledger and measured once. A task that finds it there, or that
        comes after the first traffic was moved, measures nothing.
    type: str
    choices: [evaluated, captured]
    default: evaluated
  baseline:
    description:
      - What a task with O(state=captured) returned as RV(baseline). As part of a release (O(run)) the default is what
        its ledger has.
      - Without any a criterion that refers to a baseline is V(insufficient).
    type: dict
  subject:
    description:
      - What reports have to be about. Those of another version or image, and older ones, are V(insufficient).
      - A report that does not say for which version or image it was made is held to O(subject.newer_than) alone, but
        a report on an image has to name its digest.
    type: dict
    suboptions:
      version:
        description: The version.
        type: str
      digest:
        description: The digest of the image.
        type: str
      newer_than:
        description: When the image was built, in ISO 8601 with its time zone or in seconds since the epoch.
        type: str
      images:
        description:
          - Where a release has several images, the digests by component, each a list, in place of O(subject.digest).
          - A report that names an image is held to those of the C(component) of its source, or to all of them.
            P(runbook.release.subject#filter) finds them.
        type: dict
  namespace:
    description: Namespace of what sources name in the cluster, unless they name one themselves.
    type: str
  deadline:
    description: Seconds one evaluation may take, cutting longer timeouts. By default 60, or the longest timeout.
    type: float
  hold:
    description:
      - Go on evaluating for so many seconds, but capture a baseline once. The first blocking criterion that fails ends
        it at once, otherwise the last evaluation counts. What is V(insufficient) or V(error) meanwhile may still pass,
        and so may a C(error_share) of a witness that exceeds its limit by no more than chance does.
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
  - psycopg2, for the sources C(sql) and C(model) from a database
extends_documentation_fragment:
  - runbook.release.criteria
  - runbook.release.policy
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

- name: Accept what was tested, scanned and measured for exactly this image
  runbook.release.tor_validate:
    subject: {version: "1.4.0", digest: "{{ image.digest }}", newer_than: "{{ image.created }}"}
    criteria:
      - name: all tests pass
        clause: TOR 7.1.2
        source: {kind: junit, path: build/junit.xml}
        select: failed
        expect: == 0
        samples: 555
      - name: no critical vulnerability
        clause: TOR 7.1.6
        source: {kind: trivy, path: build/trivy.json, accepted: [CVE-2026-1234 until 2026-12-31]}
        select: critical
        expect: == 0
      - name: latency under load
        source: {kind: k6, path: build/summary.json, exit_code: "{{ load_test.rc }}", trust_file_time: true}
        select: p95
        expect: < 1000 ms
        samples: 1000
      - name: accuracy of the load forecast
        source: {kind: model, path: build/forecast.csv, time_column: at, floor: 5}
        select: mape
        expect: < 10 %
        samples: 168

- name: Remember how fast it was
  runbook.release.tor_validate:
    state: captured
    criteria: "{{ criteria }}"
  register: before

- name: Let it be at most twice as slow
  runbook.release.tor_validate:
    baseline: "{{ before.baseline }}"
    criteria:
      - name: search
        source: {kind: http, url: "https://shop.example.com/search?q=lamp"}
        select: latency
        aggregate: p95
        samples: 20
        expect: <= 2 x baseline

- name: Watch the new version for five minutes, by the decision matrix of the runbook
  runbook.release.tor_validate:
    hold: 300
    criteria: "{{ criteria }}"
    policy:
      - {criterion: error share, when: "> 20 %", action: rollback}
      - {criterion: error share, when: "10 %..20 %", action: rollback, after: 5m}
      - {criterion: error share, when: "5 %..10 %", action: watch}
      - {criterion: health, when: failed, times: 4, action: rollback}
      - {criterion: nobody asked to go back, when: failed, action: rollback}

- name: Hold a gate of a release and record it
  runbook.release.tor_validate: {run: "{{ begun.run }}", gate: staged, component: shop, criteria: "{{ criteria }}"}
"""

RETURN = r"""
passed:
  description: Whether every blocking criterion passed.
  type: bool
  returned: always
baseline:
  description: What was captured, by the names of the criteria. To be given as O(baseline).
  type: dict
  returned: with O(state=captured)
  sample:
    search:
      measure: p95 of latency
      observed: 120.5
      unit: ms
      samples: 20
      at: "2026-11-21T16:00:00Z"
decision:
  description:
    - What O(policy) says, as C(action) (C(nothing), C(watch), C(hold) or C(rollback)) and C(sentence), with the
      C(rules) and the C(numbers) it was made of.
    - C(components) are those that alone go back; empty where all do. C(since) is when its rules began to hold, C(due)
      when a hold is decided.
    - C(standing) is for O(standing) of the next look.
  type: dict
  returned: with O(policy)
  sample:
    action: hold
    sentence: >-
      error share 10 %..20 % holds since 2026-11-21T16:00:00Z: rollback when it still holds at 2026-11-21T16:05:00Z
    components: []
    rules: ["error share 10 %..20 %, for 5m: rollback"]
    numbers: [{name: error share, verdict: fail, observed: 12.5, unit: "%", threshold: "< 5 %"}]
    since: "2026-11-21T16:00:00Z"
    due: "2026-11-21T16:05:00Z"
    standing:
      at: 1795276800.0
      rules: {"error share 10 %..20 %, for 5m: rollback": [1795276800.0, 0.0, 1, 1795276800.0]}
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
    at:
      description: When measuring began.
      type: str
      sample: "2026-11-21T16:00:00Z"
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
from ansible_collections.runbook.release.plugins.module_utils.tor.capture import baseline_of, comparing
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import Gate
from ansible_collections.runbook.release.plugins.module_utils.tor.gate import (
    in_release,
    known_baseline,
    measured,
    nothing,
    policy_of,
    world_of,
)

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
_RULE = {
    "when": {"type": "str", "required": True},
    "criterion": {"type": "str"},
    "action": {"type": "str", "required": True, "choices": ["rollback", "hold", "watch"]},
    "component": {"type": "str"},
    "after": {"type": "str"},
    "times": {"type": "int"},
}
_SUBJECT = {
    "version": {"type": "str"},
    "digest": {"type": "str"},
    "newer_than": {"type": "str"},
    "images": {"type": "dict"},
}


def tor_validate_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "criteria": {"type": "list", "elements": "dict", "required": True, "options": _CRITERION},
            "state": {"type": "str", "choices": ["evaluated", "captured"], "default": "evaluated"},
            "baseline": {"type": "dict"},
            "subject": {"type": "dict", "options": _SUBJECT},
            "namespace": {"type": "str"},
            "deadline": {"type": "float"},
            "hold": {"type": "float", "default": 0},
            "policy": {"type": "list", "elements": "dict", "options": _RULE},
            "standing": {"type": "dict"},
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
        policy = policy_of(params)
        connect = functools.cache(lambda: kube_client(module))
        compared = bool(comparing(criteria)) or bool(policy and policy.compares)
        world = world_of(params, connect, known_baseline(params, run, compared, connect))
        look = functools.partial(measured, params, criteria, policy, world)
        gate, more = in_release(params, run, connect(), look, module.warn) if run else (look(nothing, nothing), {})
    result: dict[str, t.Any] = {"passed": gate.passed, "verdicts": [verdict.report() for verdict in gate.verdicts]}
    if params["state"] == "captured":
        result["baseline"] = baseline_of(gate)
    if gate.decision:
        result["decision"] = gate.decision.report()
    result |= more
    if params["fail"] and not gate.passed:
        module.fail_json(msg=summary(gate), **result)
    module.exit_json(changed=False, **result)


def summary(gate: Gate) -> str:
    """Every criterion that keeps the gate closed, in its own sentence."""
    count = f"{len(gate.blockers)} of {len(gate.verdicts)} criteria keep the gate closed"
    decided = [f"The rollback policy says {gate.decision.sentence}"] if gate.decision and gate.decision.keeps else []
    return ". ".join([count, *decided, *(f"{verdict.verdict}: {verdict.sentence}" for verdict in gate.blockers)]) + "."


if __name__ == "__main__":
    main()
