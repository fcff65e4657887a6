# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far each component of a release has come, by its entry."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: reached
short_description: Say how much traffic the new colour of each component has
version_added: 0.1.0
description:
  - Takes the results of M(runbook.release.traffic_info) in a loop over the names of components, and returns the weight
    that the colour with the new version has at each entry now.
  - An interrupted release goes on from there. What its ledger says may have been undone since.
options:
  _input:
    description: The results of the loop. Those that were skipped are left out.
    type: list
    elements: dict
    required: true
  components:
    description: C(components) of the fact C(release_context), by name, each with the colour C(target).
    type: dict
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: See where traffic goes now
  runbook.release.traffic_info:
    namespace: shop
    entry: {kind: httproute, name: "{{ item }}"}
  loop: [shop, api]
  register: seen

- name: Say how far the slowest component has come
  ansible.builtin.debug:
    msg: "{{ (seen.results | runbook.release.reached(release_context.components)).values() | min }} %"
"""

RETURN = r"""
_value:
  description: Percentage of the traffic by name of the component.
  type: dict
  sample: {shop: 25, api: 5}
"""


def reached(results: t.Sequence[dict[str, t.Any]], components: dict[str, dict[str, t.Any]]) -> dict[str, int]:
    """The weight of the colour each component is released to."""
    try:
        return {
            str(one["item"]): int(one["weights"][components[one["item"]]["target"]])
            for one in results
            if not one.get("skipped")
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"reached: these are not entries of the components: {error!r}") from error


class FilterModule:
    """The filter ``runbook.release.reached``."""

    def filters(self) -> dict[str, t.Callable[..., dict[str, int]]]:
        return {"reached": reached}
