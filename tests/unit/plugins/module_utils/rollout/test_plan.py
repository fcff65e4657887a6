# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what differs is written, wave by wave, each with what it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.rollout.model import Waves
from ansible_collections.runbook.release.plugins.module_utils.rollout.plan import Step, decide, untouched
from ansible_collections.runbook.release.plugins.module_utils.rollout.record import (
    BEGUN,
    LARGEST,
    PATCH,
    RELEASED,
    RETURNING,
    Record,
    Unit,
    record_of,
)

from .scene import WANT, change, configmap, have, recorded, revision, workload

API, WEB = workload("api"), workload("web")
NEW_API, NEW_WEB = workload("api", "2"), workload("web", "2")


def records(plan: object) -> dict[str, Record]:
    return {write.key[1]: write.record for write in plan.writes if isinstance(write, Step)}  # type: ignore[attr-defined]


def test_what_does_not_differ_is_not_written_but_has_to_be_ready() -> None:
    plan = decide(WANT, have(API, WEB), [change(API, NEW_API), change(WEB, WEB)], "id")
    assert [write.key for write in plan.writes] == [("Deployment", "api")]
    assert plan.waves[-1].keys == (("Deployment", "api"), ("Deployment", "web"))
    assert plan.unit == Unit("id", "2", BEGUN, (("apps/v1", "Deployment", "api"),))


def test_a_status_an_annotation_of_a_controller_or_a_record_makes_no_difference() -> None:
    live = recorded(API, Record("shop", "id", 1, "apply"))
    live["status"] = {"replicas": 7}
    live["metadata"] |= {"resourceVersion": "9", "generation": 9}
    assert not change(live, API).differs
    plan = decide(WANT, have(live, unit=Unit("id", "2", RELEASED)), [change(live, API)], "new")
    assert (plan.changes, plan.unit) == (False, Unit("id", "2", RELEASED))


def test_everything_else_comes_first_then_the_waves_then_what_none_of_them_names() -> None:
    want = replace(WANT, waves=Waves((("web",), ("Deployment/api",))))
    rest = workload("rest", kind="StatefulSet")
    changes = [change(one, one | {"extra": 1}) for one in (API, WEB, rest)] + [change(None, configmap("settings"))]
    plan = decide(want, have(API, WEB, rest), changes, "id")
    assert [[write.key[1] for write in wave.writes] for wave in plan.waves] == [
        ["settings"],
        ["web"],
        ["api"],
        ["rest"],
    ]
    assert {name: record.wave for name, record in records(plan).items()} == {
        "settings": 0,
        "web": 1,
        "api": 2,
        "rest": 3,
    }


@pytest.mark.parametrize(
    ("waves", "said"), [((("ghost",),), "no workload is called ghost"), ((("api",), ("api",)), "twice")]
)
def test_waves_that_do_not_fit_are_refused(waves: tuple[tuple[str, ...], ...], said: str) -> None:
    with pytest.raises(Refused, match=said):
        decide(replace(WANT, waves=Waves(waves)), have(API), [change(API, NEW_API)], "id")


def test_the_record_says_what_it_was_and_which_revision_by_name() -> None:
    sets = (revision(API, "api-old", 2, "0"), revision(API, "api-now", 3, "1"), revision(WEB, "web-now", 3, "1"))
    (record,) = records(decide(WANT, have(API, revisions=sets), [change(API, NEW_API)], "id")).values()
    assert record.before
    assert record.before["spec"]["template"] == API["spec"]["template"]
    assert record.revision == "api-now"
    assert "replicas" not in record.before["spec"], "the release does not change them"


def test_replicas_are_recorded_when_the_release_changes_them() -> None:
    more = workload("api", "2", replicas=5)
    (record,) = records(decide(WANT, have(API), [change(API, more)], "id")).values()
    assert record.before
    assert record.before["spec"]["replicas"] == 2


def test_a_revision_its_controller_has_not_seen_yet_is_not_recorded() -> None:
    behind = workload("api")
    behind["metadata"]["generation"] = 4
    sets = (revision(behind, "api-now", 3, "1"),)
    (record,) = records(decide(WANT, have(behind, revisions=sets), [change(behind, NEW_API)], "id")).values()
    assert record.revision == ""


def test_of_a_patched_workload_only_what_the_patch_is_about_is_recorded() -> None:
    (record,) = records(decide(WANT, have(API), [change(API, NEW_API, PATCH)], "id")).values()
    assert record.before == {"spec": {"template": API["spec"]["template"]}}


@pytest.mark.parametrize("state", [BEGUN, RETURNING])
def test_a_release_that_did_not_end_goes_on_and_keeps_what_was_before_it(state: str) -> None:
    first = Record("shop", "first", 1, "apply", "api-old", {"spec": {"template": "before"}})
    live = recorded(API, first)
    unit = Unit("first", "1", state, (("apps/v1", "Deployment", "api"),))
    plan = decide(WANT, have(live, WEB, unit=unit), [change(live, NEW_API), change(WEB, NEW_WEB)], "new")
    assert records(plan)["api"] == first
    assert records(plan)["web"].release == "first"
    assert plan.unit.keys == [("Deployment", "api"), ("Deployment", "web")]


def test_after_a_release_that_ended_the_next_has_its_own_before() -> None:
    live = recorded(API, Record("shop", "first", 1, "apply", before={"spec": {"template": "before"}}))
    plan = decide(WANT, have(live, unit=Unit("first", "1", RELEASED)), [change(live, NEW_API)], "new")
    record = records(plan)["api"]
    assert record.release == "new"
    assert record.before
    assert record.before["spec"]["template"] == API["spec"]["template"]
    assert "runbook.release/rollout" not in str(record.before)


def test_a_release_that_died_before_its_end_is_ended_even_if_nothing_differs_any_more() -> None:
    unit = Unit("first", "2", BEGUN, (("apps/v1", "Deployment", "api"),))
    assert decide(WANT, have(API, unit=unit), [change(API, API)], "new").changes


def test_a_secret_that_would_change_in_place_is_refused_and_a_new_one_is_not() -> None:
    old = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "data": {"a": "MQ=="}}
    with pytest.raises(Refused, match="Secret token would change in place"):
        decide(WANT, have(), [change(old, {**old, "data": {"a": "Mg=="}})], "id")
    assert decide(WANT, have(), [change(None, old)], "id").sentences() == ["create Secret token"]


def test_what_is_too_large_to_be_recorded_is_refused() -> None:
    large = configmap("settings", "x" * LARGEST)
    with pytest.raises(Refused, match="too large"):
        decide(WANT, have(), [change(large, configmap("settings"))], "id")


def test_a_record_survives_its_text() -> None:
    record = Record("shop", "id", 2, "apply", "api-now", {"spec": {"a": [1, "ü"]}})
    assert record_of(recorded(API, record)) == record
    unit = Unit("id", "2", BEGUN, (("v1", "ConfigMap", "settings"),))
    assert Unit.read(unit.text(), "there") == unit


def test_a_release_that_goes_on_tells_what_was_there_before_it_began() -> None:
    record = Record("shop", "id", 1, "apply", before={"spec": API["spec"]})
    rolled, more = recorded(NEW_API, record), workload("api", "3")
    (step,) = decide(WANT, have(rolled, unit=Unit("id", "2", BEGUN)), [change(rolled, more)], "id").writes
    assert (step.report()["before"], step.report()["after"], step.report()["pods"]) == (
        {"app": "app:1"},
        {"app": "app:3"},
        2,
    )
    key = ("Deployment", "api")
    assert untouched(key, have(rolled, unit=Unit("id", "2", BEGUN)))["before"] == {"app": "app:1"}
    assert untouched(key, have(rolled, unit=Unit("id", "2", RELEASED)))["before"] == {"app": "app:2"}


def for_a_time(live: dict[str, Any], what: str, *fields: dict[str, Any]) -> dict[str, Any]:
    record = {what: {"until": "2026-11-21T18:00:00Z", "fields": list(fields)}}
    return with_marks(live, {"runbook.release/temporary": json.dumps(record)})


def with_marks(live: dict[str, Any], marks: dict[str, str]) -> dict[str, Any]:
    metadata = {**live["metadata"], "annotations": {**live["metadata"]["annotations"], **marks}}
    return {**live, "metadata": metadata}


def test_what_was_scaled_for_a_time_goes_back_to_what_it_is_for_good() -> None:
    live = for_a_time(workload("api", replicas=10), "scaled", {"field": "replicas", "was": 2, "set": 10})
    plan = decide(WANT, have(live), [change(live, workload("api", "2", replicas=3))], "id")
    assert records(plan)["api"].before["spec"]["replicas"] == 2


def test_what_is_configured_for_a_time_is_not_what_a_way_back_would_bring() -> None:
    field = {"field": "env", "container": "app", "name": "LOG_LEVEL", "was": None, "set": {"name": "LOG_LEVEL"}}
    live = for_a_time(API, "configured", field)
    with pytest.raises(Refused, match="Deployment api is configured only until 2026-11-21T18:00:00Z"):
        decide(WANT, have(live), [change(live, NEW_API)], "id")
    overdue = replace(WANT, due="2026-11-21T18:00:00Z")
    assert decide(overdue, have(live), [change(live, NEW_API)], "id").changes, "it is put back before this is done"
    assert decide(WANT, have(live), [change(live, live)], "id").writes == []
