#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_alert_rules
short_description: Make rules for Prometheus out of the criteria that gates hold
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Turns alerts, each of which is a criterion of a gate or a query with what to expect of it, into one group of rules
    C(SYSTEM-ENVIRONMENT). A rule fires when the criterion does not hold.
  - Every alert has a twin with C(NoData) after its name, so that no data is never silence. It fires when a query has no
    result or no finite number, and when what it computes from is too old. A share of nothing is no number.
  - The labels of a rule are C(system), C(environment), C(severity) and, where they are set, C(component), C(incident)
    and C(rolls_back). Its annotations are C(summary), C(description), C(clause) and C(runbook), the command to run.
  - Mistakes in the alerts are reported all together, each with its field.
options:
  state:
    description:
      - V(present) makes the group, and writes the rule file O(path) if there is one.
      - V(loaded) fails when O(prometheus) has other rules in the group, or cannot evaluate one. Expressions are
        compared as that Prometheus writes them.
    type: str
    choices: [present, loaded]
    default: present
  system:
    description: The system.
    type: str
    required: true
  environment:
    description: The environment.
    type: str
    required: true
  namespace:
    description: Namespace of its lock, and of what O(prometheus) names in the cluster.
    type: str
    required: true
  limit:
    description: Its inventory host, to which the commands in the annotations are limited. O(system) if not set.
    type: str
  ttl:
    description: Seconds after which its lock may be taken over.
    type: int
    default: 60
  alerts:
    description:
      - The alerts. Each has exactly one of C(criterion), C(query) and C(orphaned).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the alert, a word of letters, digits and underscores.
        type: str
        required: true
      clause:
        description: The clause it comes from, by default that of the criterion.
        type: str
      criterion:
        description:
          - Name of a criterion in O(gates) whose source is C(prometheus). It must look at now (no C(range)), and not
            compare with a baseline. Of several of one name that of the gate C(observe) counts.
        type: str
      query:
        description: PromQL, as of the source C(prometheus) in O(runbook.release.tor_validate#module:criteria).
        type: str
      fresh:
        description: The series that O(alerts[].query) computes from, required where it is more than a selector.
        type: str
      select:
        description: C(value) (the default) or C(value in UNIT) of O(alerts[].query), or C(series), how many there are.
        type: str
      expect:
        description:
          - What must be, as in O(runbook.release.tor_validate#module:criteria). Required with O(alerts[].query), and in
            place of what O(alerts[].criterion) expects.
        type: raw
      orphaned:
        description:
          - Whether it is about a release that nobody goes on with, whose lock is held and was not renewed. Needs the
            metrics of Leases that kube-state-metrics has.
        type: bool
        default: false
      for:
        description: How long it must not hold before anybody is told, as seconds or a text like V(5m).
        type: str
      no_data:
        description: How long there may be no data before the twin fires. As long as O(alerts[].for), V(5m) at least.
        type: str
      severity:
        description: How bad it is.
        type: str
        choices: [critical, warning, info]
        required: true
      component:
        description: The component it is about.
        type: str
      summary:
        description: What happened, in a sentence. Prometheus fills in its templates.
        type: str
        required: true
      incident:
        description: The type of incident it opens, one of O(incidents).
        type: str
      rolls_back:
        description: Whether it takes a release back that is inside of its rollback window.
        type: bool
        default: false
  gates:
    description: The gates of the system, by name, with criteria as in O(runbook.release.tor_validate#module:criteria).
    type: dict
    default: {}
  incidents:
    description: The types of incidents there are; any if not set.
    type: list
    elements: str
  path:
    description: The rule file.
    type: path
  prometheus:
    description:
      - Where Prometheus answers, as the source C(prometheus) in O(runbook.release.tor_validate#module:criteria) says
        it, with C(url), or C(service), C(port) and C(namespace). Required with O(state=loaded).
    type: dict
  patience:
    description: Seconds to wait until Prometheus has loaded the rules.
    type: float
    default: 0
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - PyYAML
notes:
  - "Needs the RBAC verb C(get) for C(services/proxy) with a C(service) in O(prometheus), and nothing otherwise."
  - Prometheus reads a rule file when it starts and when it is told to.
  - O(state=loaded) needs C(/api/v1/format_query) where Prometheus writes an expression otherwise. It has that from 2.40
    on.
seealso:
  - plugin: runbook.release.alert_routes
    plugin_type: filter
  - module: runbook.release.tor_validate
"""

EXAMPLES = r"""
- name: Write the rules of a system
  runbook.release.release_alert_rules:
    system: shop
    environment: prod
    namespace: shop
    gates: "{{ release_gates }}"
    alerts:
      - name: HighErrorRate
        criterion: error share
        expect: <= 5 %
        for: 2m
        severity: critical
        rolls_back: true
        summary: More than 5 % of the requests fail
      - name: DiskFull
        query: max(1 - kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes)
        fresh: kubelet_volume_stats_available_bytes
        select: value in share
        expect: < 90 %
        severity: warning
        summary: A disk is nearly full
      - name: ReleaseOrphaned
        orphaned: true
        for: 2m
        severity: critical
        rolls_back: true
        summary: Nobody goes on with a release
    path: /etc/prometheus/rules/shop.yml

- name: Refuse to go on while Prometheus has other rules
  runbook.release.release_alert_rules:
    state: loaded
    system: shop
    environment: prod
    namespace: shop
    gates: "{{ release_gates }}"
    alerts: "{{ release_alerts }}"
    prometheus: {service: prometheus, port: "9090", namespace: monitoring}
    patience: 60
"""

RETURN = r"""
group:
  description: The group, as a rule file and a PrometheusRule have it.
  type: dict
  returned: always
  sample:
    name: shop-prod
    rules:
      - alert: HighErrorRate
        expr: (sum(rate(errors_total[5m])) / sum(rate(requests_total[5m]))) > 0.05
        for: 120s
        labels: {system: shop, environment: prod, severity: critical, rolls_back: "true"}
        annotations:
          summary: More than 5 % of the requests fail
          description: "error share is {{ $value | humanizePercentage }}, expected <= 5 %"
          runbook: ansible-playbook runbook.release.rollback --limit shop
differences:
  description: What Prometheus has otherwise, each with C(alert) and C(what).
  type: list
  elements: dict
  returned: with O(state=loaded)
  sample:
    - {alert: HighErrorRate, what: is not loaded}
"""

import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.alerts import file
from ansible_collections.runbook.release.plugins.module_utils.alerts.loaded import compare, server
from ansible_collections.runbook.release.plugins.module_utils.alerts.model import SEVERITIES, parse_alerts
from ansible_collections.runbook.release.plugins.module_utils.alerts.rules import System, group_of
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World

_ALERT = {
    **{name: {"type": "str"} for name in ("clause", "criterion", "query", "fresh", "select")},
    **{name: {"type": "str"} for name in ("for", "no_data", "component", "incident")},
    "name": {"type": "str", "required": True},
    "expect": {"type": "raw"},
    "orphaned": {"type": "bool", "default": False},
    "severity": {"type": "str", "choices": list(SEVERITIES), "required": True},
    "summary": {"type": "str", "required": True},
    "rolls_back": {"type": "bool", "default": False},
}


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["present", "loaded"], "default": "present"},
            **{name: {"type": "str", "required": True} for name in ("system", "environment", "namespace")},
            "limit": {"type": "str"},
            "ttl": {"type": "int", "default": 60},
            "alerts": {"type": "list", "elements": "dict", "required": True, "options": _ALERT},
            "gates": {"type": "dict", "default": {}},
            "incidents": {"type": "list", "elements": "str"},
            "path": {"type": "path"},
            "prometheus": {"type": "dict"},
            "patience": {"type": "float", "default": 0},
        },
        required_if=[("state", "loaded", ["prometheus"])],
    )
    return own.merge(kube_argument_spec())


def written(params: dict[str, t.Any], group: dict[str, t.Any], *, dry_run: bool) -> dict[str, t.Any]:
    """The rule file brought to what it should be."""
    if not params["path"]:
        return {"changed": False}
    path, text = Path(params["path"]), file.text_of(group)
    before = file.standing(path)
    if before != text and not dry_run:
        file.write(path, text)
    headers = {"before_header": str(path), "after_header": str(path)}
    return {"changed": before != text, "diff": {**headers, "before": before, "after": text}}


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    params = module.params
    with failing_cleanly(module):
        alerts = parse_alerts(params["alerts"], params["gates"], params["incidents"])
        place = [params[name] for name in ("system", "environment", "namespace")]
        group = group_of(System(*place, params["limit"] or params["system"], params["ttl"]), alerts)
        if params["state"] == "present":
            module.exit_json(group=group, **written(params, group, dry_run=module.check_mode))
        world = World(params["namespace"], lambda: kube_client(module))
        source = server(params["prometheus"])
        found = compare(source, world, group, params["patience"])
        if found:
            raise ReleaseError(
                f"Prometheus has not the alerts of {group['name']}: {', '.join(one.sentence for one in found)}",
                where=source.where,
                remedy="load the rule file, and have Prometheus read it again",
                group=group,
                differences=[one.report() for one in found],
            )
        module.exit_json(changed=False, group=group, differences=[])


if __name__ == "__main__":
    main()
