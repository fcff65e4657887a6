# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories of the five systems: whatever stands in them can be read by what reads it later."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.runbook.release.plugins.module_utils.approval.statement import checked_role
from ansible_collections.runbook.release.plugins.module_utils.notify.targets import EVENTS, mistakes, of_event
from ansible_collections.runbook.release.plugins.module_utils.policy.rules import read_policy
from ansible_collections.runbook.release.plugins.module_utils.postgres.reach import SERVER_OPTIONS
from ansible_collections.runbook.release.plugins.module_utils.release.guards import unguarded
from ansible_collections.runbook.release.plugins.module_utils.release.plan_parts import foretold
from ansible_collections.runbook.release.plugins.module_utils.release.unfit import unfit
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.judge.asked import Gate, asked
from ansible_collections.runbook.release.plugins.module_utils.tor.observation import looks
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from ansible_collections.runbook.release.plugins.module_utils.window.answer import inside

from .deceived import deceived

ROOT = Path(__file__).resolve().parents[2]
INVENTORIES = ROOT / "inventories"
CATALOGUES = ROOT / "docs" / "criteria"
TEMPLATED = Path(__file__).with_name("templated_inventory.py")
SYSTEMS = ("novacron", "pea", "predictiq", "solar", "teei")
ENVIRONMENTS = ("prod", "staging")
HOSTS = [(environment, system) for environment in ENVIRONMENTS for system in SYSTEMS]
SCHEMA = yaml.safe_load((ROOT / "roles" / "plan" / "meta" / "argument_specs.yml").read_text("utf-8"))
OPTIONS: dict[str, Any] = SCHEMA["argument_specs"]["main"]["options"]
OF_A_RELEASE = {
    "release_version": "2.4.0",
    "ansible_playbook_python": "/usr/bin/python3",
}
SECRET_NAME = re.compile(r"(?:^|_)(?:password|passwd|token|secret|api_?key|access_key|secret_key)$", re.IGNORECASE)
SECRET_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{20}|\bglpat-\w{10}|\bhvs\.\w{10}"
    r"|\bxox[abpr]-\w{8}"
    r"|hooks\.slack\.com/services/|\w+://[^/\s:{}]+:[^/\s@{}]+@|\beyJ\w{10,}\.|\bBearer\s+[\w.-]{12}"
)
UNDECIDED = re.compile(r"\bTODO\b|\bTBD\b|\bFIXME\b|\[(?:Name|Phone|Link)\]|PXXX|vol-xxx")

Given = Mapping[str, Any]


@cache
def loaded(environment: str) -> Mapping[str, Mapping[str, Any]]:
    """The variables of each host, as a play would see them, without a warning on the way."""
    argv = [sys.executable, str(TEMPLATED), str(INVENTORIES / environment), json.dumps(OF_A_RELEASE)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "[WARNING]" not in done.stderr, done.stderr
    return dict(json.loads(done.stdout))


def host(environment: str, system: str) -> Mapping[str, Any]:
    return loaded(environment)[system]


def smoke_of(variables: Given) -> list[Given]:
    """The smoke criteria of all components as the role verify asks them: of a colour, or of what rolls as it is."""
    return [
        one | {"source": {"service": f"{component['name']}-blue"} | one["source"]}
        if one["source"]["kind"] == "service" and not component.get("workloads")
        else one
        for component in variables["release_components"]
        for one in component.get("smoke", [])
    ]


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        refers = "key" in value or value.get("secret") is True  # the name of a Secret, not what is in it
        for key, below in value.items():
            yield from leaves(below, "" if key == "secret" and refers else str(key))
    elif isinstance(value, list | tuple):
        for below in value:
            yield from leaves(below, name)
    else:
        yield name, str(value)


def literals(path: Path) -> Iterator[tuple[str, str]]:
    return leaves(yaml.safe_load(path.read_text("utf-8")))


FILES = sorted(
    {path.resolve() for folder in (*ENVIRONMENTS, "systems") for path in (INVENTORIES / folder).rglob("*.yml")}
)


def test_every_file_of_an_inventory_has_variables() -> None:
    """A link that was kept as a text is the path it pointed to."""
    files = sorted(path for path in INVENTORIES.rglob("*.yml") if path.is_file())
    assert [str(path) for path in files if not isinstance(yaml.safe_load(path.read_text("utf-8")), dict)] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_has_all_five_systems(environment: str) -> None:
    assert sorted(loaded(environment)) == list(SYSTEMS)
    assert {name: one["release_system"] for name, one in loaded(environment).items()} == {
        name: name for name in SYSTEMS
    }
    assert {one["release_environment"] for one in loaded(environment).values()} == {environment}


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_the_variables_of_a_host_fit_the_schema(environment: str, system: str) -> None:
    variables = host(environment, system)
    given = {name: value for name, value in variables.items() if name.startswith("release_")}
    result = ArgumentSpecValidator(OPTIONS).validate(given)
    assert result.error_messages == []


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_nothing_stands_in_an_inventory_that_nothing_reads(environment: str, system: str) -> None:
    assert {name for name in host(environment, system) if name.startswith("release_")} <= set(OPTIONS)


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_components_fit_their_strategy(environment: str, system: str) -> None:
    variables = host(environment, system)
    strategy, rules = (
        variables.get("release_strategy", "bluegreen"),
        variables.get("release_rollback", {}).get("policy", []),
    )
    assert unfit(strategy, variables["release_components"], variables["release_gates"], rules) == []


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_every_criterion_of_a_host_can_be_read(environment: str, system: str) -> None:
    variables = host(environment, system)
    assert len(parse_criteria(smoke_of(variables))) == len(smoke_of(variables)) > 0
    for gate, criteria in variables["release_gates"].items():
        assert gate in OPTIONS["release_gates"]["options"]
        filled = asked(criteria, Gate("new", "old", witness="witness", since=1.0))
        assert len(parse_criteria(filled)) == len(criteria)
        assert [one["name"] for one in criteria if not one.get("clause")] == []


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_no_criterion_of_a_host_is_deceived(environment: str, system: str) -> None:
    variables = host(environment, system)
    criteria = [one for gate in variables["release_gates"].values() for one in gate] + smoke_of(variables)
    assert [one["name"] for one in criteria if deceived(one)] == []


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_baselines_are_asked_for_only_where_they_are_measured(environment: str, system: str) -> None:
    gates = host(environment, system)["release_gates"]
    compared = [gate for gate, criteria in gates.items() for one in criteria if "baseline" in str(one["expect"])]
    assert set(compared) <= {"step", "live", "observe"}


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_windows_looks_rules_and_approvals_can_be_read(environment: str, system: str) -> None:
    variables = host(environment, system)
    assert inside(variables.get("release_windows", []), 1_790_000_000, variables.get("release_freezes", []))
    if "release_observation" in variables:
        assert looks(variables["release_observation"])
    read_policy(variables.get("release_rollback", {}).get("policy", []))
    approvals = variables.get("release_approvals", {})
    for when in ("before", "override", "emergency", "after"):
        for role, number in approvals.get(when, {}).items():
            assert checked_role(role)
            assert number >= 1


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_whoever_is_to_be_told_can_be_told_and_somebody_is_told_of_what_needs_them(
    environment: str, system: str
) -> None:
    variables = host(environment, system)
    told = variables["release_notify"]
    assert mistakes(told) == []
    noon_on_sunday = 1_790_510_400.0
    events = {event for event in EVENTS if of_event(told, event, noon_on_sunday)}
    assert {"rolled_back", "stopped", "failed"} <= events
    if any("notice" in window for window in variables.get("release_windows", [])):
        assert "notice" in events


@pytest.mark.parametrize("system", SYSTEMS)
def test_whoever_asks_for_a_notice_has_a_window_that_is_announced(system: str) -> None:
    variables = host("prod", system)
    asks = any("notice" in one["events"] for one in variables["release_notify"])
    windows = [*variables.get("release_windows", []), *variables["release_maintenance"].get("windows", [])]
    assert asks == any(window.get("notice") for window in windows)


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_traffic_moves_upwards_and_ends_at_all_of_it(environment: str, system: str) -> None:
    steps = host(environment, system).get("release_shift", {}).get("steps", [100])
    assert steps == sorted(set(steps))
    assert steps[0] > 0
    assert steps[-1] == 100


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_databases_can_be_reached_and_migrations_are_about_one_of_them(environment: str, system: str) -> None:
    variables = host(environment, system)
    names = [one["name"] for one in variables["release_databases"]]
    for database in variables["release_databases"]:
        result = ArgumentSpecValidator(SERVER_OPTIONS.options).validate({"server": database["server"]})
        assert result.error_messages == []
    backed = [one for one in variables["release_databases"] if "cronjob" not in one["server"]]
    assert [one["name"] for one in backed if not one.get("store", variables["release_backups"].get("store"))] == []
    assert {one["database"] for one in variables["release_migrations"] if "kind" in one} <= set(names)


@pytest.mark.parametrize("system", SYSTEMS)
def test_staging_is_not_production(system: str) -> None:
    """Another cluster, and nothing that a release of staging asks is asked of production."""
    staging, production = host("staging", system), host("prod", system)
    assert staging["release_cluster"]["context"] != production["release_cluster"]["context"]
    hosts = [
        {url["url"].split("/")[2] for one in variables["release_components"] for url in one.get("urls", [])}
        for variables in (staging, production)
    ]
    assert not hosts[0] & hosts[1]
    stores = [
        {str(one.get("store", variables["release_backups"].get("store"))) for one in variables["release_databases"]}
        - {"None"}
        for variables in (staging, production)
    ]
    assert not stores[0] & stores[1]


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_address_that_a_release_of_staging_asks_says_that_it_is_staging(system: str) -> None:
    variables = host("staging", system)
    named = leaves([variables["release_components"], variables["release_gates"], variables["release_databases"]])
    asked = {text for name, text in named if name in ("url", "host", "namespace")} - {"monitoring"}
    assert asked
    assert [text for text in asked if "staging" not in text and text != variables["release_cluster"]["namespace"]] == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_production_has_every_guard_or_says_why_it_has_none(system: str) -> None:
    variables = host("prod", system)
    given = {
        "approvals": variables["release_approvals"]["before"],
        "windows": variables.get("release_windows"),
        "proof": variables.get("release_proven_in"),
        "without": variables.get("release_without"),
    }
    assert unguarded("production", variables["release_environment"], given) == []
    if proof := variables.get("release_proven_in"):
        assert proof["records"] == host("staging", system)["release_record"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_production_holds_every_criterion_of_the_catalogue(system: str) -> None:
    """By gate, name, measure and expectation; what is left out says why."""
    variables = host("prod", system)
    catalogue = yaml.safe_load((CATALOGUES / f"{system}.yml").read_text("utf-8"))["release_gates"]
    held = {
        (
            one["name"],
            one["select"],
            str(one["expect"]).replace(OF_A_RELEASE["release_version"], "{{ release_version }}"),
        )
        for criteria in (smoke_of(variables), *variables["release_gates"].values())
        for one in criteria
    }
    wanted = {(one["name"], one["select"], str(one["expect"])) for criteria in catalogue.values() for one in criteria}
    missing = {name for name, *_rest in wanted - held}
    reasons = variables.get("criteria_left_out", {})
    assert missing == set(reasons)
    assert [name for name, reason in reasons.items() if len(reason) < 20] == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_rules_of_production_are_about_criteria_that_are_observed(system: str) -> None:
    variables = host("prod", system)
    observed = {one["name"] for one in variables["release_gates"]["observe"]}
    assert {rule["criterion"] for rule in variables["release_rollback"]["policy"] if "criterion" in rule} <= observed


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_rule_about_a_value_is_about_one_measure_wherever_that_name_is_judged(system: str) -> None:
    """The gates judge smoke criteria as well: a status of 200 is more than three failures."""
    variables = host("prod", system)
    gates = variables["release_gates"]
    judged = [*smoke_of(variables), *(one for gate in ("step", "live", "observe") for one in gates.get(gate, []))]
    valued = {
        rule["criterion"]
        for rule in variables["release_rollback"]["policy"]
        if "criterion" in rule and rule["when"] != "failed"
    }
    measures = {
        name: {(one.get("aggregate", ""), one["select"]) for one in judged if one["name"] == name} for name in valued
    }
    assert {name: found for name, found in measures.items() if len(found) > 1} == {}


def about_traffic(criterion: Given) -> bool:
    return criterion["source"]["kind"] == "prometheus" and "http_request" in criterion["source"]["query"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_the_policy_says_of_traffic_is_judged_when_the_new_version_has_all_of_it(system: str) -> None:
    """By criteria of the same names, over less time than the gate is held, so that its end is about nothing before."""
    variables = host("prod", system)
    observed, live = (
        {one["name"]: one for one in variables["release_gates"][gate] if about_traffic(one)}
        for gate in ("observe", "live")
    )
    rules = [rule for rule in variables["release_rollback"]["policy"] if rule.get("criterion") in observed]
    assert rules
    assert {rule["criterion"] for rule in rules} <= set(live)
    queries = " ".join(one["source"]["query"] for one in live.values())
    over = [int(minutes) * 60 for minutes in re.findall(r"\[(\d+)m\]", queries)]
    assert len(over) == queries.count("[") > 0
    assert max(over) < variables.get("release_shift", {}).get("hold", 300)
    assert {one["name"] for one in live.values() if one.get("severity") != "advisory"} >= {
        rule["criterion"] for rule in rules
    }


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_a_cluster_measures_of_pods_and_volumes_is_asked_of_the_namespace_of_the_system(system: str) -> None:
    variables = host("prod", system)
    namespace = f'namespace="{variables["release_cluster"]["namespace"]}"'
    sources = [one["source"] for gate in variables["release_gates"].values() for one in gate]
    said = [f"{source['query']} {source.get('fresh', '')}" for source in sources if source["kind"] == "prometheus"]
    series = [one for text in said for one in re.findall(r"\b(?:container|kubelet|kube_pod)_\w+(?:\{[^}]*\})?", text)]
    assert [one for one in series if namespace not in one] == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_good_version_passes_the_judge_while_a_step_is_held(system: str) -> None:
    variables = host("prod", system)
    shift = {"steps": [5, 25, 100], "hold": 300, **variables.get("release_shift", {})}
    told = foretold(
        variables["release_gates"].get("step", []),
        shift,
        variables["release_witness"]["rate"],
        len(variables["release_components"]),
    )
    assert [step for one in told for step in one["steps"] if "never" in step] == []


@pytest.mark.parametrize("system", SYSTEMS)
def test_no_gate_ends_before_a_band_of_the_policy_that_waits_is_decided(system: str) -> None:
    """A blocking criterion ends it as soon as it fails, so it lets the whole band pass."""
    variables = host("prod", system)
    waiting = [rule for rule in variables["release_rollback"]["policy"] if rule.get("after") or rule.get("times")]
    ended = [
        one["name"]
        for rule in waiting
        for one in variables["release_gates"]["live"]
        if one["name"] == rule["criterion"] and str(one["expect"]) != f"<= {rule['when'].partition('..')[2]}"
    ]
    assert ended == []


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_no_criterion_holds_because_of_the_colour_that_is_only_kept_warm(environment: str, system: str) -> None:
    variables = host(environment, system)
    criteria = [one for gate in variables["release_gates"].values() for one in gate]
    satisfied = [
        one["name"]
        for one in criteria
        if (one.get("aggregate") == "max" and str(one["expect"]).startswith(">"))
        or (one.get("aggregate") == "min" and str(one["expect"]).startswith("<"))
        if one["source"].get("labels")
    ]
    assert satisfied == []


VALIDATED = {  # as the runbook of PEA expects it
    "solar": """Solar Model Validation Results:
MAPE: 7.2% ✓ (< 10%)
RMSE: 85.3 kW ✓ (< 100 kW)
R²: 0.963 ✓ (> 0.95)
""",
    "voltage": """Voltage Model Validation Results:
MAE: 1.4V ✓ (< 2V)
RMSE: 2.1V
R²: 0.92
""",
}


def test_what_the_validation_of_a_live_model_prints_is_read() -> None:
    class Cluster:
        def list(self, *_asked: Any) -> Sequence[Any]:
            return [{"endpoints": [{"targetRef": {"kind": "Pod", "name": "backend-green-1"}}]}]

        def exec(self, _pod: str, _namespace: str, _container: str, command: Sequence[str], _timeout: float) -> Any:
            return 0, VALIDATED[command[command.index("--model") + 1]]

    asked_live = [one for one in host("prod", "pea")["release_gates"]["live"] if one["source"]["kind"] == "exec"]
    gate = evaluate(parse_criteria(asked_live), World("pea-forecast-prod", Cluster))  # type: ignore[arg-type]
    assert [(one.verdict, one.observed) for one in gate.verdicts] == [
        ("pass", 7.2),
        ("pass", 85.3),
        ("pass", 0.963),
        ("pass", 1.4),
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(INVENTORIES)))
def test_an_inventory_has_references_to_secrets_only(path: Path) -> None:
    named = [name for name, text in literals(path) if SECRET_NAME.search(name) and "lookup(" not in text]
    assert named == []
    assert SECRET_TEXT.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(INVENTORIES)))
def test_an_inventory_has_nothing_left_open(path: Path) -> None:
    assert UNDECIDED.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize(("environment", "system"), HOSTS)
def test_images_are_named_without_a_tag_and_migrate_with_the_version(environment: str, system: str) -> None:
    variables = host(environment, system)
    images = [one["source"]["image"] for one in variables["release_components"] if "image" in one["source"]]
    assert [image for image in images if ":" in image.rpartition("/")[2]] == []
    migrating = [one["image"] for one in variables["release_migrations"] if "image" in one]
    assert [image for image in migrating if not image.endswith(f":{OF_A_RELEASE['release_version']}")] == []
