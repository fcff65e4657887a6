# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told of which alerts."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError

DOCUMENTATION = r"""
name: alert_routes
short_description: Make the configuration of an Alertmanager
version_added: 0.1.0
description:
  - Takes the systems whose alerts an Alertmanager gets, and returns its configuration.
  - What rolls back goes to the rulebook C(runbook.release.alerts) at once, with a bearer token, and to people as well.
  - Secrets are names of files on the machine of the Alertmanager.
  - A severity that alerts have and nobody is told of is refused, and so is an alert that rolls back without a rulebook.
options:
  _input:
    description:
      - The variables of inventory hosts. C(release_system), C(release_alerts), C(release_alerting) and
        C(release_environment) are read, C(inventory_dir) where the last is not set.
    type: list
    elements: dict
    required: true
  path:
    description: The file it is for. Only systems whose C(release_alerting.routes) is this one count.
    type: str
    required: true
author:
  - runbook.release contributors (@runbook-release)
seealso:
  - plugin: runbook.release.release_alert_rules
    plugin_type: module
"""

EXAMPLES = r"""
- name: Write the configuration of the Alertmanager
  ansible.builtin.copy:
    content: "{{ systems | runbook.release.alert_routes('/etc/alertmanager/alertmanager.yml') | to_nice_yaml }}"
    dest: /etc/alertmanager/alertmanager.yml
    mode: "0644"
  vars:
    systems:
      - release_system: shop
        release_environment: prod
        release_alerts: [{name: HighErrorRate, severity: critical, rolls_back: true}]
        release_alerting:
          routes: /etc/alertmanager/alertmanager.yml
          rollback: {url: "http://127.0.0.1:5000/alerts", token_file: /etc/alertmanager/rulebook.token}
          receivers:
            critical: [{kind: pagerduty, routing_key_file: /etc/alertmanager/pagerduty.key}]
"""

RETURN = r"""
_value:
  description: The configuration.
  type: dict
  sample:
    route: {receiver: nobody, group_by: [alertname], routes: []}
    receivers: [{name: nobody}]
"""


def alert_routes(hosts: list[t.Mapping[str, t.Any]], path: str) -> dict[str, t.Any]:
    """The configuration of one Alertmanager."""
    from ansible_collections.runbook.release.plugins.module_utils.alerts.routes import routes_of

    try:
        return routes_of([_system(host) for host in hosts if host["release_alerting"]["routes"] == path])
    except ReleaseError as error:
        raise AnsibleFilterError(f"alert_routes: {error}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"alert_routes: these are no systems with their alerts: {error!r}") from error


def _system(host: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {
        "system": host["release_system"],
        "environment": host.get("release_environment") or os.path.basename(host["inventory_dir"]),
        "alerts": host.get("release_alerts") or [],
        "alerting": host["release_alerting"],
    }


class FilterModule:
    """The filter ``runbook.release.alert_routes``."""

    def filters(self) -> dict[str, t.Callable[..., dict[str, t.Any]]]:
        return {"alert_routes": alert_routes}
