# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for each declared database."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.postgres import declared

DOCUMENTATION = r"""
name: databases
short_description: Tell what holds for each declared database
version_added: 0.1.0
description:
  - Takes C(release_databases) and C(release_backups), and returns each database with everything that holds for it.
  - The roles that plan, back up, migrate and restore take it from here, so that they cannot disagree.
options:
  _input:
    description: The databases, as in P(runbook.release.plan#role).
    type: list
    elements: dict
    required: true
  backups:
    description: What holds for the backups of all of them, as in P(runbook.release.plan#role).
    type: dict
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Which databases have backups that can be restored?
  ansible.builtin.debug:
    msg: "{{ saved.values() | selectattr('backup', 'equalto', 'store') | map(attribute='name') }}"
  vars:
    saved: "{{ release_databases | runbook.release.databases(release_backups) }}"
"""

RETURN = r"""
_value:
  description:
    - Each database by its name, with its own options and those of all. What nobody set is not there.
    - C(backup) is V(store) for one that is backed up into C(store), V(cronjob) for one whose CronJob does it, and empty
      for one that nobody backs up. C(sentence) says the same in the plan.
  type: dict
  sample:
    shop:
      name: shop
      server: {host: db.example.com}
      store: {path: /var/backups/shop}
      proof: restore
      backup: store
      sentence: shop, proven to the level restore
"""


def databases(
    given: Iterable[Mapping[str, t.Any]], backups: Mapping[str, t.Any] | None = None
) -> dict[str, dict[str, t.Any]]:
    try:
        return declared.databases(given, backups)
    except ReleaseError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter ``runbook.release.databases``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"databases": databases}
