# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What moved under a release between its plan and its begin."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

DOCUMENTATION = r"""
name: moved
short_description: Name what carries the traffic otherwise than was planned
version_added: 0.1.0
description:
  - Returns one sentence for each component that has another colour, another version or another share of the traffic
    than the plan was made with.
options:
  _input:
    description:
      - By the name of the component what M(runbook.release.helm_bluegreen_info) found of it, or of what rolls what
        P(runbook.release.rolled#filter) says of it now.
    type: dict
    required: true
  planned:
    description:
      - By the name of the component the result of M(runbook.release.helm_bluegreen) in check mode, or what
        P(runbook.release.rolled#filter) said of it.
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
    moved: "{{ {'web': found} | runbook.release.moved(release_context.components) }}"
"""

RETURN = r"""
_value:
  description: One sentence for each component that moved, empty when none did.
  type: list
  elements: str
  sample: ["web was planned with blue 1.5, and now it is green 1.6"]
"""

Obj = Mapping[str, t.Any]


def moved(found: Mapping[str, Obj], planned: Mapping[str, Obj]) -> list[str]:
    """Return one sentence for every component whose traffic is not where the plan saw it."""
    from ansible_collections.runbook.release.plugins.module_utils.release.plan_parts import live

    pairs = [(name, live(planned[name]), live(now)) for name, now in found.items()]
    return [
        f"{name} was planned with {before or 'nothing live'}, and now it is {now or 'nothing'}"
        for name, before, now in pairs
        if before != now
    ]


class FilterModule:
    """The filter ``runbook.release.moved``."""

    def filters(self) -> dict[str, t.Callable[..., list[str]]]:
        return {"moved": moved}
