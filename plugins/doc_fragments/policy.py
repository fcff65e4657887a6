# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollback policy that judges every evaluation of criteria, and what it remembers."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  policy:
    description:
      - The rollback policy, which judges every evaluation. The strongest of the rules that hold decides, C(rollback)
        before C(hold) before C(watch), and of several the first. What has a worse value is in the milder bands, too.
      - A decision to roll back ends the evaluation at once and keeps the gate closed, and so does one to hold at its
        end. While a rule with C(after) or C(times) is undecided it goes on looking, for ten minutes or twice the
        longest C(after). Unless O(fail=false), a blocking criterion that fails ends it before.
      - It cannot flap. What is worse decides at once. A rule is let go of when it has not held for a minute.
      - Bands of one value that overlap or leave something out are refused with both of them. They may share an edge.
      - As part of a release with O(gate), each hold and each rollback is an entry of the ledger with its numbers.
      - Without any rule the decision is C(watch) when a blocking criterion did not pass.
    type: list
    elements: dict
    suboptions:
      when:
        description:
          - V(all) holds when no blocking criterion passed and one was seen to fail, V(any) when one did not pass,
            also because it could not be measured, V(failed) when O(policy[].criterion) failed.
          - Anything else is an expectation of the value that O(policy[].criterion) measured, as in C(> 20 %),
            C(10 %..20 %) or C(> 2 x baseline).
        type: str
        required: true
      criterion:
        description: Name of the criterion.
        type: str
      action:
        description: What to do. V(hold) leaves it to a person.
        type: str
        choices: [rollback, hold, watch]
        required: true
      component:
        description:
          - With O(policy[].action=rollback), the component that alone goes back. Every rule that holds and names one
            sends its own back, unless a rule before them sends everything back. Only what rolls goes back so.
        type: str
      after:
        description:
          - For how long the rule must have held, within twice that time. Before that the decision is C(hold).
          - What a look saw counts until the next one. A look that measured nothing does not count.
        type: str
      times:
        description: At how many looks in a row the rule must have held. Before that the decision is C(hold).
        type: int
  standing:
    description: What an earlier look left, C(standing) of RV(decision). The rules go on counting from there.
    type: dict
"""
