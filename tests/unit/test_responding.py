# SPDX-License-Identifier: GPL-3.0-or-later
"""An incident from the first look to the review, by the playbook that people start, to servers here."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from .plugins.module_utils.release.api import Api, answer
from .receivers import certificate, mail_server, web_server
from .stage import StandIn, staged
from .stage import asked as stood_in
from .test_notifying import ROOT, SECRET, Desk

INCIDENT = ROOT / "playbooks" / "incident.yml"
ID = "shop-prod-incident-errors-1"
KINDS = (
    *("deployments", "statefulsets", "daemonsets", "replicasets", "horizontalpodautoscalers"),
    *("pods", "events", "jobs", "cronjobs"),
)
INCIDENTS = {
    "severities": [
        {"name": "P1", "scale": "critical", "respond": "15m", "resolve": "1h", "update": "30m", "rollback": True},
        {"name": "P2", "scale": "high", "respond": "1h", "tells": ["nobody else"]},
    ],
    "escalation": [{"role": "CTO", "contact": "[Phone]"}, {"role": "on call", "contact": "+49 30 1", "after": "15m"}],
    "channels": {"chat": "#incidents", "conference": "https://meet.example.com/7"},
}


class Idle(Api):
    """Nothing runs there."""

    def handle(self, request: Any) -> SimpleNamespace:
        if request.method == "GET" and request.path.rpartition("/")[2] in KINDS:
            return answer(200, {"metadata": {}, "items": []}, self.now)
        if request.path == "/version":
            return answer(200, {"gitVersion": "v1.33.0"}, self.now)
        return super().handle(request)


@dataclass
class Night(Desk):
    """The same desk, with a system that has incidents and a web server that takes its remedies."""

    def measured(self, lost: int) -> None:
        (self.folder / "measured.json").write_text(json.dumps({"lost": lost}))

    def system(self) -> dict[str, Any]:
        symptom = {
            "name": "lost orders",
            "source": {"kind": "command", "command": ["cat", str(self.folder / "measured.json")]},
            "select": "lost",
            "expect": "== 0",
        }
        url = f"http://localhost:{self.posts.port}/restart"
        restart = {"url": url, "token_environment": "RESTART_TOKEN", "body": {"restart": True}}
        types = [
            {
                "name": "errors",
                "severity": "P1",
                "title": "Orders are lost",
                "symptoms": [symptom],
                "evidence": ["what is lost"],
                "remedies": ["restart the API"],
                "follow_up": ["Alert on lost orders"],
                "contact": "support@example.com",
            },
            {
                "name": "breach",
                "severity": "P1",
                "security": True,
                "contain": [{"task": "stop the API", "back": "start the API"}],
            },
        ]
        events = ["incident", "incident_update", "incident_resolved"]
        pager = {"kind": "pagerduty", "routing_key": f"{SECRET}routing"}
        return self.variables(
            *({"events": events, "to": to} for to in (self.mail(), pager)),
            release_context={},
            release_strategy="rolling",
            release_components=[{"name": "api", "workloads": [{"name": "api"}]}],
            release_record=str(self.folder / "records"),
            release_starter="alice@example.com",
            release_incidents={**INCIDENTS, "types": types},
            release_tasks=[
                {"name": "restart the API", "request": restart},
                {"name": "what is lost", "check": [symptom]},
                {"name": "stop the API", "pause": {"workloads": [{"name": "api"}]}},
                {"name": "start the API", "pause": {"workloads": [{"name": "api"}], "do": "resume"}},
            ],
        )

    def responds(self, **asked: Any) -> str:
        more = ["-e", json.dumps({f"incident_{name}": value for name, value in asked.items()})]
        said = self.play(INCIDENT, {"shop": self.system()}, *more, RESTART_TOKEN=f"{SECRET}token")
        assert SECRET not in said
        return " ".join(said.split())

    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mailbox.mails]

    def texts(self) -> list[str]:
        return [part.get_content() for mail in self.mailbox.mails for part in mail.iter_parts()]

    def entries(self) -> list[dict[str, Any]]:
        return [
            json.loads(text)
            for path, obj in sorted(self.api.objects.items())
            if f"ledger-{ID}-" in path
            for text in obj["data"].values()
        ]

    def ledger(self) -> list[str]:
        return [one["what"] for one in self.entries()]


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    pem = certificate(tmp_path)
    with mail_server(pem) as mailbox, web_server(pem) as posts:
        desk = Night(tmp_path, Idle(), mailbox, posts, pem)
        desk.measured(7)
        yield desk


def test_an_incident_goes_from_the_first_look_to_the_review(night: Night) -> None:
    said = night.responds(type="errors", source="alert", trigger="LostOrders in Prometheus", users="5 %")
    assert "ended with 0" in said, said
    assert night.ledger() == ["incident opened", "evidence kept", "symptoms judged", "told"]
    assert night.subjects() == ["[INCIDENT] P1 shop in prod: Orders are lost"]
    for line in (
        "Severity: P1 (critical)",
        "Users affected: 5 %",
        "Trigger: LostOrders in Prometheus",
        "- lost orders: fail",
        "Conference: https://meet.example.com/7",
        "Ask: support@example.com",
    ):
        assert line in night.texts()[0].splitlines()
    assert "Next update by: " in night.texts()[0]
    (alert,) = [post for host, _path, post in night.posts.heard if "pagerduty" in host]
    assert (alert["event_action"], alert["payload"]["severity"]) == ("trigger", "critical")
    assert alert["dedup_key"] == f"shop/prod/{ID}"
    assert "CTO.contact is still" in said
    assert '{\\"incident_remedy\\": \\"restart the API\\"}' in said or '{"incident_remedy": "restart the API"}' in said
    assert "runbook.release.rollback" in said

    said = night.responds(type="errors", step="state", state="resolved", cause="the pool was exhausted")
    assert "cannot be resolved while its symptoms hold: lost orders (fail)" in said
    assert "ended with 2" in said

    said = night.responds(type="errors", step="remedy", remedy="restart the API")
    assert "restart the API was not begun, because it was not confirmed" in said
    assert not [path for _host, path, _post in night.posts.heard if path == "/restart"]

    night.measured(0)
    asked = {"update": "Orders flow again.", "state": "resolved", "actions": ["Raise the pool"]}
    said = night.responds(type="errors", remedy="restart the API", confirm=True, **asked)
    assert "ended with 0" in said, said
    assert [path for _host, path, _post in night.posts.heard if path == "/restart"] == ["/restart"]
    steps = [what for what in night.ledger() if what not in ("told", "evidence kept")]
    assert steps == [
        "incident opened",
        "symptoms judged",
        "assessed",
        "assessed",
        "symptoms judged",
        "acknowledged",
        "remedy begins",
        "remedy done",
        "mitigated",
        "update",
        "resolved",
    ]
    assert "What we are doing: Orders flow again." in night.texts()[1]
    assert [subject.partition("]")[0] for subject in night.subjects()] == [
        "[INCIDENT",
        "[INCIDENT UPDATE",
        "[INCIDENT RESOLVED",
    ]
    for line in ("Cause: the pool was exhausted", "Fix: restart the API"):
        assert line in night.texts()[-1].splitlines()
    assert [post["event_action"] for host, _path, post in night.posts.heard if "pagerduty" in host][-1] == "resolve"

    (review,) = night.folder.glob(f"records/shop/incidents/{ID}/review.md")
    written = review.read_text()
    for part in (
        "# Orders are lost",
        "| Users affected | 5 % |",
        "P1 Orders are lost, by alert (LostOrders in Prometheus) | alice@example.com |",
        "restart the API done | alice@example.com |",
        "the pool was exhausted",
        "- [ ] Raise the pool",
        "- [ ] Alert on lost orders",
        "| Response due | ",
    ):
        assert part in written
    assert SECRET not in written
    review.write_text("what people wrote")
    said = night.responds(type="errors", state="reviewed", review="true", review_link="https://example.com/7")
    assert "ended with 0" in said, said
    assert review.read_text() == "what people wrote"
    assert night.ledger()[-1] == "sealed"


def test_a_breach_is_not_contained_before_all_evidence_is_kept(night: Night) -> None:
    """Nothing runs on the API server here, so there was nothing to keep."""
    said = night.responds(type="breach")
    assert "ended with 0" in said, said
    said = night.responds(type="breach", step="remedy", remedy="stop the API", confirm=True)
    assert "stop the API contains the incident, and the evidence is not kept yet" in said
    assert "ended with 2" in said


def test_what_nobody_foresaw_needs_only_a_title_and_a_severity_and_goes_up_the_chain(night: Night) -> None:
    said = night.responds(title="smoke in the room", sevrity="P1")
    assert "Unknown variable incident_sevrity: did you mean incident_severity?" in said
    said = night.responds(step="contacts")
    assert "2. on call: +49 30 1, after 15m" in said
    assert "P1 (critical): respond in 15m, resolve in 1h" in said
    assert night.api.objects == {}
    said = night.responds(title="smoke in the room", severity="critical", step="open")
    assert "ended with 0" in said, said
    assert night.subjects() == []
    for _time in range(2):
        assert "is not acknowledged, and goes to CTO ([Phone])" in night.responds(step="watch")
    assert night.subjects() == ["[INCIDENT OVERDUE] shop in prod: escalation of shop-prod-incident-other-1"]
    said = night.responds()
    assert "Incident shop-prod-incident-other-1: P1 smoke in the room, investigating since" in said
    assert "errors (P1): Orders are lost." in said


BEGUN = {
    **{"decision": "go back", "sentence": "release r1 of 1.6 is taken back.", "version": "1.6", "began": 1.0},
    **{"first": False, "weight": 0, "inputs": {}, "starter": "", "approvals": [], "rolled": ["shop"], "alone": []},
    **{"migrations": [], "proof": {}, "head": {"number": 9, "sha256": "ab"}},
    "run": {"release": "r1", "namespace": "shop", "lease": "shop-prod", "token": 7, "who": "alice@a", "ttl": 60}
    | {"mirror": "", "signing_key": ""},
}
NOTHING = BEGUN | {"decision": "nothing", "sentence": "there is no release to take back after 1.5.", "run": {}}
GOES_BACK = """
import json, pathlib
asked = pathlib.Path("{folder}/asked.jsonl")
print(json.dumps({{"lost": 0 if asked.exists() and "restored" in asked.read_text() else 7}}))
"""


def taken_back(night: Night, begun: dict[str, Any], **asked: Any) -> str:
    """An incident of a type that has the release itself as its remedy."""
    system = night.system()
    (errors, _breach) = system["release_incidents"]["types"]
    errors["remedies"] = ["go back"]
    system["release_components"][0]["source"] = {"kind": "image", "image": "r.example/api"}
    program = GOES_BACK.format(folder=night.folder)
    errors["symptoms"][0]["source"] = {"kind": "command", "command": [sys.executable, "-c", program]}
    system["release_tasks"] += [{"name": "go back", "rollback": {}}]
    known = {"unfinished": {"version": "1.6", "rolled": ["shop"]}, "releases": [], "holds": []}
    env = staged(
        night.folder,
        StandIn("release_run", "reason", {ID: begun}),
        StandIn("release_info", "system", {"shop": known}),
        StandIn("rollout", "state", {}),
        StandIn("release_drift", "state", {}),
        StandIn("release_lock", "state", {}),
        StandIn("workload_change", "state", {}),
    )
    more = ["-e", json.dumps({f"incident_{name}": value for name, value in {"type": "errors", **asked}.items()})]
    said = night.play(INCIDENT, {"shop": system}, *more, ANSIBLE_COLLECTIONS_PATH=env["ANSIBLE_COLLECTIONS_PATH"])
    shutil.rmtree(night.folder / "collections")
    return " ".join(said.split())


def test_the_newest_release_goes_back_as_a_remedy_with_what_was_seen_before_and_after(night: Night) -> None:
    said = taken_back(night, BEGUN)
    assert "ended with 0" in said, said
    assert "incident_remedy" in said
    assert "runbook.release.rollback -i" not in said
    assert stood_in(night.folder) == []

    said = taken_back(night, BEGUN, step="remedy", remedy="go back", confirm=True)
    assert "ended with 0" in said, said
    assert [one for one in stood_in(night.folder) if one[0] in ("release_run", "rollout", "release_drift")] == [
        ["release_run", ID],
        ["rollout", "restored"],
        ["release_drift", "recorded"],
        ["release_run", ID],
    ]
    steps = [what for what in night.ledger() if what != "told"]
    assert steps == [
        *("incident opened", "evidence kept", "symptoms judged", "evidence kept"),
        *("acknowledged", "remedy begins", "remedy done", "symptoms judged", "mitigated"),
    ]
    (done,) = [one for one in night.entries() if one["what"] == "remedy done"]
    assert done["before"] == {"seen": ["lost orders: lost is 7, expected == 0"]}
    assert done["after"]["seen"] == ["lost orders: lost is 0, expected == 0"]
    assert (done["after"]["task"], done["after"]["why"]) == ("go back", "release r1 of 1.6 is taken back.")


def test_a_remedy_that_finds_no_release_to_take_back_failed_and_says_so(night: Night) -> None:
    assert "ended with 0" in taken_back(night, NOTHING)
    said = taken_back(night, NOTHING, step="remedy", remedy="go back", confirm=True)
    assert "go back failed. there is no release to take back after 1.5." in said
    assert "ended with 2" in said
    assert [what for what in night.ledger() if "remedy" in what] == ["remedy begins", "remedy failed"]
