# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine lacks to run a release."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor import missing as lacking

DOCUMENTATION = r"""
name: missing
short_description: Say what is not installed
version_added: 0.1.0
description:
  - Takes what has to be there and returns one sentence for each thing that is not, with how to install it.
  - It looks at the machine that runs C(ansible-playbook), in its Python.
options:
  _input:
    description:
      - C(commands) are names of commands on the path.
      - C(libraries) are Python modules that can be imported.
      - C(collections) are names of collections, with the least version if it matters, as in
        C(community.postgresql>=3.4).
    type: dict
    required: true
  criteria:
    description: Criteria whose sources need Python libraries, which then have to be there, too.
    type: list
    elements: dict
    default: []
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Begin only with everything that is needed
  ansible.builtin.assert:
    that: lacking | length == 0
    fail_msg: "{{ lacking | join(' ') }}"
  vars:
    lacking: "{{ {'commands': ['helm', 'k6'], 'collections': ['kubernetes.core>=5.0']} | runbook.release.missing }}"
"""

RETURN = r"""
_value:
  description: One sentence for each thing that is missing, empty when all is there.
  type: list
  elements: str
  sample: ["The command k6 is not there. Do: install k6 on this machine, or run where it is."]
"""


def missing(wanted: dict[str, t.Any], criteria: t.Sequence[dict[str, t.Any]] = ()) -> list[str]:
    """Return one sentence for everything in ``wanted``, and everything ``criteria`` need, that is not there."""
    try:
        libraries = [*(wanted.get("libraries") or []), *lacking.libraries_of(criteria)]
        return lacking.missing({**wanted, "libraries": libraries})
    except ReleaseError as error:
        raise AnsibleFilterError(f"missing: {error}") from error


class FilterModule:
    """The filter ``runbook.release.missing``."""

    def filters(self) -> dict[str, t.Callable[..., list[str]]]:
        return {"missing": missing}
