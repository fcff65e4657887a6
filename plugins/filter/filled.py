# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to hold of the Secrets of a system before its release begins."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.secret.declared import criteria, mistakes

DOCUMENTATION = r"""
name: filled
short_description: Make criteria of the Secrets that somebody else keeps
version_added: 0.1.0
description:
  - Returns one criterion for each Secret that has C(keys) and nothing that says where they come from. It holds when
    the Secret is there and none of these keys is missing or empty.
  - Fails with one sentence for everything that is wrong with what is given.
options:
  _input:
    description: The Secrets of a system, as O(runbook.release.plan#role:main:release_secrets).
    type: list
    elements: dict
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Refuse to begin without the secrets of the workloads
  runbook.release.tor_validate:
    namespace: shop
    criteria: "{{ release_secrets | runbook.release.filled }}"
"""

RETURN = r"""
_value:
  description: Criteria as in O(runbook.release.tor_validate#module:criteria).
  type: list
  elements: dict
"""


def filled(given: t.Any) -> list[dict[str, t.Any]]:
    """Criteria about what a release does not write itself."""
    wrong = mistakes(given)
    if wrong:
        raise AnsibleFilterError(" ".join(wrong))
    return criteria(given)


class FilterModule:
    """The filter ``runbook.release.filled``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"filled": filled}
