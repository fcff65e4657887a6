# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks, maintenance, incidents and alerts of the five systems: what would fail at three in the morning fails here."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.runbook.release.plugins.module_utils.alerts.model import Alert, parse_alerts
from ansible_collections.runbook.release.plugins.module_utils.alerts.routes import routes_of
from ansible_collections.runbook.release.plugins.module_utils.alerts.rules import System
from ansible_collections.runbook.release.plugins.module_utils.incident.declared import SCALE, Declared
from ansible_collections.runbook.release.plugins.module_utils.incident.mistakes import mistakes as incident_mistakes
from ansible_collections.runbook.release.plugins.module_utils.secret.declared import unwritten
from ansible_collections.runbook.release.plugins.module_utils.tasks.catalogue import Task
from ansible_collections.runbook.release.plugins.module_utils.tasks.chosen import choose, wrong
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.window.answer import inside
from ansible_collections.runbook.release.plugins.modules import (
    cache_keys,
    certificate_renew,
    evidence,
    paging_window,
    pg_maintain,
    pg_report_info,
    pipeline,
    registry_images,
    volume_claim,
    workload_change,
    workload_pause,
)

from .deceived import deceived
from .test_inventories import HOSTS, ROOT, SYSTEMS, host

PREFIXES = {"pea": "PEA", "solar": "SOL", "teei": "TEEI", "novacron": "NOVA", "predictiq": "PIQ"}
CLAUSE = re.compile(r"[A-Z]+-\d{3}")
SUNDAY_AT_THREE = 1_790_478_000.0

SERVER = {"server": {"host": "db.example.com", "user": "owner"}}
DOES = {
    "restart": "restarted",
    "scale": "scaled",
    "configure": "configured",
    "autoscale": "autoscaled",
    "isolate": "isolated",
    "pin": "pinned",
    "undo": "undone",
    "revert": "reverted",
}
REGISTRY = ("url", "ca_cert", "username", "packages")
PAGES = {"open": "open", "close": "closed"}

Given = Mapping[str, Any]


def asked(task: Given) -> tuple[Any, dict[str, Any]]:
    """The module that does a task, and its options as the role maintain gives them."""
    of_task = Task.of(task)
    options = {"namespace": "shop", **of_task.options} if isinstance(of_task.options, Mapping) else {}
    match of_task.kind:
        case "database":
            return pg_maintain, {**SERVER, "database": options.pop("name"), **without(options, "namespace")}
        case "report":
            return pg_report_info, {**SERVER, **without(options, "namespace")}
        case "cache":
            return cache_keys, without(options, "namespace")
        case "workload":
            temporary = {"temporary": {"for": f"{of_task.seconds:.0f}s"}} if of_task.seconds else {}
            one = {"name": options.pop("names")[0]} if "names" in options else {}
            return workload_change, {"state": DOES[options.pop("do")], **temporary, **options, **one}
        case "certificate" | "volume":
            return (certificate_renew if of_task.kind == "certificate" else volume_claim), options
        case "paging" | "pipeline" | "images":
            return outside(of_task, options)
        case "pause":
            return workload_pause, {"state": "paused", "name": of_task.name, **without(options, "do")}
        case "evidence" if "workloads" in options:
            return evidence, {"name": of_task.name, "path": "evidence", **without(options, "component")}
    return None, {}


def outside(of_task: Task, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The same of what is done to a service outside of the cluster, with the name of a secret instead of it."""
    if of_task.kind == "images":
        where = {name: options.pop(name) for name in REGISTRY if name in options}
        password = options.pop("password_environment", "")
        return registry_images, {**options, "registry": {**where, "password": password}}
    del options["namespace"]
    if of_task.kind == "pipeline":
        token = options.pop("token_environment")
        return pipeline, {**options, "token": token}
    until = {"for": f"{of_task.seconds:.0f}"} if of_task.seconds else {}
    return paging_window, {
        "state": PAGES[options.pop("do")],
        "name": "shop",
        **until,
        **without(options, "authorization_environment"),
    }


def without(options: Given, key: str) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != key}


def known_clauses() -> set[str]:
    """Every id of docs/coverage_ids.yml."""
    spec = importlib.util.spec_from_file_location("generate_coverage", ROOT / "docs" / "generate_coverage.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return set(module.kinds())


CLAUSES = known_clauses()


def tasks_of(environment: str, system: str) -> list[Given]:
    return list(host(environment, system).get("release_tasks", []))


def maintenance_of(environment: str, system: str) -> Given:
    return dict(host(environment, system).get("release_maintenance", {}))


def incidents_of(environment: str, system: str) -> Given:
    return dict(host(environment, system).get("release_incidents", {}))


def alerts_of(environment: str, system: str) -> list[Alert]:
    variables = host(environment, system)
    types = {one["name"] for one in incidents_of(environment, system).get("types", [])}
    return parse_alerts(variables.get("release_alerts", []), variables["release_gates"], types)


def criteria_of(environment: str, system: str) -> list[Given]:
    """Every criterion of a task or an incident."""
    of_tasks = [
        one
        for task in tasks_of(environment, system)
        for key in ("before", "after", "check")
        for one in task.get(key, [])
    ]
    of_types = [one for kind in incidents_of(environment, system).get("types", []) for one in kind.get("symptoms", [])]
    return [*of_tasks, *of_types]


def named(environment: str, system: str) -> Iterator[str]:
    """The names of all tasks that anything calls for."""
    for one in maintenance_of(environment, system).get("lists", []):
        yield from one["tasks"]
    for kind in Declared.of(incidents_of(environment, system)).types:
        yield from kind.evidence
        for remedy in (*kind.remedies, *kind.contain):
            yield from filter(None, (remedy.task, remedy.back))


def clauses(given: Given) -> set[str]:
    return set(CLAUSE.findall(str(given.get("clause") or "")))


@pytest.mark.parametrize("system", SYSTEMS)
def test_production_of_every_system_has_tasks_lists_incidents_and_alerts(system: str) -> None:
    assert tasks_of("prod", system)
    assert maintenance_of("prod", system)["lists"]
    assert incidents_of("prod", system)["types"]
    assert alerts_of("prod", system)


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_tasks_and_the_lists_of_them_can_be_done(environment: str, system: str) -> None:
    assert wrong(maintenance_of(environment, system), tasks_of(environment, system)) == []


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_every_secret_that_a_task_fills_says_where_its_values_are_kept(environment: str, system: str) -> None:
    variables = host(environment, system)
    without = variables.get("task_without", {})
    tasks = [one for one in tasks_of(environment, system) if one["name"] not in without]
    assert unwritten(tasks, variables.get("release_secrets", [])) == []


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_every_task_that_is_named_is_in_the_catalogue(environment: str, system: str) -> None:
    assert set(named(environment, system)) - {one["name"] for one in tasks_of(environment, system)} == set()


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_the_module_that_does_a_task_takes_its_options(environment: str, system: str) -> None:
    wrong_ones = {}
    for task in tasks_of(environment, system):
        module, options = asked(task)
        if module and (
            found := ArgumentSpecValidator(**module.argument_spec().to_kwargs()).validate(options).error_messages
        ):
            wrong_ones[task["name"]] = found
    assert wrong_ones == {}


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_the_databases_of_tasks_are_those_of_the_system(environment: str, system: str) -> None:
    databases = {one["name"] for one in host(environment, system)["release_databases"]}
    asked = {
        options.get("database") or options.get("name")
        for one in tasks_of(environment, system)
        for kind in ("database", "report")
        if (options := one.get(kind))
    }
    assert asked <= databases


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_a_command_is_about_the_sources_and_the_cluster_of_its_system_whoever_runs_it_where(
    environment: str, system: str
) -> None:
    gates = host(environment, system)["release_gates"].values()
    asked_for = [*(one for criteria in gates for one in criteria), *criteria_of(environment, system)]
    commands = [one["source"] for one in asked_for if one["source"]["kind"] == "command"]
    commands += [task["run"] for task in tasks_of(environment, system) if "run" in task]
    astray = [one["command"] for one in commands if one["command"][0] in ("cargo", "git") and not one.get("folder")]
    astray += [
        one["command"]
        for one in commands
        if one["command"][0] == "kubectl"
        and "--client" not in one["command"]
        and not any(word.startswith("--kubeconfig=/") for word in one["command"])
    ]
    assert astray == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_an_autoscaler_keeps_is_scaled_by_its_bounds_or_stopped_and_started(system: str) -> None:
    gates = host("prod", system)["release_gates"].values()
    sources = [one["source"] for criteria in gates for one in criteria]
    kept = {one.get("name") for one in sources if one.get("object_kind") == "HorizontalPodAutoscaler"}
    scaled = {
        task["name"]: task["workload"]["replicas"]
        for task in tasks_of("prod", system)
        if task.get("workload", {}).get("do") == "scale" and task["workload"].get("name") in kept
    }
    remedies = [
        remedy
        for kind in incidents_of("prod", system)["types"]
        for remedy in (*kind.get("remedies", []), *kind.get("contain", []))
        if isinstance(remedy, Mapping)
    ]
    started = {remedy["back"] for remedy in remedies if scaled.get(remedy["task"]) == 0}
    assert {name for name, replicas in scaled.items() if replicas} <= started


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_every_criterion_of_tasks_and_incidents_can_be_read_and_is_not_deceived(environment: str, system: str) -> None:
    for one in criteria_of(environment, system):
        assert parse_criteria([one])
        assert not deceived(one), one["name"]
        assert clauses(one), one["name"]
    for task in tasks_of(environment, system):
        for key in ("before", "after", "check"):
            assert len(parse_criteria(task.get(key, []))) == len(task.get(key, [])), task["name"]


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_no_task_asks_for_a_baseline_which_nobody_measured(environment: str, system: str) -> None:
    assert [one["name"] for one in criteria_of(environment, system) if "baseline" in str(one["expect"])] == []


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_what_is_there_names_clauses_of_its_own_runbook(environment: str, system: str) -> None:
    variables = host(environment, system)
    silent = [one["name"] for one in tasks_of(environment, system) if not clauses(one)]
    silent += [
        one["name"] for one in variables.get("release_alerts", []) if not clauses(one) and not one.get("orphaned")
    ]
    assert silent == []
    given = [*tasks_of(environment, system), *criteria_of(environment, system), *variables.get("release_alerts", [])]
    said = {clause for one in given for clause in clauses(one)}
    assert said <= {one for one in CLAUSES if one.partition("-")[0] == PREFIXES[system]}


def test_the_rules_that_have_to_be_loaded_are_those_that_are_made() -> None:
    group = System("novacron", "prod", "novacron", "").group
    queries = [one["source"].get("query", "") for one in host("prod", "novacron")["release_gates"]["preflight"]]
    assert [query for query in queries if "prometheus_rule_group_rules" in query and f';{group}"' not in query] == []


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_incidents_can_be_worked_on(environment: str, system: str) -> None:
    given = incidents_of(environment, system)
    told = host(environment, system)["release_notify"]
    assert incident_mistakes(given, tasks_of(environment, system), told) == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_severity_of_a_system_has_a_place_on_the_scale_of_all_and_a_time_to_respond(system: str) -> None:
    severities = Declared.of(incidents_of("prod", system)).severities
    assert {one.scale for one in severities} <= set(SCALE)
    assert len({one.name for one in severities}) == len(severities) > 1
    assert [one.name for one in severities if not one.respond] == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_an_incident_of_security_keeps_evidence_before_it_contains_anything(system: str) -> None:
    catalogue = {one["name"]: one for one in tasks_of("prod", system)}
    contained = [kind for kind in Declared.of(incidents_of("prod", system)).types if kind.contain]
    for kind in contained:
        assert kind.security
        assert [name for name in kind.evidence if "evidence" in catalogue[name]], kind.name


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_ends_sessions_empties_a_cache_or_deletes_images_needs_consent(system: str) -> None:
    dangerous = [
        one
        for one in tasks_of("prod", system)
        if one.get("database", {}).get("do") == "end_sessions"
        or one.get("cache", {}).get("everything")
        or one.get("workload", {}).get("replicas") == 0
        or "images" in one
    ]
    assert [one["name"] for one in dangerous if not one.get("consent")] == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_list_in_a_window_can_be_done_in_one(system: str) -> None:
    maintenance = maintenance_of("prod", system)
    for one in maintenance["lists"]:
        chosen = choose(maintenance, tasks_of("prod", system), one["name"])
        if chosen.windowed and one.get("windowed"):
            assert inside(maintenance["windows"], SUNDAY_AT_THREE)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_temporary_task_says_for_how_long_and_is_over_in_a_week(system: str) -> None:
    spans = {one["name"]: Task.of(one).seconds for one in tasks_of("prod", system) if one.get("for")}
    assert [name for name, seconds in spans.items() if not 0 < seconds <= 7 * 86400] == []
    assert maintenance_of("prod", system)["image"], "without an image no Job puts them back"


@pytest.mark.parametrize("path", sorted((ROOT / "inventories").glob("*/host_vars/*/tasks.yml")), ids=str)
def test_no_task_is_written_twice(path: Path) -> None:
    tasks = yaml.safe_load(path.read_text("utf-8"))["release_tasks"]
    work = [str({key: value for key, value in one.items() if key not in ("name", "clause", "review")}) for one in tasks]
    assert [one for one in work if work.count(one) > 1 and one != "{}"] == []


def test_everybody_who_has_to_be_called_by_an_alert_is() -> None:
    systems = [
        {
            "system": system,
            "environment": "prod",
            "alerts": host("prod", system)["release_alerts"],
            "alerting": host("prod", system)["release_alerting"],
        }
        for system in SYSTEMS
    ]
    routed = routes_of(systems)
    assert len(routed["route"]["routes"]) == len(SYSTEMS)
