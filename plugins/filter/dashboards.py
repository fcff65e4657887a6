# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboards of a system for Grafana."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError

DOCUMENTATION = r"""
name: dashboards
short_description: Make dashboards for Grafana out of the criteria that gates hold
version_added: 0.1.0
description:
  - Takes C(release_dashboards) and returns its dashboards, as Grafana imports them.
  - A panel with a criterion asks what that asks, is in its unit, and is green where it holds.
options:
  _input:
    description: C(release_dashboards), as O(runbook.release.alert#role:dashboards:release_dashboards) has it.
    type: dict
    required: true
  gates:
    description: C(release_gates), with the criteria that panels name.
    type: dict
    required: true
  system:
    description: The system.
    type: str
    required: true
  environment:
    description: The environment.
    type: str
    required: true
author:
  - runbook.release contributors (@runbook-release)
seealso:
  - plugin: runbook.release.release_alert_rules
    plugin_type: module
"""

EXAMPLES = r"""
- name: Show the titles
  ansible.builtin.debug:
    msg: "{{ release_dashboards | runbook.release.dashboards(release_gates, 'shop', 'prod') | map(attribute='title') }}"
"""

RETURN = r"""
_value:
  description: The dashboards.
  type: list
  elements: dict
  sample: [{uid: 0d4e5f, title: Overview, panels: []}]
"""


def dashboards(
    given: t.Mapping[str, t.Any], gates: t.Mapping[str, t.Any], system: str, environment: str
) -> list[dict[str, t.Any]]:
    """What Grafana imports."""
    from ansible_collections.runbook.release.plugins.module_utils.alerts.dashboards import dashboards_of

    try:
        return dashboards_of(system, environment, given, gates)
    except ReleaseError as error:
        raise AnsibleFilterError(f"dashboards: {error}") from error


class FilterModule:
    """The filter ``runbook.release.dashboards``."""

    def filters(self) -> dict[str, t.Callable[..., list[dict[str, t.Any]]]]:
        return {"dashboards": dashboards}
