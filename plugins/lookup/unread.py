# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that neither a role of this collection nor the inventory reads, because they are misspelt."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unread
short_description: Name variables that nobody reads
version_added: 0.1.0
author:
  - runbook.release contributors (@runbook-release)
description:
  - Returns one sentence for each variable of the host that begins with one of the prefixes and that neither a role of
    this collection declares nor another variable refers to, with the nearest name that somebody reads.
  - What a catalogue of tasks asks for by C(-e) is referred to by the catalogue, such as C(task_revision).
options:
  _terms:
    description: What the names begin with.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse variables nobody reads
  ansible.builtin.assert:
    that: unread | length == 0
    fail_msg: "{{ unread | join(' ') }}"
  vars:
    unread: "{{ query('runbook.release.unread', 'maintenance_', 'task_') }}"
"""

RETURN = r"""
_raw:
  description: One sentence for each of them, none when all are read.
  type: list
  elements: str
  sample: ["Unknown variable scale_fr: did you mean scale_for?"]
"""

import re
import typing as t
from pathlib import Path

from ansible.plugins.lookup import LookupBase
from ansible_collections.runbook.release.plugins.filter.misspelt import misspelt

ROLES = Path(__file__).parents[2] / "roles"


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup ``runbook.release.unread``."""

    def run(self, terms: t.Sequence[str], variables: t.Any = None, **kwargs: t.Any) -> list[str]:
        """Variables are looked through only when there is a name that no role declares."""
        self.set_options(var_options=variables, direct=kwargs)
        prefixes = tuple(terms)
        names = {str(name) for name in variables if name.startswith(prefixes)}
        if not names:
            return []
        declared = {name for name in self._declared(prefixes) if name.startswith(prefixes)}
        return misspelt(sorted(names), sorted(declared | _referred(prefixes, variables))) if names - declared else []

    def _declared(self, prefixes: t.Sequence[str]) -> t.Iterator[str]:
        for path in sorted(ROLES.glob("*/meta/argument_specs.yml")):
            if any(prefix in path.read_text("utf-8") for prefix in prefixes):
                for entry in self._loader.load_from_file(str(path))["argument_specs"].values():
                    yield from entry.get("options", ())


def _referred(prefixes: t.Sequence[str], variables: t.Mapping[str, t.Any]) -> set[str]:
    """Those of our roles begin with an underscore, and what is internal to a role is for nobody to set."""
    name = re.compile(rf"\b(?:{'|'.join(map(re.escape, prefixes))})\w+")
    given = (value for key, value in variables.items() if not key.startswith(("_", "ansible_")) and key != "vars")
    return {found for value in given for text in _templates(value) for found in name.findall(text)}


def _templates(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, str):
        yield from [value] if "{{" in value or "{%" in value else ()
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _templates(part)
