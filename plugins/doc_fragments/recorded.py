# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release remembers from its begin on, and is held to; the twin of ``module_utils/release/recorded.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  plan:
    description: Digest of the plan that is carried out.
    type: str
    default: ""
  components:
    description: Names of the components, in the order they are staged in. Required with O(state=begun).
    type: list
    elements: str
  steps:
    description: Percentages of the traffic the new version gets, one after the other. Required with O(state=begun).
    type: list
    elements: int
  first:
    description: Whether no version was live before.
    type: bool
    default: false
  inputs:
    description:
      - Digests of everything the plan was made of, by name. They are recorded, and only a release with the same ones is
        continued.
      - With O(kind=restore) the id of the backup of each database, by its name. Only the names have to be the same
        then, and the ids of the beginning are returned.
      - Those whose name begins with C(live) and a space may differ, since a release changes what is live.
    type: dict
    default: {}
  previous:
    description: The version each component had before, by name of the component, for the record.
    type: dict
    default: {}
  migrations:
    description:
      - The database steps of the release. Whether it may go back is judged by those that are recorded.
      - For a release that goes on or is taken back they only count when its ledger does not say which it had; a warning
        says so.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What people call the step.
        type: str
        required: true
      class:
        description: As in O(runbook.release.release_safety#module:migrations[].class).
        type: str
        choices: [expand, contract, irreversible]
        required: true
  judged:
    description:
      - Without O(version), of what RV(decision) V(judge) was about, once it was judged that it may go back.
      - If meanwhile it is something else that would be taken back, that is refused.
    type: dict
    suboptions:
      version:
        description: RV(version) of it.
        type: str
        required: true
      migrations:
        description: RV(migrations) of it.
        type: list
        elements: dict
        required: true
  starter:
    description: Who starts the release, as the files of the signers call them. Acceptance is judged by who is recorded.
    type: str
    default: ""
  approvals:
    description: Who approved the plan, as RV(runbook.release.release_approval#module:approvals) says it.
    type: list
    elements: dict
    default: []
  proof:
    description: What proves the version, as RV(runbook.release.release_proof#module:proof) says it.
    type: dict
    default: {}
"""
