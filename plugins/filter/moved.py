# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What moved under a release between its plan and its begin."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.runbook.release.plugins.module_utils.release.plan_parts import live

DOCUMENTATION = r"""
name: moved
short_description: Name what carries the traffic otherwise than was planned
version_added: 0.1.0
description:
  - Takes what M(runbook.release.helm_bluegreen_info) found of each component, and returns one sentence for each that
    has another colour, another version or another share of the traffic than the plan was made with.
options:
  _input:
    description: The results of M(runbook.release.helm_bluegreen_info), each with the name of its component in C(item).
    type: list
    elements: dict
    required: true
  planned:
    description: The results of M(runbook.release.helm_bluegreen) in check mode, by the name of the component.
    type: dict
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Refuse what was planned with another version
  ansible.builtin.assert:
    that: moved | length == 0
    fail_msg: "{{ moved | join('; ') }}"
  vars:
    moved: "{{ found.results | runbook.release.moved(release_context.components) }}"
"""

RETURN = r"""
_value:
  description: One sentence for each component that moved, empty when none did.
  type: list
  elements: str
  sample: ["web was planned with blue 1.5, and now it is green 1.6"]
"""

Obj = Mapping[str, t.Any]


def moved(found: Iterable[Obj], planned: Mapping[str, Obj]) -> list[str]:
    """Return one sentence for every component whose traffic is not where the plan saw it."""
    pairs = [(one["item"], live(planned[one["item"]]), live(one)) for one in found]
    return [
        f"{name} was planned with {before or 'nothing live'}, and now it is {now or 'nothing'}"
        for name, before, now in pairs
        if before != now
    ]


class FilterModule:
    """The filter ``runbook.release.moved``."""

    def filters(self) -> dict[str, t.Callable[..., list[str]]]:
        return {"moved": moved}
