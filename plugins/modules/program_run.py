#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: program_run
short_description: Run a program where releases are made from, or in pods, under the lock of a run
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Runs O(command) without a shell, on this machine or, with O(pods), in a container of one pod or of each that is
    ready, and waits until it has ended. It has to end with 0.
  - With O(run) the lock is renewed as long as the program works. On this machine it is ended, with everything that it
    has started, once the lock is lost or O(timeout) is over. In a pod nothing can be ended from outside, and the
    program is not started in the next one.
  - What a program writes may hold secrets. It is in the result, and never in a ledger.
options:
  command:
    description: The program and its arguments. They can be seen by others on the machine, so no secret belongs there.
    type: list
    elements: str
    required: true
  folder:
    description: Where it runs on this machine.
    type: path
  timeout:
    description: How long it may take, in each pod; seconds, or for example V(90m).
    type: str
    default: 10m
  meanings:
    description: What an exit code means, by the code, for what is said of a failure.
    type: dict
    default: {}
  pods:
    description: Run it there instead, one pod after the other.
    type: dict
    suboptions:
      namespace:
        description: Their namespace.
        type: str
        required: true
      kind:
        description: Kind of O(pods.workload).
        type: str
        choices: [Deployment, StatefulSet, DaemonSet]
        default: Deployment
      workload:
        description: The workload whose pods they are.
        type: str
      labels:
        description: Labels that they have, instead of O(pods.workload).
        type: dict
      container:
        description: The first one of the pod if not set.
        type: str
      everywhere:
        description: Whether it runs in every pod that is ready. Those that are not are named in RV(plan).
        type: bool
        default: false
  keep:
    description: Folder for all that it writes in O(pods), a file a pod.
    type: path
  keep_as:
    description: How the names of these files begin.
    type: str
    default: said
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.run
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details: The program is not run; pods are chosen.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: It runs each time.
notes:
  - "With O(pods) it needs the RBAC verbs C(get) for the workload, C(list) for C(pods), and C(get) and C(create) for
    C(pods/exec), in O(pods.namespace)."
seealso:
  - module: runbook.release.workload_change
"""

EXAMPLES = r"""
- name: Run the tests that go against production
  runbook.release.program_run:
    command: [go, test, ./...]
    folder: /srv/shop/tests
    timeout: 30m

- name: Train the model again, in one pod of the API
  runbook.release.program_run:
    command: [python, -m, app.cli, retrain]
    timeout: 2h
    pods: {namespace: shop, workload: api}

- name: Keep the heap profile of every pod
  runbook.release.program_run:
    command: [curl, --silent, --fail, "http://localhost:9090/debug/pprof/heap?debug=1"]
    pods: {namespace: shop, labels: {app: shop}, everywhere: true}
    keep: records/heap
"""

RETURN = r"""
plan:
  description: What was done, or would be.
  type: str
  returned: success
  sample: It ran in api-7c9f-2x5kq.
found:
  description:
    - C(said), the last 50 lines that it wrote, or with O(pods) such lines in C(pods), by the name of the pod.
  type: dict
  returned: always, but not in check mode
  sample: {said: [ok shop/tests 12.3s]}
files:
  description: What was kept.
  type: list
  elements: str
  returned: with O(keep), but not in check mode
record:
  description: Why it failed, without a word of what the program wrote.
  type: str
  returned: failure
  sample: go ended with exit code 1
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book, journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.tasks.pods import KINDS, Where, find
from ansible_collections.runbook.release.plugins.module_utils.tasks.program import (
    LINES,
    Program,
    keep,
    run_here,
    run_in,
)
from ansible_collections.runbook.release.plugins.module_utils.window.spans import seconds

if t.TYPE_CHECKING:
    from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient

Given = t.Mapping[str, t.Any]
Result = dict[str, t.Any]

PODS = {
    "namespace": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": list(KINDS), "default": "Deployment"},
    "workload": {"type": "str"},
    "labels": {"type": "dict"},
    "container": {"type": "str"},
    "everywhere": {"type": "bool", "default": False},
}


def argument_spec() -> ArgumentSpec:
    pods = {
        "type": "dict",
        "options": PODS,
        "required_one_of": [("workload", "labels")],
        "mutually_exclusive": [("workload", "labels")],
    }
    own: dict[str, t.Any] = {
        "command": {"type": "list", "elements": "str", "required": True},
        "folder": {"type": "path"},
        "timeout": {"type": "str", "default": "10m"},
        "meanings": {"type": "dict", "default": {}},
        "pods": pods,
        "keep": {"type": "path"},
        "keep_as": {"type": "str", "default": "said"},
    }
    spec = ArgumentSpec(own, mutually_exclusive=[("folder", "pods")], required_by={"keep": ["pods"]})
    return spec.merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def program_of(params: Given) -> Program:
    return Program(params["command"], seconds("timeout", params["timeout"]), params["meanings"])


def here(params: Given, book: Book, check: bool) -> Result:
    if check:
        return {"changed": True, "plan": "It would run."}
    said = run_here(program_of(params), params["folder"] or ".", book)
    return {"changed": True, "plan": "It ran.", "found": {"said": said.splitlines()[-LINES:]}}


def in_pods(client: KubeClient, params: Given, book: Book) -> Result:
    where = Where(**{name: value for name, value in params["pods"].items() if value is not None})
    chosen = find(client, where)
    if client.dry_run:
        return {"changed": True, "plan": f"It would run {chosen.sentence}"}
    said = run_in(client, where.namespace, chosen, program_of(params), book)
    kept = {"files": keep(said.by, params["keep"], params["keep_as"])} if params["keep"] else {}
    result = {"changed": True, "plan": f"It ran {chosen.sentence}", "found": {"pods": said.report()}, **kept}
    if said.bad:
        ill = "It did not end well in every pod it ran in"
        failed = {"failed": True, "msg": f"{ill}: {'; '.join(said.bad)}.", "record": f"{ill}."}
        result.update(failed)
    return result


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    params = module.params
    with failing_cleanly(module):
        run = Run.of(params["run"])
        client = kube_client(module) if run or params["pods"] else None
        there = bool(params["pods"])
        with journal(client, run, module.warn) as book:
            result = in_pods(client, params, book) if client and there else here(params, book, module.check_mode)
        if result.get("failed"):
            module.fail_json(**result)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
