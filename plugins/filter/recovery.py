# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a recovery took and how much it lost, against what was promised."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.window.spans import optional, words

DOCUMENTATION = r"""
name: recovery
short_description: Tell the recovery time and the recovery point that were reached
version_added: 0.1.0
description:
  - Compares how long a recovery took, and how much was lost at most in any database, with the objectives.
options:
  _input:
    description: Epoch seconds at which the recovery began.
    type: float
    required: true
  end:
    description: Epoch seconds at which it had ended.
    type: float
    required: true
  lost:
    description: Seconds of writes that each database has lost.
    type: list
    elements: float
    required: true
  time:
    description: The longest a recovery may take, for example V(4 h); no objective if empty.
    type: str
    default: ""
  point:
    description: The most that may be lost, for example V(1 h); no objective if empty.
    type: str
    default: ""
  copies:
    description: Backups that were restored to prove them, as RV(runbook.release.pg_backup#module:backup) tells them.
    type: list
    elements: dict
    default: []
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Was it fast enough?
  ansible.builtin.debug:
    msg: "{{ (began | runbook.release.recovery(ended, [1800.0], '4 h', '1 h')).sentence }}"
"""

RETURN = r"""
_value:
  description:
    - C(rto) and C(rpo) in seconds, C(kept) (whether both objectives were) and C(sentence).
    - With O(copies) also C(databases), by their names, each with C(backup), its id, and its own C(rto), C(rpo) and
      C(kept).
  type: dict
  sample:
    rto: 95.2
    rpo: 1800.0
    kept: true
    sentence: "Recovered in 2 min (objective 4 h: kept), 30 min of writes lost (objective 1 h: kept)"
"""


def recovery(
    began: float,
    end: float,
    lost: Iterable[float],
    time: str = "",
    point: str = "",
    copies: Iterable[Mapping[str, t.Any]] = (),
) -> dict[str, t.Any]:
    """Seconds in, seconds and one sentence out."""
    rto, rpo = round(float(end) - float(began), 1), round(max(map(float, lost), default=0.0), 1)
    try:
        objectives = [(rto, optional("recovery_time", time or None)), (rpo, optional("recovery_point", point or None))]
    except ReleaseError as error:
        raise AnsibleFilterError(str(error)) from error
    told = [_judged(reached, objective) for reached, objective in objectives]
    within = [objective for _reached, objective in objectives]
    databases = {str(one["database"]): _of(one, within) for one in copies}
    return {
        "rto": rto,
        "rpo": rpo,
        "kept": _kept((rto, rpo), within),
        "sentence": f"Recovered in {words(rto)}{told[0]}, {words(rpo)} of writes lost{told[1]}",
        **({"databases": databases} if databases else {}),
    }


def _of(copy: Mapping[str, t.Any], within: Sequence[float | None]) -> dict[str, t.Any]:
    """What one backup says of its database: how long its proof by a restore took, and how old it is."""
    rto, rpo = round(float((copy.get("proof") or {}).get("seconds", 0.0)), 1), round(float(copy["age"]), 1)
    return {"backup": copy["id"], "rto": rto, "rpo": rpo, "kept": _kept((rto, rpo), within)}


def _kept(reached: Iterable[float], within: Iterable[float | None]) -> bool:
    return all(most is None or one <= most for one, most in zip(reached, within, strict=True))


def _judged(reached: float, objective: float | None) -> str:
    if objective is None:
        return ""
    return f" (objective {words(objective)}: {'kept' if reached <= objective else 'MISSED'})"


class FilterModule:
    """The filter ``runbook.release.recovery``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"recovery": recovery}
