# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a module takes part in a release; the twin of ``module_utils/release/run.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  run:
    description:
      - The release this task is a step of, as M(runbook.release.release_run) returns it in
        RV(runbook.release.release_run#module:run).
      - What the task changes is then recorded in the release's ledger before and after, the release's lock is renewed
        while the task works, and every change is refused once somebody else holds the lock.
      - Without it the task stands for itself, unrecorded.
    type: dict
    suboptions:
      release:
        description: Id of the release; the name of its ledger.
        type: str
        required: true
      namespace:
        description: Namespace of the lock and the ledger.
        type: str
        required: true
      lease:
        description: Name of the Lease that is the lock.
        type: str
        required: true
      token:
        description: Fencing token of the lock.
        type: int
        required: true
      who:
        description: Who holds the lock.
        type: str
        required: true
      ttl:
        description: Seconds the lock stays valid after a renewal.
        type: int
        default: 60
      mirror:
        description: Folder for a copy of the ledger on the machine the module runs on.
        type: path
      signing_key:
        description:
          - File with the SSH private key that signs the head of the ledger at every gate and at the end, or with the
            public key of one that an SSH agent holds. No head is signed if not set.
        type: path
requirements:
  - OpenSSH 8.2 or newer, with O(run.signing_key)
notes:
  - With O(run) it needs the RBAC verbs C(get) and C(patch) for C(leases.coordination.k8s.io), and C(get), C(list),
    C(create) and C(patch) for C(configmaps), in O(run.namespace).
  - With O(run) an API server that is away or in trouble is waited for up to 60 seconds.
"""
