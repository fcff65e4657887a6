#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_run
short_description: Begin a release, go on with one that somebody left unfinished, or end it
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Gives a playbook the right to release a system, and says what to do with it. It takes the lock, reads the index of
    all releases and the ledger of the unfinished one, decides, and records the decision.
  - Whoever starts, from whatever machine, finds what an earlier run left when it was killed. It continues, goes back,
    or learns that nothing was started.
  - Every entry is written in an order that leaves a way on from every moment in which a run can die. What a dead run
    could not write any more, the next one does.
  - The index is a ledger of its own for each system and environment, named C(<system>-<environment>-index). An index
    or a ledger that is not what was written is refused with everything that is wrong with it.
  - If the decision is to refuse, the lock is released again.
options:
  state:
    description:
      - V(begun) begins a release, or goes on with the unfinished one.
      - V(ended) records how it ended, seals its ledger, tells the index and releases the lock. Repeated after a crash
        it writes what is missing.
      - V(lifted) lets a version be released again that was rolled back or failed.
    type: str
    choices: [begun, ended, lifted]
    required: true
  namespace:
    description: Namespace of the lock and the ledgers. Required unless O(state=ended).
    type: str
  system:
    description: The system to release. Required unless O(state=ended).
    type: str
  environment:
    description: The environment it is released in. Required unless O(state=ended).
    type: str
  kind:
    description:
      - V(release) brings the system to O(version), or takes a version back.
      - V(restore) brings its databases back from their backups. It has no O(version), stands in the same index, and
        neither it nor a release begins before the other has ended. One that was interrupted is continued.
      - V(tasks) is work on the running system that is no release. It has no O(version), stands in the same index, and
        does not begin while a release or a restore is unfinished. One that was interrupted is never continued; whatever
        begins next ends it as V(given up), and says so.
    type: str
    choices: [release, restore, tasks]
    default: release
  version:
    description:
      - The version to release, or to lift the hold of. Required with O(state=lifted).
      - Without it O(state=begun) takes back the unfinished release, else the newest one that was released, unless
        O(kind) is another.
    type: str
  alone:
    description:
      - Without O(version), names of the components that alone are taken back of the newest release, while its others
        stay. Only what rolls goes back so.
      - The version is then on hold, and releasing it again with O(lift) brings them forward again.
      - A release that is unfinished goes on or back as a whole.
    type: list
    elements: str
    default: []
  changes:
    description: Whether the plan has anything to do. If not, and nothing is unfinished, nothing is recorded.
    type: bool
    default: true
  resumed:
    description:
      - Whether the run did without windows and approvals, because a release was unfinished.
      - If none is any more, nothing begins.
    type: bool
    default: false
  resume:
    description:
      - What to do with an unfinished release of O(version).
      - V(continue) goes on where it stands, if what it releases is still the same.
      - V(rollback) goes back. V(ask) refuses, and says where it stands and how to go on.
      - A release that was on its way back already only ever goes back.
      - V(forward) goes on like V(continue). An unfinished release of another version is given up where it stands, and
        O(version) begins, or the restore. It is for a release that must not go back, because of a migration, say.
    type: str
    choices: [continue, rollback, ask, forward]
    default: continue
  lift:
    description: Why a version on hold may be released again, for the record.
    type: str
  takeover:
    description: Take the lock also from a living holder. Needs O(reason).
    type: bool
    default: false
  reason:
    description: Why the lock is taken over, why the release ended so, or why the version may be tried again.
    type: str
  holder:
    description:
      - Who releases, as others read it.
      - Without it, the AWX job if E(AWX_HOST) and E(JOB_ID) are set, else C(user@host).
    type: str
  ttl:
    description: Seconds the lock stays valid after a renewal.
    type: int
    default: 60
  mirror:
    description: Folder for copies of the ledgers on this machine, one a release by its id, and C(index).
    type: path
  signing_key:
    description:
      - What becomes O(run.signing_key). Signed heads are kept in O(mirror).
      - A release of O(version) does not begin with a key that signs nothing. Later a head that cannot be signed is a
        warning.
    type: path
extends_documentation_fragment:
  - runbook.release.recorded
  - runbook.release.ended
  - runbook.release.run
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - Reads and decides. No lock is taken and nothing is recorded. A living holder of the lock is named in
        RV(sentence).
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - O(state=ended) and O(state=lifted) are. O(state=begun) records each time that somebody goes on with the release,
        unless there is nothing to do.
requirements:
  - rfc8785
seealso:
  - module: runbook.release.release_info
  - module: runbook.release.release_ledger
notes:
  - "Needs the RBAC verbs C(get), C(list), C(create) and C(patch) for C(configmaps), and C(get), C(create) and C(patch)
    for C(leases.coordination.k8s.io), in O(namespace)."
  - A version whose newest release was V(rolled back) or V(failed) is on hold until O(lift) or O(state=lifted) says why
    it may be tried again. One that was V(stopped) never had traffic and is not.
"""

EXAMPLES = r"""
- name: Begin, or go on with what somebody left unfinished
  runbook.release.release_run:
    state: begun
    namespace: shop
    system: shop
    environment: prod
    version: 1.4.0
    plan: "{{ plan.digest }}"
    inputs: "{{ plan.inputs }}"
    components: [api, web]
    steps: [5, 25, 100]
    mirror: /var/lib/releases/shop
  register: begun

- name: End it
  runbook.release.release_run:
    state: ended
    run: "{{ begun.run }}"
    verdict: released
    seconds: 412.5

- name: The cause was found, so the version may be tried again
  runbook.release.release_run:
    state: lifted
    namespace: shop
    system: shop
    environment: prod
    version: 1.4.0
    reason: CHG-1234, the database was full
"""

RETURN = r"""
decision:
  description: What the playbook is to do. After V(judge) no lock is held until O(judged) says what was judged.
  type: str
  returned: with O(state=begun)
  choices: [start, continue, back, judge, nothing]
  sample: continue
sentence:
  description: The decision and its reason, or what became of the release, for people.
  type: str
  returned: success
  sample: >-
    Release shop-prod-1-4-0-20261124t190000z of 1.4.0, begun by bob@laptop at 2026-11-24T19:00:00.123456Z, stands after
    'switch web to 25' (api 25 %, web 25 %); it continues.
run:
  description: What every other module of the release takes as its option C(run); empty if there is nothing to do.
  type: dict
  returned: with O(state=begun)
  sample:
    release: shop-prod-1-4-0-20261124t190000z
    namespace: shop
    lease: shop-prod
    token: 1795271165
    who: alice@build-7
    ttl: 60
    mirror: /var/lib/releases/shop/shop-prod-1-4-0-20261124t190000z
    signing_key: /home/alice/.ssh/id_ed25519
version:
  description: Version of the release that begins, goes on or is taken back; empty of a restore.
  type: str
  returned: with O(state=begun)
  sample: 1.4.0
began:
  description: Epoch seconds at which it began, also if that was by an earlier run; V(0) in check mode.
  type: float
  returned: with O(state=begun)
plan:
  description: Digest of the plan with which the release began.
  type: str
  returned: with O(state=begun)
  sample: sha256:8d2a1f34c1a3b9c6f4f0a6ae2d6be1c0c8b9d3a0d5f44c0b93f53a5d2b7c9e11
inputs:
  description: O(inputs) as they were when the release began.
  type: dict
  returned: with O(state=begun)
first:
  description: Whether no version was live when the release began.
  type: bool
  returned: with O(state=begun)
migrations:
  description: The database steps of the release, or of the one that it takes back.
  type: list
  elements: dict
  returned: with O(state=begun)
  sample: [{name: 0043-drop-price, class: contract}]
starter:
  description: Who started the release, as O(starter) said when it began.
  type: str
  returned: with O(state=begun)
  sample: alice@example.com
approvals:
  description: Who had approved the plan when the release began, without C(file).
  type: list
  elements: dict
  returned: with O(state=begun)
rolled:
  description: The release units that had begun to roll in the release that goes on, or in the one that it takes back.
  type: list
  elements: str
  returned: with O(state=begun)
  sample: [shop]
alone:
  description: The components that alone are taken back, as O(alone) said when that began; empty for everything else.
  type: list
  elements: str
  returned: with O(state=begun)
  sample: []
proof:
  description: What proved the version when the release began, as O(proof) said it.
  type: dict
  returned: with O(state=begun)
weight:
  description: The highest percentage of the traffic that the new version of any component got, or was about to get.
  type: int
  returned: with O(state=begun)
at:
  description: The step that began and is not done; empty if there is none.
  type: str
  returned: with O(state=begun)
  sample: switch web to 25
taken_over:
  description: From whom the lock was taken and why; empty if from nobody.
  type: dict
  returned: with O(state=begun)
  sample: {from: bob@laptop, token: 1795271164, by: alice@build-7, why: not renewed for more than 60 s,
    at: "2026-11-24T19:04:13Z"}
release:
  description: The id of the release.
  type: str
  returned: with O(state=ended)
  sample: shop-prod-1-4-0-20261124t190000z
verdict:
  description: How it ended; the first verdict that was recorded.
  type: str
  returned: with O(state=ended)
  sample: released
head:
  description:
    - Number and SHA-256 of the last entry of the sealed ledger, and the C(signature) of both if they were signed. Keep
      it elsewhere.
  type: dict
  returned: with O(state=ended), not in check mode
  sample: {number: 16, sha256: 6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090}
hold:
  description: The hold that was lifted, or that forbids the release; empty if there was none.
  type: dict
  returned: with O(state=lifted), and when refused because of it
  sample: {version: 1.4.0, verdict: rolled back, release: shop-prod-1-4-0-20261124t190000z, since: "2026-11-24T19:12Z"}
changed_inputs:
  description: What is not the same as when the release began.
  type: list
  elements: str
  returned: when refused because of it
  sample: [values of web]
findings:
  description: Everything that is wrong with the index or the ledger.
  type: list
  elements: dict
  returned: when refused because of it
  sample:
    - {source: cluster, kind: altered, number: 3, until: 3, sentence: entry 3 is altered}
owner:
  description: Who holds the lock instead, with the seconds that remain of its time.
  type: dict
  returned: when refused because of it
  sample: {holder: bob@laptop, token: 1795271164, ttl: 60, remaining: 55}
"""

import os
from typing import Any, cast

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import holder_of, lease_name
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.ending import END_OPTIONS, End, end, lift
from ansible_collections.runbook.release.plugins.module_utils.release.index import KINDS, RELEASE
from ansible_collections.runbook.release.plugins.module_utils.release.operate import Begin, begin
from ansible_collections.runbook.release.plugins.module_utils.release.recorded import RECORDED_OPTIONS
from ansible_collections.runbook.release.plugins.module_utils.release.resume import POLICIES
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run

SUBJECT = ["namespace", "system", "environment"]


def run_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["begun", "ended", "lifted"], "required": True},
            "namespace": {"type": "str"},
            "system": {"type": "str"},
            "environment": {"type": "str"},
            "kind": {"type": "str", "choices": list(KINDS), "default": RELEASE},
            "version": {"type": "str"},
            "alone": {"type": "list", "elements": "str", "default": []},
            "changes": {"type": "bool", "default": True},
            "resumed": {"type": "bool", "default": False},
            "resume": {"type": "str", "choices": list(POLICIES), "default": "continue"},
            "lift": {"type": "str"},
            "takeover": {"type": "bool", "default": False},
            "reason": {"type": "str"},
            "holder": {"type": "str"},
            "ttl": {"type": "int", "default": 60},
            "mirror": {"type": "path"},
            "signing_key": {"type": "path", "no_log": False},
        },
        mutually_exclusive=[("version", "judged")],
        required_if=[
            ("state", "begun", [*SUBJECT, "components", "steps"]),
            ("state", "ended", ["run", "verdict"]),
            ("state", "lifted", [*SUBJECT, "version", "reason"]),
            ("takeover", True, ["reason"]),
        ],
    )


def act(module: AnsibleModule) -> dict[str, Any]:
    params, client = module.params, kube_client(module)
    who = params["holder"] or holder_of(os.environ)
    if params["state"] == "begun":
        return begin(client, Begin.of(params, who))
    if params["state"] == "lifted":
        lease = lease_name(params["system"], params["environment"])
        return lift(client, params["namespace"], lease, params["version"], params["reason"], who)
    return end(client, cast(Run, Run.of(params["run"])), End.of(params))


def main() -> None:
    options = ArgumentSpec(RECORDED_OPTIONS | END_OPTIONS | RUN_OPTIONS)
    spec = run_argument_spec().merge(options, kube_argument_spec())
    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    if module.params["ttl"] < 1:
        module.fail_json(msg=f"ttl is {module.params['ttl']}: a lock has to be valid for at least 1 second.")
    for name in ("version", "alone"):
        if module.params["kind"] != RELEASE and module.params[name]:
            module.fail_json(msg=f"The kind {module.params['kind']} has no {name}. Do: leave out {name}.")
    if module.params["version"] and module.params["alone"]:
        module.fail_json(msg="Components alone are taken back, not released. Do: leave out version, or alone.")
    with failing_cleanly(module):
        result = act(module)
        for warning in result.pop("warnings", []):
            module.warn(warning)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
