# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Components that do not fit the strategy of their release."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.release.unfit import unfit as misfits

DOCUMENTATION = r"""
name: unfit
short_description: Name components that do not fit their strategy
version_added: 0.1.0
description:
  - Returns one sentence for everything a component lacks for its strategy, or says that its strategy never reads.
options:
  _input:
    description: The components, as O(runbook.release.plan#role:main:release_components).
    type: list
    elements: dict
    required: true
  strategy:
    description: How they are released.
    type: str
    choices: [bluegreen, rolling]
    required: true
  gates:
    description: The gates, as O(runbook.release.plan#role:main:release_gates).
    type: dict
    default: {}
  policy:
    description: What follows from what is observed, as O(runbook.release.plan#role:main:release_rollback.policy).
    type: list
    elements: dict
    default: []
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Refuse components that cannot be released so
  ansible.builtin.assert:
    that: unfit | length == 0
    fail_msg: "{{ unfit | join(' ') }}"
  vars:
    unfit: "{{ release_components | runbook.release.unfit('rolling', release_gates) }}"
"""

RETURN = r"""
_value:
  description: One sentence each, empty when all fit.
  type: list
  elements: str
  sample: ["Component api has no workloads, which release_strategy rolling needs."]
"""


def unfit(
    components: list[dict[str, t.Any]],
    strategy: str,
    gates: dict[str, t.Any] | None = None,
    policy: list[dict[str, t.Any]] | None = None,
) -> list[str]:
    """One sentence for everything that does not fit."""
    try:
        return misfits(strategy, components, gates or {}, policy or [])
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"unfit: these are no components with a strategy: {error!r}") from error


class FilterModule:
    """The filter ``runbook.release.unfit``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"unfit": unfit}
