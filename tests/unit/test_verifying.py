# SPDX-License-Identifier: GPL-3.0-or-later
"""verify.yml, staging.yml and production.yml for several hosts, with stand-ins for what needs a cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .stage import ROOT, StandIn, play

CRITERION = {
    "name": "version",
    "source": {"kind": "service"},
    "select": "version",
    "expect": "== {{ release_version }}",
}
SITE = {
    "name": "site",
    "source": {"kind": "http", "url": "http://shop.example"},
    "select": "status",
    "expect": "== 200",
}
JUDGED = {"name": "judged", "source": {"kind": "judge"}, "select": "error_share", "expect": '== "pass"'}


def system(name: str, **more: Any) -> dict[str, Any]:
    component = {"name": "api", "entry": {"kind": "service", "name": "api"}, "smoke": [CRITERION], "source": {}}
    return {
        "release_system": name,
        "release_environment": "prod",
        "release_cluster": {"namespace": name},
        "release_components": [component],
        "release_gates": {"live": [SITE, JUDGED]},
        **more,
    }


def live(colour: str, version: str) -> dict[str, Any]:
    return {"components": {"api": {"colour": colour, "version": version, "images": []}}, "images": {}}


def verdict(name: str, how: str) -> dict[str, Any]:
    one = {"name": name, "verdict": how, "severity": "blocking", "sentence": f"{name} of it: {how}"}
    return {"passed": how == "pass", "verdicts": [one]}


def asked_of(service: str, version: str) -> str:
    given = {**CRITERION, "source": {"kind": "service", "service": service}, "expect": f"== {version}"}
    return json.dumps([given])


def test_each_host_is_judged_by_what_is_live_there_and_all_verdicts_are_shown(tmp_path: Path) -> None:
    hosts = {"good": system("good"), "bad": system("bad"), "none": system("none")}
    results = {
        asked_of("api-blue", "1.4"): verdict("version", "pass"),
        asked_of("api-green", "1.3"): verdict("version", "fail"),
        json.dumps([SITE]): verdict("site", "pass"),
    }
    said, asked = play(
        tmp_path,
        ROOT / "playbooks" / "verify.yml",
        hosts,
        StandIn(
            "release_live_info",
            "namespace",
            {"good": live("blue", "1.4"), "bad": live("green", "1.3"), "none": live("", "")},
        ),
        StandIn("tor_validate", "criteria", results),
    )
    assert {one[1] for one in asked if one[0] == "release_live_info"} == {"good", "bad", "none"}, said
    assert {one[1] for one in asked if one[0] == "tor_validate"} >= set(results), said
    lines = {line.split(": ", 1)[0]: line for line in said.splitlines()[-3:]}
    assert lines["good"] == "good: good 1.4 is live: 2 of 2 criteria pass."
    assert lines["bad"] == "bad: bad 1.3 is live: 1 of 2 criteria pass. version of it: fail"
    assert lines["none"] == "none: none has nothing live."
    assert all('api-"' not in str(value) for _module, value in asked), "nothing that is not live is asked"
    assert "fail         api                  version of it: fail" in said
    assert "pass         gate live            site of it: pass" in said


GUARDED = {
    "release_approvals": {"before": {"lead": 1}},
    "release_windows": [{"duration": "2h"}],
    "release_proven_in": {"environment": "staging", "records": "/srv/staging"},
}


def test_production_begins_for_the_hosts_that_are_guarded_and_tells_the_others_everything(tmp_path: Path) -> None:
    """The host that may begin is stopped by the first task of deploy.yml: there is one way through."""
    hosts = {
        "open": system("open", release_environment="staging"),
        "guarded": system("guarded", release_verison="1.4", **GUARDED),
    }
    said, asked = play(tmp_path, ROOT / "playbooks" / "production.yml", hosts)
    assert asked == []
    told = {line.split(": ", 1)[0]: line for line in said.splitlines()[-2:]}
    assert told["guarded"].startswith("guarded: Unknown variable release_verison: did you mean release_version?")
    for what in ("The inventory is for staging", "release_approvals.before is not", "release_windows is not"):
        assert what in told["open"], said
    assert "release_proven_in is not set" in told["open"]
    assert "Host open, inventory " in told["open"]


def test_staging_is_refused_an_inventory_of_production(tmp_path: Path) -> None:
    hosts = {"first": system("first"), "second": system("second", release_environment="staging", release_verison="1.4")}
    said, asked = play(tmp_path, ROOT / "playbooks" / "staging.yml", hosts)
    told = {line.split(": ", 1)[0]: line for line in said.splitlines()[-2:]}
    assert (asked, "The inventory is for prod, and staging.yml is for staging" in told["first"]) == ([], True), said
    assert told["second"].startswith("second: Unknown variable release_verison"), said
