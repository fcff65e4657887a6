# SPDX-License-Identifier: GPL-3.0-or-later
"""An entry answers from the maintenance page and then exactly as before, wherever a run is killed in between."""

from __future__ import annotations

import copy
import itertools
import json
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.patches import failed_test, is_guarded
from ansible_collections.runbook.release.plugins.module_utils.maintenance.decide import Plan, off, on
from ansible_collections.runbook.release.plugins.module_utils.maintenance.page import Page, values
from ansible_collections.runbook.release.plugins.module_utils.maintenance.record import MAINTENANCE, refuse_maintained

from ..traffic.world import apply_ops, ref, route, rule, service

Obj = dict[str, Any]
SORRY = service("sorry", {"app": "sorry"}, ports=[{"port": 80, "targetPort": "page"}])
PAGE = Page.of(SORRY, "")


def httproute(**more: Any) -> Obj:
    redirect = {"filters": [{"type": "RequestRedirect"}]}
    return {"kind": "HTTPRoute", **route(rule(100, 0), redirect, rule(100, 0, timeouts={"request": "5s"}), **more)}


def ingress() -> Obj:
    def backend(name: str) -> Obj:
        return {"service": {"name": name, "port": {"number": 80}}}

    paths = [{"path": "/", "backend": backend("web")}, {"path": "/api", "backend": backend("api")}]
    metadata = {"name": "shop", "namespace": "shop", "annotations": {"who": "we"}}
    spec = {"defaultBackend": backend("web"), "rules": [{"host": "a", "http": {"paths": paths}}, {"host": "b"}]}
    return {"kind": "Ingress", "metadata": metadata, "spec": spec}


def plain_service() -> Obj:
    return service("shop", {"app": "shop", "colour": "blue"}, ports=[{"port": 80, "targetPort": 9898}])


ENTRIES = {"httproute": httproute(), "ingress": ingress(), "service": plain_service()}


def turned_on(entry: Obj, by: str = "maintenance") -> Plan:
    return on(entry, values(entry, PAGE), by, "alice@build-7", "2026-11-22T02:00:00Z")


def patched(entry: Obj, plan: Plan) -> Obj:
    """What the API server makes of the patch, which holds."""
    assert failed_test(entry, plan.ops) is None
    changed = apply_ops(entry, [op for op in plan.ops if op["op"] not in ("test", "remove")])
    if any(op["op"] == "remove" for op in plan.ops):
        del changed["metadata"]["annotations"][MAINTENANCE]
    return changed


@pytest.mark.parametrize("kind", ENTRIES)
def test_everything_an_entry_answered_the_page_answers_and_then_the_entry_again_exactly(kind: str) -> None:
    entry = copy.deepcopy(ENTRIES[kind])
    meanwhile = patched(entry, turned_on(entry))
    assert "web" not in str(meanwhile["spec"])
    assert "blue" not in str(meanwhile["spec"])
    after = patched(meanwhile, off(meanwhile, "maintenance"))
    assert after["spec"] == entry["spec"]
    assert MAINTENANCE not in after["metadata"].get("annotations", {})


def test_a_rule_that_only_redirects_goes_on_redirecting() -> None:
    meanwhile = patched(httproute(), turned_on(httproute()))
    page = [{"group": "", "kind": "Service", "name": "sorry", "port": 80, "weight": 1}]
    rules = meanwhile["spec"]["rules"]
    assert [one.get("backendRefs") for one in rules] == [page, None, page]
    assert rules[2]["timeouts"] == {"request": "5s"}


def test_twice_on_is_once_and_so_is_twice_off() -> None:
    plan = turned_on(httproute())
    assert is_guarded(plan.ops), "a lost answer may be asked for again"
    meanwhile = patched(httproute(), plan)
    assert turned_on(meanwhile).ops == ()
    assert off(httproute(), "maintenance").ops == ()


def test_who_did_not_turn_it_on_does_not_turn_it_off() -> None:
    meanwhile = patched(httproute(), turned_on(httproute(), "the move"))
    plan = off(meanwhile, "maintenance")
    assert plan.ops == ()
    assert "in maintenance for the move" in plan.warnings[0]
    with pytest.raises(Refused, match="in maintenance for the move already"):
        turned_on(meanwhile)


def test_what_somebody_changed_meanwhile_stays_and_the_rest_comes_back() -> None:
    meanwhile = patched(httproute(), turned_on(httproute()))
    meanwhile["spec"]["rules"][2]["backendRefs"] = [ref("other")]
    plan = off(meanwhile, "maintenance")
    after = patched(meanwhile, plan)
    assert after["spec"]["rules"][0] == httproute()["spec"]["rules"][0]
    assert after["spec"]["rules"][2]["backendRefs"] == [ref("other")]
    assert plan.warnings == (
        "/spec/rules/2/backendRefs of HTTPRoute shop was changed while it was in maintenance, and is left as it is",
    )


def matching(path: str, name: str) -> Obj:
    return {"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": [ref(name)]}


def of_paths(*paths: str) -> Obj:
    """Rules that go to a Service of their own each, called like the path."""
    return {"kind": "HTTPRoute", **route(*(matching(path, path[1:]) for path in paths))}


def two_ports() -> Obj:
    ports = [{"port": 80, "targetPort": 9898, "protocol": "TCP"}, {"port": 81, "targetPort": 9899, "protocol": "TCP"}]
    return service("shop", {"app": "shop"}, ports=ports)


ONE_OF_SEVERAL = {
    "httproute": (of_paths("/a", "/b", "/c"), ["rules"]),
    "ingress, a path": (ingress(), ["rules", 0, "http", "paths"]),
    "ingress, a host": (
        {
            **ingress(),
            "spec": {"rules": [*ingress()["spec"]["rules"][:1], {**ingress()["spec"]["rules"][0], "host": "c"}]},
        },
        ["rules"],
    ),
    "service": (two_ports(), ["ports"]),
}


@pytest.mark.parametrize("which", ONE_OF_SEVERAL)
@pytest.mark.parametrize("added", [False, True])
def test_a_rule_that_another_number_is_of_by_now_gets_what_it_said_itself(which: str, added: bool) -> None:
    """One before it was removed or added: what says who answers, the page, is the same in all of them."""
    entry, way = ONE_OF_SEVERAL[which]

    def change(obj: Obj) -> Obj:
        changed = copy.deepcopy(obj)
        rules: Any = changed["spec"]
        for key in way:
            rules = rules[key]
        if added:
            rules.insert(0, new)
        else:
            del rules[0]
        return changed

    new = {"matches": [{"path": {"value": "/new"}}], "host": "new", "path": "/new", "port": 1}
    meanwhile = change(patched(entry, turned_on(entry)))
    assert turned_on(meanwhile).ops == ()
    plan = off(meanwhile, "maintenance")
    assert patched(meanwhile, plan)["spec"] == change(entry)["spec"]
    assert len(plan.warnings) == (0 if added else 2 if which == "ingress, a host" else 1)


def test_what_a_rule_said_that_is_another_one_by_now_is_told() -> None:
    meanwhile = patched(of_paths("/a", "/b"), turned_on(of_paths("/a", "/b")))
    meanwhile["spec"]["rules"][0]["matches"] = [{"path": {"type": "PathPrefix", "value": "/c"}}]
    plan = off(meanwhile, "maintenance")
    after = patched(meanwhile, plan)["spec"]["rules"]
    assert [one["backendRefs"][0]["name"] for one in after] == ["sorry", "b"]
    gone, still = plan.warnings
    assert "nothing any more like /spec/rules/0/backendRefs was" in gone
    assert '"value": "/a"' in gone
    assert '"name": "a"' in gone
    assert still.startswith("/spec/rules/0/backendRefs of HTTPRoute shop still answers from the maintenance page")


@pytest.mark.parametrize("turn", ["on", "off"])
def test_a_rule_that_became_another_one_since_it_was_read_is_not_patched(turn: str) -> None:
    entry = of_paths("/a", "/b")
    meanwhile = patched(entry, turned_on(entry))
    plan, now = (turned_on(entry), entry) if turn == "on" else (off(meanwhile, "maintenance"), meanwhile)
    now["spec"]["rules"][0]["matches"] = [{"path": {"value": "/c"}}]
    failed = failed_test(now, plan.ops)
    assert failed is not None
    assert failed[0] == "/spec/rules/0/matches"


@pytest.mark.parametrize("kind", ENTRIES)
def test_what_an_earlier_version_recorded_is_put_back_too(kind: str) -> None:
    entry = copy.deepcopy(ENTRIES[kind])
    meanwhile = patched(entry, turned_on(entry))
    record = json.loads(meanwhile["metadata"]["annotations"][MAINTENANCE])
    del record["beside"]
    meanwhile["metadata"]["annotations"][MAINTENANCE] = json.dumps(record)
    plan = off(meanwhile, "maintenance")
    assert patched(meanwhile, plan)["spec"] == entry["spec"]
    assert plan.warnings == ()


@pytest.mark.parametrize("path", ["/spec/rules/0/backendRefs", "/metadata/annotations"])
def test_what_was_changed_since_it_was_read_is_not_overwritten(path: str) -> None:
    plan, now = turned_on(httproute()), httproute(annotations={"a": "b"}) if "meta" in path else httproute()
    now["spec"]["rules"][0]["backendRefs"] = now["spec"]["rules"][0]["backendRefs"][: 2 if "meta" in path else 1]
    failed = failed_test(now, plan.ops)
    assert failed is not None
    assert failed[0] == path


@pytest.mark.parametrize(("port", "number"), [("", 80), ("80", 80)])
def test_the_only_port_of_the_page_needs_no_name(port: str, number: int) -> None:
    assert Page.of(SORRY, port).port == number


def test_a_page_with_several_ports_has_to_say_which() -> None:
    several = service("sorry", {"app": "sorry"}, ports=[{"port": 80, "name": "web"}, {"port": 9000, "name": "metrics"}])
    assert Page.of(several, "metrics").port == 9000
    with pytest.raises(Refused, match="has not a single port; it has 80, 9000"):
        Page.of(several, "")


def test_an_entry_that_answers_nothing_is_refused() -> None:
    for entry in ({"kind": "HTTPRoute", **route()}, {**ingress(), "spec": {}}, service("shop", None)):
        with pytest.raises(Refused, match="answers nothing"):
            values({"kind": "Service", **entry}, PAGE)


def test_a_service_cannot_answer_from_a_page_without_pods() -> None:
    with pytest.raises(Refused, match="Service sorry selects no pods"):
        values(plain_service(), Page.of(service("sorry", None), ""))


def test_a_record_nobody_can_read_is_an_error_that_says_what_to_do() -> None:
    for text, turn in itertools.product(("{}", "no"), (turned_on, lambda entry: off(entry, "maintenance"))):
        with pytest.raises(ReleaseError, match=r"nobody can read.*remove the annotation"):
            turn({"kind": "HTTPRoute", **route(rule(100, 0), annotations={MAINTENANCE: text})})


def test_a_release_that_finds_an_entry_in_maintenance_is_told_who_turned_it_on() -> None:
    refuse_maintained("HTTPRoute", httproute(), "entry shop")
    meanwhile = patched(httproute(), turned_on(httproute()))
    with pytest.raises(
        Refused, match="HTTPRoute shop answers from the maintenance page since 2026-11-22T02:00:00Z"
    ) as no:
        refuse_maintained("HTTPRoute", meanwhile, "entry shop")
    assert "by alice@build-7" in str(no.value)
    assert "release_takeover" in no.value.remedy
