# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans as files: made, read again, compared with the approved one, and signed."""

from __future__ import annotations

import copy
import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.release.rolling import rolled
from ansible_collections.runbook.release.plugins.modules import release_approval, release_plan

SECRET = "hunter2-correct-horse"
ROLES = ("lead", "qa", "security", "devops", "customer")
Options = dict[str, Any]
Run = Callable[..., dict[str, Any]]


def manifests(image: str, password: str) -> str:
    return f"""apiVersion: apps/v1
kind: Deployment
metadata: {{name: shop-blue}}
spec: {{template: {{spec: {{containers: [{{name: shop, image: "{image}", args: [{password}]}}]}}}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: shop-blue}}
data: {{password: {password}}}
"""


def staged(version: str = "1.6.0", live: str = "blue", live_version: str = "1.5.0") -> dict[str, Any]:
    """What helm_bluegreen returns in check mode with a diff."""
    target = "green" if live == "blue" else "blue"
    weights = {live: 100, target: 0}
    versions = {live: live_version, target: "1.4.0"}
    before, after = manifests("shop:1.5.0", "old"), manifests(f"shop:{version}", SECRET)
    return {
        "changed": True,
        "target": target,
        "live": live,
        "idle": target,
        "first": False,
        "awaits_traffic": True,
        "version": version,
        "digest": "sha256:" + "4f" * 32,
        "capacity": {f"Deployment/shop-{target}": 3},
        "plan": [f"upgrade release shop-{target} with version {version}", f"wait until {target} is ready"],
        "colours": {
            colour: {
                "release": f"shop-{colour}",
                "service": f"shop-{colour}",
                "version": versions[colour],
                "digest": "sha256:91aa20",
                "revision": 7,
                "status": "deployed",
                "ready": 3,
                "desired": 3,
                "weight": weights[colour],
                "quarantined": "",
            }
            for colour in ("blue", "green")
        },
        "seconds": 1.93,
        "diff": [
            {"before_header": f"idle shop-{target} 1.4.0", "after_header": "", "before": "", "after": after},
            {"before_header": f"live shop-{live} 1.5.0", "after_header": "", "before": before, "after": after},
        ],
    }


def component(**more: Any) -> Options:
    return {
        "name": "shop",
        "source": {
            "kind": "helm",
            "chart": "/srv/checkouts/alice/charts/shop",
            "repo": "",
            "image": "registry.example/shop",
            "values": {"image": {"tag": "1.6.0"}, "database": {"password": SECRET}},
        },
        "entry": {"kind": "httproute", "name": "shop", "namespace": None},
        "smoke": [
            {
                "name": "health",
                "source": {"kind": "service", "path": "/healthz"},
                "select": "status",
                "expect": "== 200",
            }
        ],
        "urls": [{"url": "http://shop.example/version"}],
        **more,
    }


OPTIONS: Options = {
    "system": "shop",
    "environment": "prod",
    "version": "1.6.0",
    "components": [component()],
    "staged": {"shop": staged()},
    "shift": {"steps": [5, 25, 100], "hold": 100, "drain": 0},
    "witness": {"rate": 200, "samples": 20},
    "gates": {
        "step": [
            {
                "name": "p95",
                "source": {"kind": "prometheus", "url": f"http://me:{SECRET}@prometheus", "query": "p95"},
                "select": "value in s",
                "expect": "< 300 ms",
            }
        ]
    },
    "approvals": {"before": {"qa": 1, "lead": 2}, "signers": "/etc/releases/signers"},
}


BESIDE = {"components": [component(), component(name="search")], "staged": {"shop": staged(), "search": staged()}}
BESIDE["staged"]["search"]["first"] = True


def options(**changes: Any) -> Options:
    """The options with some of them changed; a dotted name is changed inside."""
    given = copy.deepcopy(OPTIONS)
    for name, value in changes.items():
        *above, last = name.split("__")
        place: Any = given
        for step in above:
            place = place[int(step)] if step.isdecimal() else place[step]
        place[last] = value
    return given


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_module(given: Options | None = None, **more: Any) -> dict[str, Any]:
        with patch_module_args({**(OPTIONS if given is None else given), **more}), pytest.raises(SystemExit):
            release_plan.main()
        return dict(json.loads(capsys.readouterr().out))

    return run_module


@pytest.fixture
def approved(run: Run, tmp_path: Path) -> Path:
    run(path=str(tmp_path / "approved"))
    return tmp_path / "approved" / "plan.json"


def test_the_same_release_has_the_same_plan_on_another_machine_and_at_another_time(run: Run, tmp_path: Path) -> None:
    first = run(path=str(tmp_path / "one"))
    elsewhere = options(components__0__source__chart="/home/bob/src/charts/shop")
    elsewhere["staged"]["shop"]["seconds"] = 4.2
    elsewhere["approvals"]["signers"] = "/home/bob/signers"
    second = run(elsewhere, path=str(tmp_path / "two"))
    assert first["digest"] == second["digest"]
    files = [(tmp_path / folder / "plan.json").read_bytes() for folder in ("one", "two")]
    assert files[0] == files[1]


def test_the_plan_says_what_the_judge_will_be_able_to_see_at_each_step(run: Run) -> None:
    judged = {
        "name": "no worse than 1.5.0",
        "source": {"kind": "judge", "canary": "1.6.0", "baseline": "1.5.0", "path": "/var/lib/witness"},
        "select": "error_share",
        "expect": '== "pass"',
    }
    made = run(options(gates__step=[judged], shift__hold=600))
    assert made["page"].count("Judge of no worse than 1.5.0: ") == 2, (
        "not at 100 %, where nothing is left to compare with"
    )
    assert "/var/lib" not in made["page"]


def test_the_plan_foretells_a_judge_that_is_told_nothing_but_what_to_judge(run: Run) -> None:
    judged = {"name": "no worse", "source": {"kind": "judge"}, "select": "error_share", "expect": '== "pass"'}
    alone = run(options(gates__step=[judged], shift__hold=600))
    both = run(options(gates__step=[judged, {**judged, "name": "nor this"}], shift__hold=600))
    assert alone["page"].count("Judge of no worse: ") == 2
    told = [made["plan"]["judged"][0]["steps"][0] for made in (alone, both)]
    seen = [float(sentence.split("(")[1].split(" times")[0]) for sentence in told]
    assert seen[0] < seen[1], "two criteria share one alpha, so each sees less"


@pytest.mark.parametrize(
    ("source", "select"),
    [
        ({"url": "http://prometheus:9090", "total": 'all{v="$version"}', "bad": 'bad{v="$version"}'}, "error_share"),
        ({"service": "prometheus", "total": 'all{v="$version"}', "good": 'fast{v="$version"}'}, "slow_share"),
        ({}, "shift"),
    ],
)
def test_the_plan_foretells_nothing_of_what_it_does_not_know(run: Run, source: Options, select: str) -> None:
    judged = {"name": "no worse", "source": {"kind": "judge", **source}, "select": select, "expect": '== "pass"'}
    made = run(options(gates__step=[judged], shift__hold=600))
    assert [told for one in made["plan"]["judged"] for told in one["steps"] if "times" in told] == []
    assert made["page"].count("Judge of no worse: not foretold, as how ") == 1


JUDGED = {"name": "no worse", "source": {"kind": "judge"}, "select": "error_share", "expect": '== "pass"'}


def test_a_judge_that_would_hear_nothing_is_refused(run: Run) -> None:
    """What rolls would not be judged at all, and a colour only once it has traffic."""
    silent = {"witness__rate": 0}
    assert (
        "release_gates.live[0]: no worse judges what a witness hears"
        in run(options(gates__live=[JUDGED], **silent))["msg"]
    )
    counters = {"url": "http://prometheus:9090", "total": 'all{v="$version"}', "bad": 'bad{v="$version"}'}
    elsewhere = {**JUDGED, "source": {"kind": "judge", **counters}}
    assert run(options(gates__live=[elsewhere], **silent))["digest"]
    assert run(options(gates__live=[JUDGED]))["digest"]


@pytest.mark.parametrize(
    ("reached", "first", "heard"), [(True, False, True), (False, False, False), (True, True, True)]
)
def test_of_what_rolls_somebody_has_to_hear_a_component_that_runs(
    run: Run, reached: bool, first: bool, heard: bool
) -> None:
    given = rolling(gates={"live": [JUDGED]})
    given["staged"]["shop"]["first"] = first
    (own,) = given["components"]
    given["components"] = [
        {**own, "urls": [{"url": "http://shop/version"}], "identity": {"json": "v"}} if reached else own
    ]
    assert ("digest" in run(given)) == heard


def test_mistakes_in_criteria_are_told_by_the_plan_and_all_at_once(run: Run) -> None:
    good = {"name": "ready", "source": {"kind": "service", "path": "/ready"}, "select": "status", "expect": "== 200"}
    assert run(options(gates__live=[{**good, "source": {"kind": "http", "url": "http://shop/ready"}}]))["digest"]
    wrong = [{**good, "source": {"kind": "command", "command": ["true"], "format": "text"}, "select": "output"}]
    refused = run(options(gates__staged=wrong, gates__observe=[{**good, "expect": "== 200 s"}]))
    assert refused["failed"]
    assert "release_gates.staged[0].source.format: unknown" in refused["msg"]
    assert "release_gates.observe[0].source.service: " in refused["msg"]


def test_the_digest_is_of_everything_the_plan_says(run: Run) -> None:
    digests = {run()["digest"]}
    changes: list[Options] = [
        {"staged__shop__capacity": {"Deployment/shop-green": 4}},
        {"staged__shop__plan": ["install release shop-green with version 1.6.0"]},
        {"rollback": {"policy": [{"when": "all", "action": "rollback"}]}},
        {"proven_in": {"environment": "staging"}},
        {"about": {"version": "2.1"}},
        {"backups": ["orders, proven to restore"]},
        {"typical_seconds": 400},
        {"override": "the customer is down"},
    ]
    for change in changes:
        digests.add(run(options(**change))["digest"])
    assert len(digests) == len(changes) + 1


def test_rules_about_going_back_are_read_by_who_approves_and_what_cannot_be_read_is_refused(run: Run) -> None:
    rule = {"criterion": "errors", "when": "> 10 %", "after": "5m", "action": "rollback"}
    assert "errors > 10 %, for 5m: rollback" in run(options(rollback={"policy": [rule]}))["page"]
    refused = run(options(rollback={"policy": [{**rule, "action": "pray"}]}))
    assert "policy[0].action: 'pray' is none of rollback, hold, watch" in refused["msg"]


def test_who_approved_with_a_proof_has_not_approved_without_it(run: Run, tmp_path: Path) -> None:
    proof = {"environment": "staging", "within": "14d"}
    made = run(options(proven_in=proof, path=str(tmp_path)))
    assert "Proven first in staging, within 14d" in made["page"]
    approved = str(tmp_path / "plan.json")
    assert "msg" not in run(options(proven_in=proof, approved=approved))
    assert "proven_in changed" in run(options(approved=approved))["msg"]


def test_the_runbook_that_is_followed_is_named_and_its_overdue_review_told(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(release_plan.AnsibleModule, "warn", lambda _module, text: told.append(text))
    about = {"title": "Runbook of shops", "version": "2.1", "owner": "the shop team", "review_by": "2020-01-31"}
    made = run(options(about=about))
    assert "Follows Runbook of shops, version 2.1, kept by the shop team" in made["page"]
    assert "had to be reviewed by 2020-01-31. Do: have the shop team review it" in " ".join(told)


def test_a_review_on_no_day_is_refused(run: Run) -> None:
    assert "soon is no day" in run(options(about={"review_by": "soon"}))["msg"]


def test_no_secret_leaves_the_module(run: Run, tmp_path: Path) -> None:
    made = run(path=str(tmp_path / "plan"), _ansible_diff=True, _ansible_verbosity=4)
    refused = run(version="", approved=str(tmp_path / "plan"), _ansible_diff=True)
    assert refused["failed"]
    written = "".join(file.read_text() for file in (tmp_path / "plan").iterdir())
    assert "database.password" in made["page"]
    assert SECRET not in json.dumps([made, refused]) + written


def test_words_of_the_values_stay_readable_elsewhere(run: Run) -> None:
    made = run(options(components__0__source__values={"fullnameOverride": "shop", "environment": "prod"}))
    assert "shop 1.6.0 in prod" in made["page"]
    assert made["inputs"]["components"] == "shop"


def test_a_user_in_the_url_of_a_chart_repository_is_left_out(run: Run) -> None:
    made = run(options(components__0__source__repo=f"https://bot:{SECRET}@charts.example/stable"))
    assert "repo https://charts.example/stable" in made["inputs"]["shop source"]
    assert SECRET not in json.dumps(made)


def test_the_files_are_private_and_written_once(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "plan"
    assert run(path=str(folder))["changed"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {
        "plan.json": 0o600,
        "plan.md": 0o600,
    }
    assert not run(path=str(folder))["changed"]
    assert run(version="1.6.1", path=str(folder))["changed"]


def test_check_mode_writes_nothing_and_shows_the_page(run: Run, tmp_path: Path) -> None:
    made = run(path=str(tmp_path / "plan"), _ansible_check_mode=True, _ansible_diff=True)
    assert (made["changed"], made["diff"]["before"], made["diff"]["after"]) == (True, "", made["page"])
    assert list(tmp_path.iterdir()) == []


def test_an_approved_plan_whose_inputs_are_the_same_is_the_plan(run: Run, approved: Path) -> None:
    again = options(staged__shop__plan=["scale Deployment shop-green to 3"])
    taken = run(again, approved=str(approved))
    assert taken["digest"] == json.loads(approved.read_text())["digest"]
    assert taken["plan"]["components"][0]["steps"][0].startswith("upgrade release")
    assert run(again, approved=str(approved.parent))["digest"] == taken["digest"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": "1.7.0"}, "version 1.6.0 → 1.7.0"),
        ({"environment": "staging"}, "environment: prod → staging"),
        ({"components__0__source__values": {"image": {"tag": "1.6.0"}}}, "values of shop changed"),
        (
            {"components__0__source__image": "other/shop"},
            "source of shop: kind helm chart shop image registry.example/",
        ),
        ({"components__0__entry__name": "web"}, "entry of shop: httproute shop → httproute web"),
        ({"components__0__replicas": 5}, "replicas of shop: none → 5"),
        ({"components__0__smoke": []}, "smoke of shop changed"),
        ({"staged__shop__digest": "sha256:" + "5e" * 32}, "manifests of shop changed"),
        ({"shift__hold": 10}, "shift: 5, 25, 100 % held for 100 s each → 5, 25, 100 % held for 10 s each"),
        ({"gates": {}}, "gate step changed"),
        ({"migrations": [{"name": "drop", "class": "contract"}]}, "migrations: none → drop (contract)"),
        (
            {"migrations": [{"name": "add", "class": "expand", "kind": "sql", "database": "shop", "to": "0042"}]},
            "migrations: none → add (expand) by sql of shop to 0042",
        ),
        ({"witness__rate": 0}, "→ none"),
        ({"approvals": {}}, "approvals changed"),
        ({"emergency": "fire"}, "emergency: none → fire"),
        ({"windows": [{"rrule": "FREQ=DAILY;BYHOUR=2", "timezone": "UTC", "duration": "2h"}]}, "windows changed"),
    ],
)
def test_every_changed_input_is_named(run: Run, approved: Path, change: Options, sentence: str) -> None:
    refused = run(options(**change), approved=str(approved))
    assert refused["failed"]
    assert sentence in refused["msg"]
    assert [one["sentence"] for one in refused["changed_inputs"]] == [refused["changed_inputs"][0]["sentence"]]


def of_files(*files: tuple[str, str], said: int | None = None) -> Options:
    """The options with files of values, and what helm_bluegreen found in them."""
    given = options(components__0__source__values_files=[f"/srv/{name}" for name, _content in files])
    found = [{"name": name, "digest": f"sha256:{content * 64}"} for name, content in files]
    given["staged"]["shop"]["values_files"] = found[:said]
    return given


def test_a_values_file_with_other_content_is_another_plan(run: Run, tmp_path: Path) -> None:
    made = run(of_files(("base.yaml", "a"), ("prod.yaml", "b")), path=str(tmp_path))
    assert "values of base.yaml, prod.yaml" in made["page"]
    elsewhere = of_files(("base.yaml", "a"), ("prod.yaml", "b"))
    elsewhere["components"][0]["source"]["values_files"] = ["/home/bob/base.yaml", "/home/bob/prod.yaml"]
    assert run(elsewhere)["digest"] == made["digest"] != run()["digest"]
    for files in ((("base.yaml", "a"), ("prod.yaml", "c")), (("prod.yaml", "b"), ("base.yaml", "a")), ()):
        refused = run(of_files(*files), approved=str(tmp_path))
        assert [one["name"] for one in refused["changed_inputs"]] == ["shop values files"]
        assert "values files of shop changed" in refused["msg"]


def test_files_of_which_nobody_says_what_was_in_them_make_no_plan(run: Run) -> None:
    refused = run(of_files(("base.yaml", "a"), ("prod.yaml", "b"), said=1))
    assert "staged.shop does not say what was in the values files of its source" in refused["msg"]


def test_what_is_live_now_is_compared_unless_the_release_itself_changed_it(run: Run, approved: Path) -> None:
    moved = options(staged__shop__colours__green=dict(staged()["colours"]["green"], version="1.6.0", weight=25))
    moved["staged"]["shop"]["colours"]["blue"]["weight"] = 75
    refused = run(moved, approved=str(approved))
    assert "live state of shop: blue 1.5.0 → blue 1.5.0 75 %, green 1.6.0 25 %" in refused["msg"]
    assert "failed" not in run(moved, approved=str(approved), resumed=True)
    under_way = {"resumed": True, "freezes": [{"from": "2026-12-24", "to": "2026-12-26", "reason": "holidays"}]}
    assert "failed" not in run(moved, approved=str(approved), **under_way)
    other = run(moved, approved=str(approved), resumed=True, version="1.7.0")
    assert [one["name"] for one in other["changed_inputs"]] == ["version"]


def test_a_release_by_somebody_else_in_between_is_told_with_the_colours(run: Run, approved: Path) -> None:
    since = options(staged__shop=staged(live="green", live_version="1.6.0"))
    since["staged"]["shop"]["digest"] = "sha256:" + "5e" * 32
    refused = run(since, approved=str(approved))
    assert "live state of shop: blue 1.5.0 → green 1.6.0" in refused["msg"]
    assert "manifests of shop changed, green → blue" in refused["msg"]


def test_a_component_that_is_new_is_one_change(run: Run, approved: Path) -> None:
    more = options(staged__worker=staged())
    more["components"].append(component(name="worker"))
    refused = run(more, approved=str(approved))
    assert [one["sentence"] for one in refused["changed_inputs"]] == ["components: shop → shop, worker"]


def test_a_plan_edited_by_hand_is_refused(run: Run, approved: Path) -> None:
    document = json.loads(approved.read_text())
    document["plan"]["shift"]["hold"] = 1
    approved.write_text(json.dumps(document))
    for given in ({"state": "shown"}, {}):
        refused = run(approved=str(approved), **given)
        assert "was edited after it was made" in refused["msg"]
        assert document["digest"] in refused["msg"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": "x", "plan": {"type": "other", "inputs": {}}}'])
def test_a_file_that_is_no_plan_is_refused(run: Run, tmp_path: Path, text: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    assert "This is not a plan" in run(approved=str(file))["msg"]
    assert "cannot be read" in run(approved=str(tmp_path / "nowhere.json"))["msg"]


def test_a_plan_is_shown_as_it_was_made(run: Run, approved: Path) -> None:
    shown = run({"state": "shown", "approved": str(approved)})
    made = run()
    assert (shown["changed"], shown["page"], shown["digest"]) == (False, made["page"], made["digest"])
    (approved.parent / "plan.md").write_text("nothing to see here")
    assert run({"state": "shown", "approved": str(approved.parent)})["page"] == made["page"]


def test_a_plan_at_hand_is_kept_beside_the_record_as_it_was_made(run: Run, tmp_path: Path) -> None:
    made = run()
    given = {"state": "shown", "plan": made["plan"], "path": str(tmp_path / "record")}
    assert [run(given)["changed"] for _time in range(2)] == [True, False]
    kept = run({"state": "shown", "approved": given["path"]})
    assert (kept["digest"], kept["plan"], kept["page"]) == (made["digest"], made["plan"], made["page"])
    assert stat.S_IMODE((tmp_path / "record").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "record").iterdir()} == {0o600}
    assert "This is not a plan" in run({"state": "shown", "plan": {"type": "other"}})["msg"]


def test_a_plan_of_another_system_is_not_shown(run: Run, approved: Path) -> None:
    given = {"state": "shown", "approved": str(approved)}
    assert "This is the plan of shop 1.6.0 in prod, not of system till" in run(given, system="till")["msg"]
    assert "not of version 1.6.1" in run(given, version="1.6.1")["msg"]
    assert "failed" not in run(given, system="shop", version="1.6.0")


def rolling(before: str = "1.5.0", **more: Any) -> Options:
    """A component that rolls, once more after half of it has rolled."""
    images = {"shop": f"registry.example/shop:{before}"}
    told = {"kind": "Deployment", "name": "shop", "before": images, "after": {}, "done": "changed", "pods": 3}
    said = {"changed": True, "workloads": [told], "plan": [], "digest": "sha256:" + "4f" * 32}
    own = {
        "name": "shop",
        "source": {"kind": "image", "image": "registry.example/shop"},
        "workloads": [{"name": "shop"}],
    }
    order = {"way": "manifests"}
    return {**OPTIONS, "components": [own], "staged": rolled([own], said), "rolling": order, **more}


def test_a_plan_of_what_rolls_holds_while_it_rolls_and_names_what_changed(run: Run, tmp_path: Path) -> None:
    given = {"approved": str(tmp_path), **rolling()}
    made = run({name: value for name, value in given.items() if name != "approved"} | {"path": str(tmp_path)})
    assert made["inputs"]["shop workloads"] == "Deployment shop"
    assert "live state of shop: 1.5.0 → 1.5.0, 1.6.0" in run({**given, **rolling("1.5.0, 1.6.0")})["msg"]
    assert "failed" not in run({**given, **rolling("1.6.0"), "resumed": True})
    other = run({**given, **rolling(rolling={"surge": 1, "way": "revision"})})
    assert [one["name"] for one in other["changed_inputs"]] == ["shift"]


def test_what_rolls_names_the_service_that_its_smoke_asks(run: Run) -> None:
    """Nobody fills it in for want of a colour, so the gate could not be held."""
    smoke = {"name": "ready", "source": {"kind": "service", "path": "/ready"}, "select": "status", "expect": "== 200"}
    given = rolling()
    given["components"] = [{**given["components"][0], "smoke": [smoke]}]
    assert "smoke of shop[0].source.service: " in run(given)["msg"]
    smoke["source"] = {**smoke["source"], "service": "shop"}
    assert run(given)["digest"]


def test_a_component_nobody_staged_is_refused(run: Run) -> None:
    assert "staged.shop is not a result of helm_bluegreen" in run(staged={})["msg"]
    assert "components[0].entry is missing" in run(components=[component(entry=None)])["msg"]


def test_five_roles_sign_the_digest_and_a_changed_plan_has_no_approval(
    run: Run, approved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signers = tmp_path / "signers"
    signers.mkdir()
    for role in ROLES:
        key = tmp_path / role
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
        (signers / f"{role}.allowed_signers").write_text(f"{role}@example.com {public}\n")

    def approve(plan: dict[str, Any], **more: Any) -> dict[str, Any]:
        scope = {"digest": plan["digest"], "system": plan["plan"]["system"], "environment": plan["plan"]["environment"]}
        paths = {"path": str(tmp_path / "approvals"), "signers": str(signers)}
        with patch_module_args({**scope, **paths, **more}), pytest.raises(SystemExit):
            release_approval.main()
        return dict(json.loads(capsys.readouterr().out))

    verified = {"state": "verified", "required": dict.fromkeys(ROLES, 1), "starter": "devops@example.com"}
    plan = run({"state": "shown", "approved": str(approved)})
    for role in ROLES:
        assert approve(plan, **verified)["failed"]
        approve(plan, state="signed", role=role, key=str(tmp_path / role))
    assert approve(run(approved=str(approved)), **verified)["missing"] == {}
    assert set(approve(run(version="1.6.1"), **verified)["missing"]) == set(ROLES)


def test_what_is_new_is_not_released_beside_what_is_live(run: Run) -> None:
    refused = run(**BESIDE)
    assert refused["failed"]
    assert "search would be released for the first time, beside components that are live already" in refused["msg"]
    assert not run(**BESIDE, resumed=True).get("failed"), "a first release of both that was interrupted goes on"
