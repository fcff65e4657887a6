# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names nobody declared, with the declared name that was probably meant."""

from __future__ import annotations

import difflib
import typing as t

DOCUMENTATION = r"""
name: misspelt
short_description: Name variables that no schema declares
version_added: 0.1.0
description:
  - Takes the names of variables in use and returns one sentence for each that is not declared, with the nearest
    declared name.
options:
  _input:
    description: Names in use.
    type: list
    elements: str
    required: true
  declared:
    description: Names the schema declares.
    type: list
    elements: str
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Refuse variables nobody reads
  ansible.builtin.assert:
    that: unknown | length == 0
    fail_msg: "{{ unknown | join(' ') }}"
  vars:
    unknown: "{{ ['release_verison'] | runbook.release.misspelt(['release_version']) }}"
"""

RETURN = r"""
_value:
  description: One sentence for each undeclared name, empty when all are declared.
  type: list
  elements: str
  sample: ["Unknown variable release_verison: did you mean release_version?"]
"""


def misspelt(names: list[str], declared: list[str]) -> list[str]:
    """Return one sentence for every name in ``names`` that ``declared`` does not hold."""
    return [_sentence(name, declared) for name in sorted(set(names) - set(declared))]


def _sentence(name: str, declared: list[str]) -> str:
    near = difflib.get_close_matches(name, declared, n=1)
    hint = f"did you mean {near[0]}?" if near else "no role of this collection reads it; remove or rename it."
    return f"Unknown variable {name}: {hint}"


class FilterModule:
    """The filter ``runbook.release.misspelt``."""

    def filters(self) -> dict[str, t.Callable[..., list[str]]]:
        return {"misspelt": misspelt}
