# SPDX-License-Identifier: GPL-3.0-or-later
"""A repository of somebody new, as init.yml writes it; and a system nobody wrote code for, described in it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from .stage import ROOT, StandIn, asked, staged

PLAYBOOKS = {path.name for path in (ROOT / "playbooks").glob("*.yml")} - {"init.yml", "demo.yml"}
SCHEMA = yaml.safe_load((ROOT / "roles" / "plan" / "meta" / "argument_specs.yml").read_text())
OPTIONS: Mapping[str, Any] = SCHEMA["argument_specs"]["main"]["options"]

METER = {
    "release_system": "meter",
    "release_version": "2.1",
    "release_strategy": "rolling",
    "release_components": [
        {"name": name, **after, "source": {"kind": "image", "image": f"r.example/{name}"}, "workloads": [workload]}
        for name, workload, after in (
            ("collector", {"kind": "StatefulSet", "name": "collector"}, {}),
            ("reader", {"name": "reader"}, {"after": ["collector"]}),
        )
    ],
    "release_shift": {"hold": 60},
}


def ran(env: Mapping[str, str], folder: Path, *command: str) -> tuple[bool, str]:
    own = {**env, "PWD": str(folder)}
    done = subprocess.run(command, cwd=folder, env=own, check=False, capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def init(env: Mapping[str, str], folder: Path, *options: str) -> tuple[bool, str]:
    """What init.yml made of the folder ops."""
    given = ("-e", "init_target=ops", "-e", "init_system=meter", *options)
    return ran(env, folder, "ansible-playbook", "runbook.release.init", *given)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, str]]:
    """The folder above a fresh repository, and the environment to work with it."""
    folder = tmp_path_factory.mktemp("written")
    workloads = [
        {
            "kind": kind,
            "name": name,
            "before": {name: f"r.example/{name}:2.0"},
            "after": {name: f"r.example/{name}:2.1"},
            "done": "changed",
            "pods": 2,
        }
        for kind, name in (("StatefulSet", "collector"), ("Deployment", "reader"))
    ]
    outcome = {"changed": True, "workloads": workloads, "plan": [], "digest": "sha256:" + "4f" * 32}
    history = {"unfinished": {}, "owner": {}, "untold": "", "typical_seconds": 0}
    env = staged(
        folder,
        StandIn("release_info", "environment", {"prod": history}),
        StandIn("rollout", "version", {"2.1": outcome}, only_checks=True),
    )
    done, said = init(env, folder)
    assert done, said
    return folder, env


def test_it_has_every_playbook_an_inventory_for_each_environment_and_a_place_for_signers(
    written: tuple[Path, Mapping[str, str]],
) -> None:
    ops = written[0] / "ops"
    for name in PLAYBOOKS:
        (play,) = yaml.safe_load((ops / name).read_text())
        assert play["ansible.builtin.import_playbook"] == f"runbook.release.{name.removesuffix('.yml')}"
        assert f"`ansible-playbook {name} -i " in (ops / "README.md").read_text()
    for environment in ("prod", "staging"):
        shared = yaml.safe_load((ops / environment / "group_vars" / "all.yml").read_text())
        assert shared["release_environment"] == environment
        assert yaml.safe_load((ops / environment / "hosts.yml").read_text()) == {"all": {"hosts": {"meter": None}}}
    assert (ops / "signers" / "lead.allowed_signers").read_text().startswith("# Who may sign as lead")
    assert {path.name for path in ops.glob("*.yml")} == {*PLAYBOOKS, "requirements.yml"}


def test_the_example_host_sets_and_names_only_what_there_is(written: tuple[Path, Mapping[str, str]]) -> None:
    text = (written[0] / "ops" / "prod" / "host_vars" / "meter.yml").read_text()
    named = {line.removeprefix("# ").split(":")[0] for line in text.splitlines() if line.startswith("# release_")}
    assert set(yaml.safe_load(text)) | named <= set(OPTIONS)
    assert {"release_gates", "release_databases", "release_approvals", "release_proven_in"} <= named
    assert "O(" not in text
    assert "P(" not in text


@pytest.mark.parametrize("arguments", [("--syntax-check",), ("--list-tasks",)])
def test_the_command_is_literally_deploy_in_prod(
    written: tuple[Path, Mapping[str, str]], arguments: tuple[str, ...]
) -> None:
    folder, env = written
    done, said = ran(env, folder / "ops", "ansible-playbook", "deploy.yml", "-i", "prod", *arguments)
    assert done, said
    assert "playbook: deploy.yml" in said
    if arguments == ("--list-tasks",):
        assert "Begin, or go on with what was interrupted" in said or "Take the lock and begin the release" in said


def test_a_system_nobody_wrote_code_for_is_planned_from_variables_only(
    written: tuple[Path, Mapping[str, str]],
) -> None:
    folder, env = written
    ops, records = folder / "ops", folder / "ops" / "records" / "prod" / "meter"
    (ops / "prod" / "host_vars" / "meter.yml").write_text(json.dumps(METER))
    done, said = ran(env, ops, "ansible-playbook", "plan.yml", "-i", "prod")
    assert done, said
    assert asked(folder) == [["release_info", "prod"], ["rollout", "2.1"]]
    plan = json.loads((records / "plan-2.1" / "plan.json").read_text())["plan"]
    assert [(one["name"], one["live"]) for one in plan["components"]] == [("collector", "2.0"), ("reader", "2.0")]
    assert plan["rolling"]["waves"] == [["collector"], ["reader"]]


def test_what_is_yours_is_left_alone_and_what_differs_is_written_over_with_consent_only(
    tmp_path: Path,
) -> None:
    env = staged(tmp_path)
    ops = tmp_path / "ops"
    done, said = init(env, tmp_path, "--check", "--diff")
    assert (done, "+  ansible.builtin.import_playbook: runbook.release.deploy" in said, ops.exists()) == (
        True,
        True,
        False,
    ), said
    ops.mkdir()
    (ops / "deploy.yml").write_text("- hosts: all\n")
    done, said = init(env, tmp_path)
    assert not done
    assert "deploy.yml would be written over; nothing was changed. Where:" in " ".join(said.split())
    assert [path.name for path in ops.iterdir()] == ["deploy.yml"]
    assert init(env, tmp_path, "-e", "init_replace=true")[0]
    (ops / "prod" / "hosts.yml").write_text("all: {hosts: {another: }}\n")
    done, said = init(env, tmp_path)
    assert (done, "changed=0" in said) == (True, True), said
    assert "another" in (ops / "prod" / "hosts.yml").read_text()


@pytest.mark.parametrize("given", [("init_target=",), ("init_target=ops", "init_system=../x")])
def test_it_has_to_know_where_and_for_what(tmp_path: Path, given: tuple[str, ...]) -> None:
    options = [part for one in given for part in ("-e", one)]
    done, said = ran(staged(tmp_path), tmp_path, "ansible-playbook", "runbook.release.init", *options)
    assert (done, "Do: add -e init_target=a-folder" in " ".join(said.split())) == (False, True), said
