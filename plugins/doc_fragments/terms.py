# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Under which terms a release may begin; the twin of ``module_utils/release/terms.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  about:
    description: The runbook a release follows, for its page and its record. It is told when its review is overdue.
    type: dict
    default: {}
    suboptions:
      title:
        description: What it is called.
        type: str
      id:
        description: Its number among the documents of the organisation.
        type: str
      version:
        description: Its version.
        type: str
      revised:
        description: The day of that version, as C(2026-01-31), or as exactly as it is known.
        type: str
      owner:
        description: Who keeps it.
        type: str
      approver:
        description: Who approves its changes.
        type: str
      review_by:
        description: The day by which it has to be reviewed again, as C(2026-01-31).
        type: str
      references:
        description: Where what belongs to it is to be found, by name.
        type: dict
      history:
        description: Its earlier and present versions, each with C(version), C(date), C(author) and C(what).
        type: list
        elements: dict
  windows:
    description: When releases may begin, as in P(runbook.release.in_window#filter).
    type: list
    elements: dict
    default: []
  freezes:
    description: When they may not, as in O(windows).
    type: list
    elements: dict
    default: []
  approvals:
    description: For each occasion the roles that have to approve, with the number of people; other keys are left out.
    type: dict
    default: {}
  budgets:
    description:
      - How long each stage may take, as O(runbook.release.plan#role:main:release_budgets) has it. A window that is
        shorter than all of them together is refused.
    type: dict
    default: {}
  rollback:
    description: C(release_rollback), what follows from what is observed.
    type: dict
    default: {}
  proven_in:
    description: The environment that has to prove the version, as in O(runbook.release.release_proof#module:proven_in).
    type: dict
    default: {}
  override:
    description: The reason to release outside of a window.
    type: str
    default: ""
  emergency:
    description: The reason to ask for the approvals of an emergency only.
    type: str
    default: ""
"""
