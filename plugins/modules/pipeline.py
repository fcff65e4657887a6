#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pipeline
short_description: Start a pipeline, follow its run until it ends, or remove what old runs have left
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Dispatches a workflow of GitHub Actions with its inputs, or finds what the push of a tag started, and returns once
    every run has ended. A run that does not succeed, or not in time, is an error with its address.
  - Removes artifacts of workflows that are old and not needed.
options:
  do:
    description:
      - V(dispatch) starts O(workflow) on O(ref), and follows the run. When other runs of it begin at the same moment,
        which one is ours cannot be told, and that is an error.
      - V(follow) follows every run that the push of O(ref) started, for the commit that O(ref) names now.
      - V(tidy) removes artifacts older than O(older_than).
    type: str
    choices: [dispatch, follow, tidy]
    required: true
  repository:
    description: The repository, as C(owner/name).
    type: str
    required: true
  api:
    description: Address of the API.
    type: str
    default: https://api.github.com
  token:
    description: A token with the right to read and, unless with O(do=follow), to write actions.
    type: str
    required: true
  api_ca_cert:
    description: PEM file of the authority that O(api) is trusted by.
    type: path
    default: ""
  workflow:
    description: Name of the file of the workflow. Required with O(do=dispatch); of all of them if not set.
    type: str
    default: ""
  ref:
    description: The branch or tag. Required with O(do=dispatch) and O(do=follow).
    type: str
  inputs:
    description: The inputs of O(workflow).
    type: dict
    default: {}
  older_than:
    description: Age from which artifacts may go, for example V(30d). Required with O(do=tidy).
    type: str
  newest:
    description: So many of each name stay in any case.
    type: int
    default: 10
  keep:
    description: Patterns such as V(v*). An artifact whose name, or the branch or tag of whose run, matches one stays.
    type: list
    elements: str
    default: []
  every:
    description: Seconds between two looks at a run.
    type: float
    default: 10
  timeout:
    description: Seconds all of it may take.
    type: int
    default: 3600
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.run
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details: Nothing is started, so there is nothing to follow.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: V(dispatch) starts a run each time.
"""

EXAMPLES = r"""
- name: Deploy the way the pipeline does
  runbook.release.pipeline:
    do: dispatch
    repository: example/shop
    workflow: deploy-production.yml
    ref: main
    inputs: {version: 2.4.0}
    token: "{{ lookup('ansible.builtin.env', 'GITHUB_TOKEN') }}"

- name: Wait for what the tag started
  runbook.release.pipeline:
    do: follow
    repository: example/shop
    ref: v2.4.0
    token: "{{ lookup('ansible.builtin.env', 'GITHUB_TOKEN') }}"

- name: Remove what nobody needs any more
  runbook.release.pipeline:
    do: tidy
    repository: example/shop
    older_than: 90d
    keep: [v*]
    token: "{{ lookup('ansible.builtin.env', 'GITHUB_TOKEN') }}"
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be.
  type: str
  returned: success
  sample: "deploy-production.yml of main ended with success"
runs:
  description: The runs that were followed.
  type: list
  elements: dict
  returned: with O(do=dispatch) and O(do=follow)
  contains:
    id: {description: Its number., type: int}
    name: {description: Name of its workflow., type: str}
    url: {description: Where it can be looked at., type: str}
    conclusion: {description: How it ended., type: str}
    commit: {description: The commit it ran for., type: str}
removed:
  description: Artifacts that were removed, or would be, oldest first.
  type: list
  elements: dict
  returned: with O(do=tidy)
  contains:
    id: {description: Its number., type: int}
    name: {description: Its name., type: str}
    made: {description: When it was made., type: str}
kept:
  description: How many artifacts stay.
  type: int
  returned: with O(do=tidy)
"""

import time
import typing as t
from datetime import UTC, datetime

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.pipeline.artifacts import Rule, tidy
from ansible_collections.runbook.release.plugins.module_utils.pipeline.forge import Forge
from ansible_collections.runbook.release.plugins.module_utils.pipeline.runs import Asked, dispatch, follow
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book, journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.window.inputs import duration

Result = dict[str, t.Any]


def argument_spec() -> ArgumentSpec:
    own: dict[str, t.Any] = {
        "do": {"type": "str", "choices": ["dispatch", "follow", "tidy"], "required": True},
        "repository": {"type": "str", "required": True},
        "api": {"type": "str", "default": "https://api.github.com"},
        "token": {"type": "str", "required": True, "no_log": True},
        "api_ca_cert": {"type": "path", "default": ""},
        "workflow": {"type": "str", "default": ""},
        "ref": {"type": "str"},
        "inputs": {"type": "dict", "default": {}},
        "older_than": {"type": "str"},
        "newest": {"type": "int", "default": 10},
        "keep": {"type": "list", "elements": "str", "default": []},
        "every": {"type": "float", "default": 10},
        "timeout": {"type": "int", "default": 3600},
    }
    needs = [("do", "dispatch", ("workflow", "ref")), ("do", "follow", ("ref",)), ("do", "tidy", ("older_than",))]
    return ArgumentSpec(own, required_if=needs).merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def run_pipeline(params: t.Mapping[str, t.Any], check: bool, book: Book) -> Result:
    deadline = time.monotonic() + params["timeout"]
    forge = Forge(params["api"], params["repository"], params["token"], deadline, params["api_ca_cert"])
    book.look()
    if params["do"] == "tidy":
        rule = Rule(duration("older_than", params["older_than"]), params["newest"], params["keep"])
        gone, kept = tidy(forge, rule, datetime.now(UTC), check)
        removed = [{"id": one["id"], "name": one["name"], "made": one["created_at"]} for one in gone]
        return {
            "changed": bool(gone),
            "plan": f"{len(gone)} artifacts are removed, {kept} stay",
            "removed": removed,
            "kept": kept,
        }
    asked = Asked(params["workflow"], params["ref"], params["inputs"], params["every"])
    starts = params["do"] == "dispatch"
    what = f"{asked.workflow or 'every workflow'} of {asked.ref}"
    if check:
        return {"changed": starts, "plan": f"{what} is {'started and ' if starts else ''}followed", "runs": []}
    runs = (dispatch if starts else follow)(forge, asked)
    return {"changed": starts, "plan": f"{what} ended with success", "runs": runs}


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        run = Run.of(module.params["run"])
        with journal(kube_client(module) if run else None, run, module.warn) as book:
            result = run_pipeline(module.params, module.check_mode, book)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
