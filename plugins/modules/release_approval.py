#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_approval
short_description: Approve a plan or a release with a signature, and prove that all approvals are there
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - An approval is an SSH signature over the digest of a plan, a role, a system, an environment and the moment at which
    the approval expires. None of them can be changed afterwards, and a plan with another digest has no approvals.
  - After a release the digest is that of the head of its sealed ledger, so what is signed is what happened, and no
    approval of the plan counts.
  - Who may sign for a role is said by its C(allowed_signers) file, see the manual page of C(ssh-keygen). The namespace
    of the signatures is V(runbook.release).
  - Approvals are files in a folder, one for each role and key. Files that somebody changed, that expired or that were
    made for something else do not count, and the result says why.
options:
  state:
    description:
      - V(signed) signs with O(key) for O(role). The signature is kept only if it would count.
      - V(verified) fails unless every role in O(required) approved. It changes nothing.
    type: str
    choices: [signed, verified]
    required: true
  digest:
    description: Digest of the plan, or of what a release did, C(sha256:) and 64 hexadecimal digits.
    type: str
    required: true
  system:
    description: The system to release.
    type: str
    required: true
  environment:
    description: The environment to release it in.
    type: str
    required: true
  path:
    description: Folder with the approvals. It is made if it does not exist, readable by its owner only.
    type: path
    required: true
  signers:
    description:
      - Folder with one file C(<role>.allowed_signers) for each role.
      - A principal in such a file has to be one person; patterns are refused. Options such as C(namespaces),
        C(valid-after) and C(valid-before) are honoured.
    type: path
    required: true
  role:
    description: The role to approve as. Required with O(state=signed).
    type: str
  key:
    description:
      - File with the private key to sign with, or with the public key of one that is in the SSH agent.
      - A key with a passphrase has to be in the agent.
    type: path
    default: ~/.ssh/id_ed25519
  valid:
    description: How long the approval is valid, for example V(24h), V(90m) or V(7d).
    type: str
    default: 24h
  required:
    description:
      - The roles that have to approve, each with the number of people. Required with O(state=verified).
      - Two keys of one person count as one approval, and so does one key that is listed for two people.
    type: dict
  starter:
    description:
      - The principal of who starts the release, who cannot be the only one to approve it. Required with
        O(state=verified).
    type: str
extends_documentation_fragment:
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is signed or written.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - An approval that is there and has not expired is left as it is.
requirements:
  - python >= 3.11
  - ssh-keygen of OpenSSH >= 8.2
seealso:
  - module: runbook.release.release_plan
  - module: runbook.release.release_acceptance
"""

EXAMPLES = r"""
- name: Approve the plan as QA
  runbook.release.release_approval:
    state: signed
    role: qa
    digest: sha256:8d2a1f34c1a3b9c6f4f0a6ae2d6be1c0c8b9d3a0d5f44c0b93f53a5d2b7c9e11
    system: shop
    environment: prod
    path: /srv/releases/shop/approvals
    signers: /srv/releases/signers

- name: Go on only when all five have approved
  runbook.release.release_approval:
    state: verified
    required: {lead: 1, qa: 1, security: 1, devops: 1, customer: 1}
    starter: alice@example.com
    digest: sha256:8d2a1f34c1a3b9c6f4f0a6ae2d6be1c0c8b9d3a0d5f44c0b93f53a5d2b7c9e11
    system: shop
    environment: prod
    path: /srv/releases/shop/approvals
    signers: /srv/releases/signers
"""

RETURN = r"""
approvals:
  description: The approvals that count. With O(state=signed) the one that was given, in check mode without approver.
  type: list
  elements: dict
  returned: success, and when approvals are missing
  sample:
    - role: qa
      approver: bob@example.com
      key: SHA256:0P1o7wDOZnYH2B6Uw7a3Qh0MTTt2Yd0p0mPpM7gqQwE
      expires: "2026-11-25T19:00:00Z"
      kind: ssh
      file: /srv/releases/shop/approvals/qa-0f3c2a9d4b6e8f10.json
rejected:
  description: Files that do not count, each with C(file), C(role) and C(reason).
  type: list
  elements: dict
  returned: with O(state=verified)
  sample:
    - file: /srv/releases/shop/approvals/qa-77aa02c1d9e0b344.json
      role: qa
      reason: it expired at 2026-11-23T19:00:00Z
missing:
  description: The roles that have not approved, each with the number of people who are missing; empty on success.
  type: dict
  returned: with O(state=verified)
  sample: {}
commands:
  description: For each of these roles the command with which one approves; empty on success.
  type: dict
  returned: with O(state=verified)
  sample: {}
"""

from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.approval.sign import Signing, sign
from ansible_collections.runbook.release.plugins.module_utils.approval.statement import Scope, checked_role, validity
from ansible_collections.runbook.release.plugins.module_utils.approval.verify import Case, Policy, verify
from ansible_collections.runbook.release.plugins.module_utils.module import ArgumentSpec, failing_cleanly


def approval_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["signed", "verified"], "required": True},
            "digest": {"type": "str", "required": True},
            "system": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "signers": {"type": "path", "required": True},
            "role": {"type": "str"},
            "key": {"type": "path", "default": "~/.ssh/id_ed25519", "no_log": False},
            "valid": {"type": "str", "default": "24h"},
            "required": {"type": "dict"},
            "starter": {"type": "str"},
        },
        required_if=[("state", "signed", ["role"]), ("state", "verified", ["required", "starter"])],
    )


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **approval_argument_spec().to_kwargs())
    with failing_cleanly(module):
        params, now = module.params, datetime.now(UTC)
        scope = Scope(params["digest"], params["system"], params["environment"])
        folder, signers = Path(params["path"]), Path(params["signers"])
        if params["state"] == "verified":
            policy = Policy.of(params["required"], params["starter"])
            module.exit_json(**verify(Case(folder, signers, scope), policy, now))
        role, valid = checked_role(params["role"]), validity(params["valid"])
        asked = Signing(scope, role, Path(params["key"]), valid, folder, signers)
        signed = sign(asked, now, dry_run=module.check_mode)
        result = signed.report()
        if module._diff:
            result["diff"] = signed.diff()
        module.exit_json(**result)


if __name__ == "__main__":
    main()
