# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told of a release and what, by ansible-playbook and the modules that people use, to servers here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.release.ending import End, end
from ansible_collections.runbook.release.plugins.module_utils.release.index import read
from ansible_collections.runbook.release.plugins.module_utils.release.operate import Begin, begin
from ansible_collections.runbook.release.plugins.module_utils.release.plan_file import write
from ansible_collections.runbook.release.plugins.module_utils.release.plan_page import page
from ansible_collections.runbook.release.plugins.module_utils.release.register import index_of
from ansible_collections.runbook.release.plugins.module_utils.release.resume import Want
from ansible_collections.runbook.release.plugins.module_utils.release.run import Run

from .plugins.module_utils.release.api import Api
from .plugins.module_utils.release.served import served
from .receivers import Mailbox, Posts, certificate, mail_server, silent_server, web_server
from .test_approving import plan_of

ROOT = Path(__file__).resolve().parents[2]
SECRET = "planted-s3cr3t-"
TOKEN = f"T000/B000/{SECRET}token"
EVIL = "503 {{ lookup('ansible.builtin.pipe', 'id') }} <!channel> <http://evil|click> & more\r\nBcc: all@example.com"
PLAY = """
- hosts: all
  gather_facts: false
  module_defaults:
    group/runbook.release.kube: {kubeconfig: "{{ release_cluster.kubeconfig }}"}
  tasks:
    - command: {cmd: "cat {{ playbook_dir }}/said.txt"}
      register: cluster
      check_mode: false
    - include_role: {name: runbook.release.notify}
      vars:
        notify_event: "{{ said }}"
        notify_about: shop-prod-1
        notify_facts:
          what: Verify the live version
          why: "{{ cluster.stdout }}"
          ledger: 7 entries, sha256 6ca1
      loop: "{{ events }}"
      loop_control: {loop_var: said}
    - copy: {content: "{{ notify_outcome | default([]) | to_json }}", dest: "{{ playbook_dir }}/said.json"}
      check_mode: false
"""
RESTORE = """
- hosts: all
  gather_facts: false
  module_defaults:
    group/runbook.release.kube: {kubeconfig: "{{ release_cluster.kubeconfig }}"}
    group/runbook.release.run: {run: "{{ release_context.run }}"}
  tasks:
    - import_role: {name: runbook.release.report, tasks_from: restore.yml}
"""
APPROVE = """
- hosts: all
  gather_facts: false
  module_defaults:
    group/runbook.release.kube: {kubeconfig: "{{ release_cluster.kubeconfig }}"}
  tasks:
    - import_role: {name: runbook.release.approve}
"""


@dataclass
class Desk:
    """A folder to play in, an API server that keeps the ledgers, and the servers people are told through."""

    folder: Path
    api: Api
    mailbox: Mailbox
    posts: Posts
    trusted: Path
    seconds: float = 0.0

    def mail(self, **more: Any) -> dict[str, Any]:
        to = {"kind": "mail", "host": "localhost", "port": self.mailbox.port, "sender": "releases@example.com"}
        return {**to, "recipients": ["ops@example.com", "grid@example.com"], **more}

    def webhook(self, **more: Any) -> dict[str, Any]:
        return {"kind": "webhook", "url": f"http://localhost:{self.posts.port}/{SECRET}path", **more}

    def variables(self, *told: Any, **more: Any) -> dict[str, Any]:
        context = {
            "environment": "prod",
            "version": "1.6",
            "id": "shop-prod-1",
            "starter": "alice@example.com",
            "plan": {"digest": "sha256:aa"},
            "record": "/srv/releases/shop-prod-1",
        }
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "release_system": "shop",
            "release_environment": "prod",
            "release_cluster": {"namespace": "shop", "kubeconfig": str(self.folder / "kubeconfig")},
            "release_context": context,
            "release_contact": "release-desk@example.com",
            "release_windows": [{"rrule": "FREQ=DAILY", "timezone": "Asia/Bangkok", "duration": "2h"}],
            "release_notify": list(told),
            "notify_seconds": 300,
            **more,
        }

    def play(self, playbook: Path, hosts: dict[str, Any], *options: str, **environment: str) -> str:
        (self.folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
        program = [sys.executable, "-c", "from ansible.cli.playbook import main; main()"]
        proxy = {"HTTPS_PROXY": f"http://127.0.0.1:{self.posts.port}", "SSL_CERT_FILE": str(self.trusted)}
        env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(self.folder / "temp"), **proxy}
        argv = [*program, f"--inventory={self.folder / 'hosts.yml'}", str(playbook), "-vvv", *options]
        began = time.monotonic()
        with served(self.api, self.folder / "kubeconfig"):
            done = subprocess.run(
                argv,
                check=False,
                cwd=ROOT,
                env=env | environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        self.seconds = time.monotonic() - began
        return f"{done.stdout}{done.stderr} ended with {done.returncode}"

    def tell(self, host: dict[str, Any], *events: str, **options: Any) -> tuple[str, list[dict[str, Any]]]:
        """What was shown, and what became of each message."""
        (self.folder / "play.yml").write_text(PLAY)
        (self.folder / "said.txt").write_text(EVIL)
        environment = {name: value for name, value in options.items() if name.isupper()}
        shown = self.play(
            self.folder / "play.yml", {"shop": {**host, "events": events}}, *options.get("options", ()), **environment
        )
        assert "ended with 0" in shown, shown
        return shown, json.loads((self.folder / "said.json").read_text())

    def told(self) -> list[dict[str, Any]]:
        """What the index knows of it."""
        return [one.after for one in read(index_of(self.api.client(), "shop", "shop-prod").store) if one.what == "told"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    pem = certificate(tmp_path)
    with mail_server(pem) as mailbox, web_server(pem) as posts:
        yield Desk(tmp_path, Api(), mailbox, posts, pem)


def every(desk: Desk, *events: str) -> list[dict[str, Any]]:
    slack = {"kind": "slack", "channel": "#ops", "token": TOKEN}
    pager = {"kind": "pagerduty", "routing_key": f"{SECRET}routing"}
    mail = desk.mail(username="releases", password=f"{SECRET}password")
    hook = desk.webhook(headers={"Authorization": f"Bearer {SECRET}bearer"})
    return [{"events": list(events), "to": to} for to in (mail, slack, pager, hook)]


def test_everybody_is_told_with_the_facts_and_what_a_cluster_said_is_data(desk: Desk) -> None:
    shown, outcome = desk.tell(desk.variables(*every(desk, "rolled_back")), "rolled_back")
    assert [one["delivered"] for one in outcome] == [True] * 4, shown
    (mail,) = desk.mailbox.mails
    assert mail["Subject"] == "[ROLLED BACK] shop 1.6 in prod"
    assert mail["Bcc"] is None
    assert len(desk.mailbox.recipients) == 2
    (part,) = mail.iter_parts()
    body = part.get_content()
    for line in (
        "Failed at: Verify the live version",
        "Started by: alice@example.com",
        "Plan: sha256:aa",
        "Evidence: /srv/releases/shop-prod-1",
        "Ledger: 7 entries, sha256 6ca1",
        "Contact: release-desk@example.com",
    ):
        assert line in body.splitlines()
    assert "Asia/Bangkok (+07:00)" in body
    assert "lookup('ansible.builtin.pipe', 'id')" in body
    said = {host or "webhook": post for host, _path, post in desk.posts.heard}
    (attachment,) = said["hooks.slack.com"]["attachments"]
    assert "&lt;!channel&gt; &lt;http://evil|click&gt; &amp; more" in attachment["text"]
    assert "<" not in attachment["text"] + attachment["title"]
    assert attachment["mrkdwn_in"] == []
    assert said["hooks.slack.com"]["link_names"] == 0
    assert said["events.pagerduty.com"]["dedup_key"] == "shop/prod"
    assert said["events.pagerduty.com"]["event_action"] == "trigger"
    assert said["events.pagerduty.com"]["payload"]["severity"] == "error"
    assert (said["webhook"]["event"], said["webhook"]["release"]) == ("rolled_back", "shop-prod-1")
    assert desk.mailbox.logins == [f"\0releases\0{SECRET}password"]
    assert SECRET not in shown


LOST = {"sentence": "Recovered in 2 min, 30 min of writes lost"}
NOT_BACK = {"task": "Put it in its place", "reason": "pg_restore: planted-words", "record": "shop cannot be restored"}
RESTORES: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "back": ({"restored": LOST}, "restored", ["is restored: shop from shop-1.", "Recovered in 2 min, 30 min of"]),
    "bad": (
        {"failure": NOT_BACK},
        "restore_failed",
        ["what wrote is back.", "Put it in its place", "cannot be restored"],
    ),
    "half": ({}, "restore_failed", ["and what writes may be stopped.", "Do: playbooks/restore.yml goes on with it."]),
}


def test_what_became_of_a_restore_is_told(desk: Desk) -> None:
    hosts, told = {}, every(desk, "restored", "restore_failed")
    for name, (became, _event, _texts) in RESTORES.items():
        run = begin(desk.api.client(), Begin("shop", f"{name}-prod", "alice@a", Want("", kind="restore")))["run"]
        context = {"id": run["release"], "run": run, "record": str(desk.folder / name), "restoring": {"shop": "shop-1"}}
        hosts[name] = desk.variables(*told, release_system=name, release_context={**context, **became})
    (desk.folder / "restore.yml").write_text(RESTORE)
    shown = desk.play(desk.folder / "restore.yml", hosts)
    mails = {str(mail["Subject"]).partition("] ")[2].split()[0]: mail for mail in desk.mailbox.mails}
    pages = {post["dedup_key"]: post["event_action"] for host, _path, post in desk.posts.heard if "pagerduty" in host}
    assert pages == {"back/prod/restore": "resolve", "bad/prod/restore": "trigger", "half/prod/restore": "trigger"}, (
        shown
    )
    for name, (_became, event, texts) in RESTORES.items():
        (part,) = mails[name].iter_parts()
        assert [text for text in [*texts, f"System: {name} in prod"] if text not in part.get_content()] == []
        assert "planted-words" not in part.get_content()
        record = json.loads((desk.folder / name / "record.json").read_text())
        assert {(one["event"], one["delivered"]) for one in record["told"]} == {(event, True)}


def test_nobody_is_told_twice_and_a_release_that_went_live_resolves_the_alert(desk: Desk) -> None:
    host = desk.variables(*every(desk, "begins", "released"))
    desk.tell(host, "begins")
    _shown, outcome = desk.tell(host, "begins", "released")
    assert {one["event"] for one in outcome} == {"released"}
    assert len(desk.mailbox.mails) == 2
    assert [one["event"] for one in desk.told()] == ["begins", "released"]
    alerts = [post["event_action"] for host, _path, post in desk.posts.heard if "pagerduty" in host]
    assert alerts == ["trigger", "resolve"]


def test_who_could_not_be_told_is_recorded_without_secrets_and_told_the_next_time(desk: Desk) -> None:
    desk.posts.answer = (500, {"error": SECRET})
    host = desk.variables(*every(desk, "failed"))
    shown, outcome = desk.tell(host, "failed")
    assert {one["name"]: one["delivered"] for one in outcome} == {
        "mail ops@example.com, grid@example.com": True,
        "slack #ops": False,
        "pagerduty": False,
        "webhook localhost": False,
    }
    assert all("500" in one["why"] for one in outcome if not one["delivered"])
    assert "Not told: slack #ops:" in shown
    assert SECRET not in shown + json.dumps(desk.told())
    desk.posts.answer = (200, {})
    _shown, again = desk.tell(host, "failed")
    assert [one["name"] for one in again] == ["slack #ops", "pagerduty", "webhook localhost"]
    assert [one["delivered"] for one in again] == [True] * 3
    assert len(desk.mailbox.mails) == 1


def test_a_server_that_is_silent_keeps_nobody_waiting(desk: Desk) -> None:
    """What is begun is given up, and nothing begins once the time is up."""
    with silent_server() as silent:
        slow = desk.webhook(url=f"http://localhost:{silent}/{SECRET}", name="slow")
        late = desk.webhook(name="late")
        host = desk.variables(*({"events": ["begins"], "to": to} for to in (slow, late)), notify_seconds=5)
        shown, outcome = desk.tell(host, "begins")
    assert [(one["name"], one["delivered"]) for one in outcome] == [("slow", False), ("late", False)]
    assert outcome[1]["why"] == "the time for telling was up"
    assert desk.posts.heard == []
    assert SECRET not in shown


def test_a_server_that_is_away_is_named_and_the_others_are_told(desk: Desk) -> None:
    entries = [{"events": ["begins"], "to": to} for to in (desk.mail(port=1, name="away"), desk.mail(name="there"))]
    _shown, outcome = desk.tell(desk.variables(*entries, release_context={}), "begins")
    assert [one["delivered"] for one in outcome] == [False, True]
    assert "refused" in outcome[0]["why"].lower()


def test_a_certificate_nobody_trusts_is_not_talked_to_and_a_password_is_never_sent_in_clear(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "nobody.pem").write_text("")
    slack, pager = every(desk, "begins")[1:3]
    with mail_server() as plain:
        clear = desk.mail(port=plain.port, username="releases", password=f"{SECRET}password", name="clear")
        host = desk.variables(slack, pager, {"events": ["begins"], "to": clear})
        shown, outcome = desk.tell(host, "begins", SSL_CERT_FILE=str(tmp_path / "nobody.pem"))
    whys = {one["name"]: one["why"] for one in outcome}
    assert not any(one["delivered"] for one in outcome)
    assert "certificate" in whys["pagerduty"].lower()
    assert "StartTLS is not offered" in whys["clear"]
    assert (desk.posts.heard, plain.logins, plain.mails) == ([], [], [])
    assert SECRET not in shown


def test_check_mode_tells_nobody_and_says_who_would_be_told_what(desk: Desk) -> None:
    shown, outcome = desk.tell(desk.variables(*every(desk, "begins")), "begins", options=["--check"])
    assert outcome == []
    assert (desk.mailbox.mails, desk.posts.heard, desk.told()) == ([], [], [])
    said = " ".join(shown.split())
    assert "Would tell mail ops@example.com, grid@example.com, slack #ops, pagerduty, webhook localhost:" in said
    assert "[BEGINS] shop 1.6 in prod" in said
    assert SECRET not in shown


def test_people_are_told_although_the_ledger_cannot_be_read(desk: Desk) -> None:
    host = desk.variables({"events": ["failed"], "to": desk.mail()})
    host["release_cluster"]["kubeconfig"] = str(desk.folder / "nothing-here")
    _shown, outcome = desk.tell(host, "failed")
    assert [one["delivered"] for one in outcome] == [True]
    assert len(desk.mailbox.mails) == 1


def test_who_is_told_in_their_hours_only_is_not_told_outside_of_them(desk: Desk) -> None:
    never = [{"rrule": "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1;UNTIL=20200102", "timezone": "UTC", "duration": "1h"}]
    always = [{"rrule": "FREQ=DAILY", "timezone": "UTC", "duration": "24h"}]
    asleep, awake = desk.mail(name="asleep"), desk.mail(name="awake")
    entries = (
        {"events": ["begins"], "hours": never, "to": asleep},
        {"events": ["begins"], "hours": always, "to": awake},
    )
    _shown, outcome = desk.tell(desk.variables(*entries), "begins")
    assert [one["name"] for one in outcome] == ["awake"]


def test_telling_disturbs_no_release_that_is_under_way(desk: Desk) -> None:
    begun = begin(desk.api.client(), Begin("shop", "shop-prod", "alice@a", Want("1.6"), "sha256:aa"))
    desk.tell(desk.variables({"events": ["begins"], "to": desk.mail()}), "begins")
    end(desk.api.client(), Run(**begun["run"]), End("released"))
    assert len(desk.mailbox.mails) == 1


def test_a_planned_release_is_announced_once_however_often_a_schedule_asks(desk: Desk, tmp_path: Path) -> None:
    notice, plan = ROOT / "playbooks" / "notify.yml", plan_of()
    windows = [{"rrule": "FREQ=DAILY;BYHOUR=2", "timezone": "Asia/Bangkok", "duration": "2h", "notice": "24h"}]
    given = {"release_windows": windows, "release_plan_path": str(tmp_path / "plan"), "release_context": {}}
    away = desk.variables({"events": ["notice"], "to": desk.mail(port=1)}, **given)
    there = desk.variables({"events": ["notice"], "to": desk.mail()}, release_changes=["Faster forecasts"], **given)
    assert "so nothing is announced" in " ".join(desk.play(notice, {"shop": there}).split())
    write(tmp_path / "plan", plan, page(plan))
    nobody = " ".join(desk.play(notice, {"shop": away}).split())
    assert "Told nobody. Not told: mail ops@example.com, grid@example.com:" in nobody
    assert "ended with 2" in nobody
    for _time in range(2):
        assert "ended with 0" in desk.play(notice, {"shop": there})
    (mail,) = desk.mailbox.mails
    assert mail["Subject"].startswith("[SCHEDULED] shop 1.6 in prod, ")
    (part,) = mail.iter_parts()
    for text in ("02:00 Asia/Bangkok (+07:00) to ", "- Faster forecasts", "Expected duration: 10 minutes", plan.digest):
        assert text in part.get_content()
    assert [one["window"]["timezone"] for one in desk.told() if one["told"]] == ["Asia/Bangkok"]


def test_whom_a_release_waits_for_is_told_once_and_it_still_does_not_begin(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "approve.yml").write_text(APPROVE)
    (tmp_path / "signers").mkdir()
    (tmp_path / "signers" / "lead.allowed_signers").write_text("")
    paths = {"signers": str(tmp_path / "signers"), "path": str(tmp_path / "approvals")}
    host = desk.variables(
        {"events": ["approval"], "to": desk.mail()},
        release_approvals={"before": {"lead": 1}, **paths},
        release_starter="ops@example.com",
    )
    host["release_context"] = {
        "environment": "prod",
        "version": "1.6",
        "todo": ["web"],
        "plan": {"digest": f"sha256:{64 * 'a'}"},
    }
    for _time in range(2):
        refused = " ".join(desk.play(tmp_path / "approve.yml", {"shop": host}).split())
        assert "ended with 2" in refused
        assert "missing: lead (0 of 1)" in refused
    (mail,) = desk.mailbox.mails
    assert mail["Subject"] == "[APPROVAL] shop 1.6 in prod waits for approval"
    (part,) = mail.iter_parts()
    assert "Who has to approve, and how many of each: lead 1" in part.get_content()
