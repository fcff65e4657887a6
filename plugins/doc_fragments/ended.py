# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a release ended; the twin of ``END_OPTIONS`` in ``module_utils/release/ending.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  verdict:
    description: How the release, the restore or the tasks ended. Required with O(state=ended).
    type: str
    choices: [released, rolled back, stopped, failed, restored, done]
  seconds:
    description:
      - How long it took.
      - If not set, since the run began that ends it, as its ledger has it. Of a run that was there to go back
        RV(sentence) tells it, and after what time the traffic was back.
    type: float
  requests:
    description: Requests the witness made.
    type: int
    default: 0
  lost:
    description: Requests it lost.
    type: int
    default: 0
  wrong_version:
    description: Requests a wrong version answered.
    type: int
    default: 0
  images:
    description: What a release leaves live, as RV(runbook.release.release_live_info#module:images) says it.
    type: dict
    default: {}
"""
