#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_plan
short_description: Make the plan of a release, and compare it with the approved one
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - A plan is everything a release will do, with a digest of its canonical JSON by RFC 8785, which
    M(runbook.release.release_approval) signs. The same system, inventory and cluster make the same plan, on any machine
    and at any time.
  - Comes with a page that an approver reads in a minute.
  - Of the values of charts a plan has the keys and one digest, of files of values their names and digests, and of
    criteria not where they are measured, so that a plan can be shown to anybody.
  - Works where C(ansible-playbook) runs and talks to no cluster.
options:
  state:
    description:
      - V(made) makes a plan. With O(approved) it is that plan, provided that it was made from the same.
      - V(shown) returns O(approved) or O(plan) with its page, and writes both to O(path) if that is given. It is
        refused when it is of another O(system), O(environment) or O(version), if given.
    type: str
    choices: [made, shown]
    default: made
  system:
    description: The system to release. Required with O(state=made), like O(environment), O(version) and O(components).
    type: str
  environment:
    description: The environment to release it in.
    type: str
  version:
    description: The version to release.
    type: str
  components:
    description:
      - The components as P(runbook.release.plan#role) has them. Of each one C(name), C(source), C(entry), C(workloads),
        C(replicas) and C(smoke) are read.
    type: list
    elements: dict
  staged:
    description:
      - For each component what M(runbook.release.helm_bluegreen) returned with
        O(runbook.release.helm_bluegreen#module:state=staged) in check mode, or P(runbook.release.rolled#filter) of
        what M(runbook.release.rollout) returned. Required with O(state=made).
      - When it was run with C(diff=true), the plan names the objects and fields that differ from the live ones. Run it
        so always or never, because it makes another plan.
    type: dict
  rolling:
    description: How components are changed in place, with C(surge), C(unavailable) and C(way).
    type: dict
  shift:
    description: How traffic moves.
    type: dict
    suboptions:
      steps:
        description: Percentages of the traffic.
        type: list
        elements: int
        default: [5, 25, 100]
      hold:
        description: Seconds each step is watched.
        type: int
        default: 300
      drain:
        description: Seconds to wait at the end for connections the old version still holds.
        type: int
        default: 0
  witness:
    description:
      - What the witness measures. The plan says how small a share of errors each step can see with it, with a
        confidence of 95 % and when none of its answers is an error.
    type: dict
    suboptions:
      rate:
        description: Requests per second for each component; V(0) for no witness.
        type: int
        default: 20
      duration:
        description: Not part of a plan.
        type: int
      error_share:
        description: Largest share of errors the new version may answer.
        type: str
        default: 1 %
      samples:
        description: Fewest answers that a step is judged on.
        type: int
        default: 20
  gates:
    description: For each gate its criteria, as in O(runbook.release.tor_validate#module:criteria), or their names.
    type: dict
    default: {}
  migrations:
    description: The migrations of the databases, in order.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the migration.
        type: str
        required: true
      class:
        description:
          - V(expand) leaves a schema both versions can work with, V(contract) takes away what the old version needs,
            V(irreversible) cannot be taken back at all.
        type: str
        choices: [expand, contract, irreversible]
        required: true
      kind:
        description: How it is run, as in O(runbook.release.pg_migrate#module:kind).
        type: str
      database:
        description: The database it migrates.
        type: str
      to:
        description: The revision the schema is at afterwards.
        type: str
      image:
        description: The image that has it.
        type: str
      description:
        description: What it does, in a sentence.
        type: str
  backups:
    description: The backups that are taken before, each in a few words.
    type: list
    elements: str
    default: []
  typical_seconds:
    description: How long a release takes, from earlier ledgers; V(0) when there are none.
    type: float
    default: 0
  path:
    description:
      - Folder to write C(plan.json) and C(plan.md) to, readable for their owner only. Nothing is written if not set.
    type: path
  approved:
    description:
      - A C(plan.json) that was approved, or the folder it lies in. O(state=shown) needs it or O(plan).
      - It is refused when it was edited, and with O(state=made) when anything it was made from is different now.
    type: path
  plan:
    description: With O(state=shown) the plan itself, as RV(plan) was when it was made.
    type: dict
  resumed:
    description:
      - Whether the release is under way. What is live is then not compared, because the release has changed it, and
        neither are O(windows), O(freezes), O(approvals), O(proven_in), O(override) and O(emergency), as it has begun.
    type: bool
    default: false
extends_documentation_fragment:
  - runbook.release.attributes
  - runbook.release.terms
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written.
  diff_mode:
    support: full
    details:
      - Compares the page with the one in O(path).
  idempotent:
    support: full
requirements:
  - rfc8785
  - PyYAML
seealso:
  - module: runbook.release.helm_bluegreen
  - module: runbook.release.release_approval
"""

EXAMPLES = r"""
- name: Ask what would change
  runbook.release.helm_bluegreen:
    name: shop
    namespace: shop
    version: 1.4.0
    source: "{{ shop.source }}"
    entry: "{{ shop.entry }}"
  check_mode: true
  diff: true
  register: staged

- name: Make the plan
  runbook.release.release_plan:
    system: shop
    environment: prod
    version: 1.4.0
    components: ["{{ shop }}"]
    staged: {shop: "{{ staged }}"}
    path: /srv/releases/shop/1.4.0

- name: Go on only with what was approved
  runbook.release.release_plan:
    system: shop
    environment: prod
    version: 1.4.0
    components: ["{{ shop }}"]
    staged: {shop: "{{ staged }}"}
    approved: /srv/releases/shop/1.4.0/plan.json
"""

RETURN = r"""
plan:
  description: The plan, with O(approved) that one.
  type: dict
  returned: success
digest:
  description: Digest of the plan, which approvals sign.
  type: str
  returned: success
  sample: sha256:8d2a1f34c1a3b9c6f4f0a6ae2d6be1c0c8b9d3a0d5f44c0b93f53a5d2b7c9e11
inputs:
  description: What the plan was made from, one text or digest each.
  type: dict
  returned: success
  sample:
    version: 1.4.0
    live shop: blue 1.3.2
    shop values: sha256:0d4e5f
changes:
  description: Whether any component changes.
  type: bool
  returned: success
  sample: true
page:
  description: The page, as Markdown.
  type: str
  returned: success
path:
  description: The folder with C(plan.json) and C(plan.md); empty when nothing was to be written.
  type: str
  returned: success
  sample: /srv/releases/shop/1.4.0
changed_inputs:
  description: What differs from the approved plan.
  type: list
  elements: dict
  returned: when O(approved) was made from something else
  contains:
    name:
      description: Name of the input.
      type: str
    before:
      description: What was approved.
      type: str
    after:
      description: What it is now.
      type: str
    sentence:
      description: The same for people.
      type: str
  sample:
    - name: version
      before: 1.3.2
      after: 1.4.0
      sentence: version 1.3.2 → 1.4.0
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import ArgumentSpec, failing_cleanly
from ansible_collections.runbook.release.plugins.module_utils.release import plan_file
from ansible_collections.runbook.release.plugins.module_utils.release.plan import Plan, agree, expect, make
from ansible_collections.runbook.release.plugins.module_utils.release.plan_page import page
from ansible_collections.runbook.release.plugins.module_utils.release.terms import TERMS, overdue

SHIFT = {
    "steps": {"type": "list", "elements": "int", "default": [5, 25, 100]},
    "hold": {"type": "int", "default": 300},
    "drain": {"type": "int", "default": 0},
}
WITNESS = {
    "rate": {"type": "int", "default": 20},
    "duration": {"type": "int"},
    "error_share": {"type": "str", "default": "1 %"},
    "samples": {"type": "int", "default": 20},
}
MIGRATION = {
    "name": {"type": "str", "required": True},
    "class": {"type": "str", "choices": ["expand", "contract", "irreversible"], "required": True},
    **{name: {"type": "str"} for name in ("kind", "database", "to", "image", "description")},
}


def plan_argument_spec() -> ArgumentSpec:
    dicts = {"type": "list", "elements": "dict"}
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["made", "shown"], "default": "made"},
            "system": {"type": "str"},
            "environment": {"type": "str"},
            "version": {"type": "str"},
            "components": {**dicts, "no_log": True},
            "staged": {"type": "dict", "no_log": True},
            "rolling": {"type": "dict"},
            "shift": {"type": "dict", "options": SHIFT, "apply_defaults": True},
            "witness": {"type": "dict", "options": WITNESS, "apply_defaults": True},
            "gates": {"type": "dict", "default": {}, "no_log": True},
            "migrations": {**dicts, "default": [], "options": MIGRATION},
            "backups": {"type": "list", "elements": "str", "default": []},
            "typical_seconds": {"type": "float", "default": 0},
            "path": {"type": "path"},
            "approved": {"type": "path"},
            "plan": {"type": "dict"},
            "resumed": {"type": "bool", "default": False},
        },
        required_if=[
            ("state", "made", ["system", "environment", "version", "components", "staged"]),
            ("state", "shown", ["approved", "plan"], True),
        ],
        mutually_exclusive=[("approved", "plan")],
    )
    return own.merge(ArgumentSpec(TERMS))


def without_clear_text(module: AnsibleModule) -> dict[str, Any]:
    """Take the options out of the module, so that its result cannot show them.

    They are kept out of logs as a whole. Masking each of their words as well, such as the name of a component, would
    make the plan unreadable, and is not needed where nothing is returned but the plan.
    """
    given = dict(module.params)
    module.no_log_values.clear()
    for name, option in plan_argument_spec().options.items():
        if option.get("no_log"):
            module.params[name] = "not shown"
    return given


def act(given: dict[str, Any], *, dry_run: bool) -> tuple[Plan, dict[str, Any], dict[str, Any]]:
    approved = plan_file.read(Path(given["approved"])) if given["approved"] else None
    if given["state"] == "shown":
        plan = approved or plan_file.known(given["plan"], "plan")
        expect(plan, given, given["approved"] or "plan")
    else:
        plan = make(given)
    if approved and plan is not approved:
        agree(approved, plan, given["approved"], resumed=given["resumed"])
        plan = approved
    shown, changed, diff = page(plan), False, {}
    if given["path"]:
        folder = Path(given["path"])
        header = str(folder / plan_file.PAGE)
        diff = {"before_header": header, "after_header": header, "before": plan_file.standing(folder, plan_file.PAGE)}
        diff["after"] = shown
        changed = plan_file.write(folder, plan, shown, dry_run=dry_run)
    return plan, {"changed": changed, "page": shown, "path": given["path"] or ""}, diff


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **plan_argument_spec().to_kwargs())
    given = without_clear_text(module)
    with failing_cleanly(module):
        plan, result, diff = act(given, dry_run=module.check_mode)
        if late := overdue(given["about"], datetime.now(UTC).date()):
            module.warn(late)
        if module._diff and diff:
            result["diff"] = diff
        module.exit_json(plan=plan.content, digest=plan.digest, inputs=plan.inputs, changes=plan.changes, **result)


if __name__ == "__main__":
    main()
