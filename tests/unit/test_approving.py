# SPDX-License-Identifier: GPL-3.0-or-later
"""What people approve with and are stopped by, run by ansible-playbook without a cluster; each host is one case."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.approval.sign import Signing, sign
from ansible_collections.runbook.release.plugins.module_utils.approval.statement import Scope, validity
from ansible_collections.runbook.release.plugins.module_utils.release.ending import End, end
from ansible_collections.runbook.release.plugins.module_utils.release.operate import Begin, begin
from ansible_collections.runbook.release.plugins.module_utils.release.plan import Plan, make
from ansible_collections.runbook.release.plugins.module_utils.release.plan_file import write
from ansible_collections.runbook.release.plugins.module_utils.release.plan_page import page
from ansible_collections.runbook.release.plugins.module_utils.release.resume import Want
from ansible_collections.runbook.release.plugins.module_utils.release.run import Run
from ansible_collections.runbook.release.plugins.module_utils.release.tell import tell

from .plugins.module_utils.release.api import Api
from .plugins.module_utils.release.served import served

ROOT = Path(__file__).resolve().parents[2]
ROLES = ("lead", "qa", "security", "devops", "customer")
BEFORE = {"before": dict.fromkeys(ROLES, 1), "emergency": {"vp": 1}, "override": {"lead": 1}}
FIRE = {"release_emergency": "checkout is down"}
FROZEN = {"release_freezes": [{"from": "2020-01-01", "to": "2099-12-31", "reason": "nobody may release"}]}
DOWN = {"release_override_window": "the customer is down"}
ASK = """
- hosts: all
  gather_facts: false
  tasks:
    - block:
        - import_role: {name: runbook.release.plan, tasks_from: window.yml}
        - import_role: {name: runbook.release.approve}
        - set_fact: {said: "begins with {{ given | map(attribute='role') | join(' ') }}"}
          vars: {given: "{{ release_context.approvals | default([]) }}"}
      rescue:
        - set_fact: {said: "{{ ansible_failed_result.msg }}"}
    - copy: {content: "{{ all | to_json }}", dest: "{{ playbook_dir }}/said.json"}
      vars: {all: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'said'))) }}"}
      run_once: true
      check_mode: false
"""


def plan_of(**more: Any) -> Plan:
    colours = {"blue": {"version": "1.5", "weight": 100}, "green": {"version": "1.4", "weight": 0}}
    staged = {"awaits_traffic": True, "first": False, "live": "blue", "target": "green", "digest": "sha256:aa"}
    given: dict[str, Any] = {
        "system": "shop",
        "environment": "prod",
        "version": "1.6",
        "components": [{"name": "web", "source": {"kind": "manifests"}, "entry": {"kind": "service", "name": "web"}}],
        "staged": {"web": {**staged, "colours": colours}},
        "shift": {"steps": [100], "hold": 10, "drain": 0},
        "witness": {"rate": 20, "error_share": "1 %", "samples": 20},
        **{name: [] for name in ("migrations", "backups", "windows", "freezes")},
        **{name: {} for name in ("about", "approvals", "gates", "proven_in", "rollback")},
        **{name: "" for name in ("override", "emergency")},
        "typical_seconds": 600,
        "resumed": False,
    }
    return make({**given, **more})


@dataclass(frozen=True)
class Place:
    """A folder with keys, signers and approvals."""

    folder: Path

    def variables(self, plan: Plan, asked: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        paths = {"signers": str(self.folder / "signers"), "path": str(self.folder / "approvals")}
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": "shop",
            "release_starter": "ops@example.com",
            "release_approvals": {**(BEFORE if asked is None else asked), **paths},
            "release_context": {
                "environment": "prod",
                "todo": ["web"],
                "plan": {"digest": plan.digest, "plan": plan.content},
            },
            **more,
        }

    def play(self, playbook: Path, hosts: dict[str, dict[str, Any]], *options: str) -> str:
        (self.folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
        program = [sys.executable, "-c", "from ansible.cli.playbook import main; main()"]
        argv = [*program, f"--inventory={self.folder / 'hosts.yml'}", str(playbook), *options]
        env = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True}
        done = subprocess.run(argv, check=False, cwd=ROOT, env=env, **streams)
        return f"{done.stdout} ended with {done.returncode}"

    def ask(self, hosts: dict[str, dict[str, Any]], *options: str) -> dict[str, str]:
        """What each host has to say on its way to a release."""
        (self.folder / "ask.yml").write_text(ASK)
        self.play(self.folder / "ask.yml", hosts, *options)
        said = json.loads((self.folder / "said.json").read_text())
        return {host: " ".join(text.split()) for host, text in said.items()}

    def approve(self, plan: Plan, role: str, *options: str) -> str:
        """Approve it on the host of its system, and on another one by mistake."""
        write(self.folder / "plan", plan, page(plan))
        given = self.variables(plan, release_plan_path=str(self.folder / "plan"))
        given |= {"approve_role": role, "approve_key": str(self.folder / role)}
        hosts = {"shop": given, "till": {**given, "release_system": "till"}}
        return self.play(ROOT / "playbooks" / "approve.yml", hosts, *options)

    def sign(self, digest: str, *roles: str, system: str = "shop") -> None:
        scope = Scope(digest, system, "prod")
        folders = (self.folder / "approvals", self.folder / "signers")
        for role in roles:
            sign(Signing(scope, role, self.folder / role, validity("1h"), *folders), datetime.now(UTC))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "signers").mkdir()
    for role in (*ROLES, "vp"):
        key = tmp_path / role
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
        (tmp_path / "signers" / f"{role}.allowed_signers").write_text(f"{role}@example.com {public}\n")
    return Place(tmp_path)


def test_a_release_without_the_approvals_does_not_begin(place: Place) -> None:
    plan, nobody = plan_of(), {"before": {}}
    now = [{"rrule": f"FREQ=DAILY;BYHOUR={datetime.now(UTC).hour}", "timezone": "UTC", "duration": "2h"}]
    said = place.ask(
        {
            "nobody-signed": place.variables(plan),
            "nobody-asked": place.variables(plan, nobody),
            "no-starter": place.variables(plan, release_starter=""),
            "emergency": place.variables(plan, **FIRE),
            "emergency-without-roles": place.variables(plan, {"before": {"qa": 1}}, **FIRE),
            "frozen": place.variables(plan, nobody, **FROZEN),
            "override": place.variables(plan, {"override": {"lead": 1}}, **FROZEN, **DOWN),
            "override-without-roles": place.variables(plan, nobody, **FROZEN, **DOWN),
            "time-enough": place.variables(plan, nobody, release_windows=now),
            "too-little-time": place.variables(plan_of(typical_seconds=10800), nobody, release_windows=now),
        }
    )
    assert "missing: lead (0 of 1); qa (0 of 1); security (0 of 1); devops (0 of 1); custom" in said["nobody-signed"]
    assert said["nobody-asked"] == "begins with"
    assert "Say who starts this release: set release_starter." in said["no-starter"]
    assert "missing: vp (0 of 1)" in said["emergency"]
    assert "release_approvals.emergency is not set" in said["emergency-without-roles"]
    assert "nobody may release" in said["frozen"]
    assert "missing: lead (0 of 1)" in said["override"]
    assert "nobody may release" in said["override-without-roles"]
    assert said["time-enough"] == "begins with"
    assert "release_approvals.override" in said["too-little-time"]


def test_with_the_approvals_it_begins_and_only_with_them(place: Place) -> None:
    plan, emergency, override = (
        plan_of(),
        plan_of(emergency="checkout is down"),
        plan_of(override="the customer is down"),
    )
    place.sign(plan.digest, *ROLES)
    place.sign(emergency.digest, "vp")
    place.sign(override.digest, "lead")
    said = place.ask(
        {
            "five": place.variables(plan),
            "another-plan": place.variables(plan_of(version="1.7")),
            "emergency": place.variables(emergency, **FIRE),
            "no-emergency": place.variables(emergency),
            "override": place.variables(override, {"override": {"lead": 1}}, **FROZEN, **DOWN),
            "no-override": place.variables(override, {"override": {"lead": 1}}, **FROZEN),
            "only-the-starter": place.variables(override, {"before": {"lead": 1}}, release_starter="lead@example.com"),
        }
    )
    assert said["five"] == f"begins with {' '.join(sorted(ROLES))}"
    assert "missing: lead (0 of 1)" in said["another-plan"]
    assert said["emergency"] == "begins with vp"
    assert "missing: lead (0 of 1)" in said["no-emergency"]
    assert said["override"] == "begins with"
    assert "nobody may release" in said["no-override"]
    assert "the only one who approved it" in said["only-the-starter"]


def test_check_mode_asks_nobody(place: Place) -> None:
    assert place.ask({"check": place.variables(plan_of())}, "--check")["check"] == "begins with"


def test_who_approves_sees_the_plan_first(place: Place) -> None:
    plan = plan_of(override="the customer is down")
    shown = place.approve(plan, "qa", "--check")
    assert "web: blue 1.5 → green 1.6" in shown
    assert "OUTSIDE OF A WINDOW: the customer is down" in shown
    assert not (place.folder / "approvals").exists()
    signed = place.approve(plan, "qa")
    assert "This is the plan of shop 1.6 in prod, not of system till" in signed
    assert signed.index("# shop 1.6 in prod") < signed.index("Sign what was shown")
    [approval] = (place.folder / "approvals").iterdir()
    assert json.loads(approval.read_text())["statement"]["digest"] == plan.digest


def test_a_release_is_accepted_by_what_is_signed_after_it(place: Place) -> None:
    """What the same people signed before it does not count; the signature is over the head of its sealed ledger."""
    api, plan, playbooks = Api(), plan_of(), ROOT / "playbooks"
    run = begin(api.client(), Begin("shop", "shop-prod", "alice@a", Want("1.6"), plan.digest))["run"]
    end(api.client(), Run(**run), End("released", seconds=412.5))
    ((release, head),) = ((one["release"], one["head"]) for one in tell(api.client(), "shop", "shop-prod")["releases"])
    place.sign(plan.digest, "lead", "customer")
    cluster = {"kubeconfig": str(place.folder / "kubeconfig"), "namespace": "shop"}
    given = place.variables(
        plan, {"after": {"lead": 1, "customer": 1}}, release_cluster=cluster, release_environment="prod"
    )
    with served(api, place.folder / "kubeconfig"):
        refused = place.play(playbooks / "accept.yml", {"shop": given, "till": {**given, "release_system": "till"}})
        place.sign(f"sha256:{head['sha256']}", "customer")
        given |= {"approve_role": "lead", "approve_key": str(place.folder / "lead"), "approve_release": "newest"}
        again = str(playbooks / "accept.yml")
        accepted = place.play(playbooks / "approve.yml", {"shop": given}, again, again)
    assert "missing: lead (0 of 1); customer (0 of 1)" in refused
    assert f"it approves something else, {plan.digest}" in refused
    assert "No release of till in prod has ended." in refused
    said = " ".join(accepted.split())
    assert re.search(rf"{release}, version 1.6 in prod: released.*{head['sha256']}.*Sign what was shown", said)
    assert said.count("was accepted by customer@example.com (customer), lead@example.com (lead).") == 2
    assert re.search(r"changed=2 .*failed=0 .* ended with 0", said), "signed once, recorded once"
    (told,) = tell(api.client(), "shop", "shop-prod")["releases"]
    assert [(one["role"], one["kind"]) for one in told["accepted"]] == [("customer", "ssh"), ("lead", "ssh")]


def test_who_started_a_release_is_whom_its_ledger_names_whoever_is_asked_afterwards(place: Place) -> None:
    """They cannot accept it alone, nor by naming somebody else as the starter."""
    accept, api, cluster = ROOT / "playbooks" / "accept.yml", Api(), {"kubeconfig": str(place.folder / "kubeconfig")}
    hosts = {}
    for system, recorded in (("shop", {"starter": "lead@example.com"}), ("till", {})):
        run = begin(api.client(), Begin("shop", f"{system}-prod", "a@b", Want("1.6"), recorded=recorded))["run"]
        end(api.client(), Run(**run), End("released"))
        (told,) = tell(api.client(), "shop", f"{system}-prod")["releases"]
        place.sign(f"sha256:{told['head']['sha256']}", "lead", system=system)
        hosts[system] = place.variables(
            plan_of(),
            {"after": {"lead": 1}},
            release_system=system,
            release_environment="prod",
            release_cluster={**cluster, "namespace": "shop"},
        )
    with served(api, place.folder / "kubeconfig"):
        nobody = place.play(accept, {host: {**given, "release_starter": ""} for host, given in hosts.items()})
        named = " ".join(place.play(accept, hosts).split())
    assert "the only one who approved it" in nobody
    assert "Nobody recorded who started this release: set release_starter." in nobody
    assert "the only one who approved it" in named
    assert re.search(r"Release till-prod-\S+ which ended released, was accepted by lead@example.com", named)
    assert [len(one["accepted"]) for one in tell(api.client(), "shop", "shop-prod")["releases"]] == [0]
