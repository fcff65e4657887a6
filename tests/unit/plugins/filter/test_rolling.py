# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.filter.heard import heard
from ansible_collections.runbook.release.plugins.filter.rolled import rolled
from ansible_collections.runbook.release.plugins.filter.unfit import unfit
from ansible_collections.runbook.release.plugins.filter.unit import unit
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria

API = {"name": "api", "source": {"kind": "image", "image": "shop/api"}, "workloads": [{"name": "api"}]}
WITNESS = {"rate": 20, "error_share": "1 %", "samples": 20}
CONTEXT = {"version": "1.5.0", "record": "/records/shop", "witness": WITNESS, "step": 12.5}


def test_what_the_witness_must_have_heard_can_be_asked():
    found = heard(CONTEXT, ["web", "api"])
    assert [one["name"] for one in found] == [
        "no request of web is lost",
        "web 1.5.0 answers without errors",
        "no request of api is lost",
        "api 1.5.0 answers without errors",
    ]
    assert found[1]["source"] == {
        "kind": "witness",
        "path": "/records/shop/witness/web",
        "version": "1.5.0",
        "since": 12.5,
    }
    assert (found[1]["expect"], found[1]["samples"], found[0]["expect"]) == ("< 1 %", 20, "== 0")
    assert len(parse_criteria(found)) == 4


def test_without_a_witness_nothing_was_heard():
    assert heard({**CONTEXT, "witness": {**WITNESS, "rate": 0}}, ["web"]) == []


def test_the_unit_of_a_system_is_what_rollout_takes():
    found = unit([API], "web_shop", "1.5.0", {"unavailable": "25%"})
    assert (found["name"], found["version"], found["strategy"]) == ("web-shop", "1.5.0", {"max_unavailable": "25%"})
    assert found["sources"][0]["images"][0]["image"] == "shop/api:1.5.0"


def test_nothing_is_unfit_of_what_fits():
    assert unfit([API], "rolling") == []
    assert "release_strategy bluegreen needs" in unfit([API], "bluegreen")[0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: heard({}, ["web"]), "heard: "),
        (lambda: unit([{"name": "api"}], "shop", "1"), "unit: "),
        (lambda: rolled({}, [API]), "rolled: "),
        (lambda: unfit([{"name": "api"}], "rolling"), "unfit: "),
        (lambda: unfit([API], "other"), "unfit: "),
    ],
)
def test_what_is_something_else_is_told(wrong, said):
    with pytest.raises(AnsibleFilterError, match=said):
        wrong()
