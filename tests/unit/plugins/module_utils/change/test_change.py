# SPDX-License-Identifier: GPL-3.0-or-later
"""What is changed, and that it goes back exactly, whoever changed what in between."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.change.decide import decide
from ansible_collections.runbook.release.plugins.module_utils.change.draft import Draft, marked
from ansible_collections.runbook.release.plugins.module_utils.change.observe import temporary
from ansible_collections.runbook.release.plugins.module_utils.change.put_back import (
    PAUSED,
    REMEMBERED,
    TEMPORARY,
    put_back,
    records_of,
)
from ansible_collections.runbook.release.plugins.module_utils.change.subject import Subject
from ansible_collections.runbook.release.plugins.module_utils.change.want import Bounds, Settings, Want, time_of
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.helm.objects import MIN_REPLICAS
from ansible_collections.runbook.release.plugins.module_utils.release.drift import autoscaled, fingerprint

from .scene import LATER, NOW, deployment, have, patched, scaler, variables, want

Obj = dict[str, Any]
API = Subject("Deployment", "api")
LIVE = Subject("Deployment", "api", "blue", "shop")
ENV = [
    {"name": "FIRST", "value": "1"},
    {"name": "LOG_LEVEL", "value": "INFO"},
    {"name": "LAST", "value": "$(LOG_LEVEL)"},
]


def draft(state: str, *objects: Obj, subject: Subject = API, **more: Any) -> Draft:
    return decide(want(state, **more), have(*objects), subject)


def changed(state: str, obj: Obj, *others: Obj, until: str = LATER, created: Obj | None = None, **more: Any) -> Obj:
    """The object as the module leaves it."""
    asked = want(state, **more)
    found = decide(asked, have(obj, *others), API)
    record = marked(found, asked, NOW, until, created)
    return patched(found.obj, [*found.ops(), *record.ops])


def back(obj: Obj, now: str = LATER) -> Obj:
    return patched(obj, put_back(obj, lambda record: record["until"] <= now).ops)


def left(obj: Obj) -> list[str]:
    return put_back(obj, lambda record: True).left


def size(obj: Obj) -> int:
    return int(obj["spec"]["replicas"])


@pytest.mark.parametrize("annotations", [None, {"team": "shop"}])
def test_what_is_scaled_for_a_time_goes_back_without_a_trace(annotations: dict[str, str] | None) -> None:
    before = deployment(annotations=annotations)
    during = changed("scaled", before, replicas=10, seconds=7200, reason="a campaign")
    assert size(during) == 10
    assert records_of(during)["scaled"]["by"] == "alice@a"
    after = back(during)
    assert {**after, "metadata": {**after["metadata"], "annotations": annotations or {}}} == {
        **before,
        "metadata": {**before["metadata"], "annotations": annotations or {}},
    }
    assert TEMPORARY not in after["metadata"]["annotations"]


def test_nothing_goes_back_before_its_time() -> None:
    during = changed("scaled", deployment(), replicas=10, seconds=7200)
    assert put_back(during, lambda record: record["until"] <= NOW).ops == []
    assert [one.overdue for one in temporary([during], LATER)] == [True]
    assert [one.overdue for one in temporary([during], NOW)] == [False]


def test_what_somebody_else_scaled_meanwhile_is_left_and_told() -> None:
    during = changed("scaled", deployment(), replicas=10, seconds=7200)
    during["spec"]["replicas"] = 7
    assert size(back(during)) == 7
    assert TEMPORARY not in back(during)["metadata"]["annotations"]
    assert left(during) == ["Deployment api: replicas: 7 now and set to 10 before, so it was changed by others"]


def test_who_put_it_back_by_hand_is_not_told_of() -> None:
    during = changed("scaled", deployment(), replicas=10, seconds=7200)
    during["spec"]["replicas"] = 3
    assert left(during) == []
    assert TEMPORARY not in back(during)["metadata"]["annotations"]


def test_a_paused_workload_is_not_put_back_until_it_is_resumed() -> None:
    during = changed("scaled", deployment(), replicas=10, seconds=7200)
    paused = copy.deepcopy(during)
    paused["metadata"]["annotations"][PAUSED] = "{}"
    paused["spec"]["replicas"] = 0
    assert put_back(paused, lambda record: True).ops == []
    assert size(back(during)) == 3


def test_a_colour_that_a_release_scaled_down_comes_back_warm_with_what_it_had_before() -> None:
    during = changed("scaled", deployment(), replicas=10, seconds=7200)
    during["spec"]["replicas"] = 1
    during["metadata"]["annotations"][REMEMBERED] = "10"
    after = back(during)
    assert (size(after), after["metadata"]["annotations"]) == (1, {REMEMBERED: "3"})
    assert left(during) == []


def test_a_longer_time_keeps_what_was_before_the_first_change() -> None:
    first = changed("scaled", deployment(), replicas=10, seconds=7200)
    second = changed("scaled", first, replicas=12, seconds=7200, until="2026-11-21T20:00:00Z")
    assert put_back(second, lambda record: record["until"] <= LATER).ops == []
    assert size(back(second, "2026-11-21T20:00:00Z")) == 3
    again = changed("scaled", first, replicas=10, seconds=7200, until="2026-11-21T20:00:00Z")
    assert size(back(again, "2026-11-21T20:00:00Z")) == 3


def test_what_is_scaled_for_good_is_not_put_back_any_more() -> None:
    during = changed("scaled", deployment(), replicas=10, seconds=7200)
    kept = changed("scaled", during, replicas=10)
    assert (size(kept), records_of(kept)) == (10, {})


def test_what_is_so_already_does_not_become_temporary() -> None:
    before = deployment()
    assert changed("scaled", before, replicas=3, seconds=7200) == before


def test_two_temporary_changes_of_one_object_end_each_at_their_time() -> None:
    scaled = changed("scaled", deployment(env=ENV), replicas=10, seconds=7200)
    both = changed("configured", scaled, env={"LOG_LEVEL": "DEBUG"}, seconds=60, until="2026-11-21T17:00:00Z")
    one = back(both, "2026-11-21T17:00:00Z")
    assert (size(one), variables(one)["LOG_LEVEL"], list(records_of(one))) == (10, "INFO", ["scaled"])
    assert back(one)["spec"] == deployment(env=ENV)["spec"]


def test_variables_keep_their_places_because_others_refer_to_them() -> None:
    before = deployment(env=ENV)
    during = changed("configured", before, env={"NEW": "1"}, unset=["LOG_LEVEL"], seconds=60)
    assert list(variables(during)) == ["FIRST", "LAST", "NEW"]
    assert back(during)["spec"] == before["spec"]


def test_a_container_without_variables_has_none_afterwards() -> None:
    before = deployment()
    during = changed("configured", before, env={"LOG_LEVEL": "DEBUG"}, seconds=60)
    assert variables(during) == {"LOG_LEVEL": "DEBUG"}
    assert back(during)["spec"] == before["spec"]


def test_a_reference_comes_back_as_a_reference() -> None:
    reference = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "token"}}}
    during = changed("configured", deployment(env=[reference]), env={"TOKEN": "other"}, seconds=60)
    assert variables(back(during)) == {"TOKEN": reference["valueFrom"]}


def test_only_the_variable_somebody_else_changed_is_left() -> None:
    during = changed("configured", deployment(env=ENV), env={"FIRST": "2", "LOG_LEVEL": "DEBUG"}, seconds=60)
    during["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"] = "TRACE"
    assert variables(back(during)) == {"FIRST": "1", "LOG_LEVEL": "TRACE", "LAST": "$(LOG_LEVEL)"}
    assert "'TRACE' now and set to 'DEBUG' before" in left(during)[0]


def test_a_container_that_is_gone_is_told_of() -> None:
    during = changed("configured", deployment(env=ENV), env={"LOG_LEVEL": "DEBUG"}, seconds=60)
    during["spec"]["template"]["spec"]["containers"][0]["name"] = "other"
    assert "not set now and set to 'DEBUG' before" in left(during)[0]
    assert variables(back(during))["LOG_LEVEL"] == "DEBUG"


@pytest.mark.parametrize(
    ("present", "appended", "value"),
    [
        ("a,b", ["c"], "a,b,c"),
        ("a, b", ["b"], "a, b"),
        ("a,b,", ["b", "c", "c"], "a,b,c"),
        ("", ["a"], "a"),
        (None, ["a", "b"], "a,b"),
    ],
)
def test_a_list_loses_no_entry(present: str | None, appended: list[str], value: str) -> None:
    env = [] if present is None else [{"name": "BLOCKED", "value": present}]
    assert (
        variables(changed("configured", deployment(env=env), append={"BLOCKED": tuple(appended)}))["BLOCKED"] == value
    )


def test_a_list_that_is_in_another_object_is_not_cut_short() -> None:
    reference = {"name": "BLOCKED", "valueFrom": {"configMapKeyRef": {"name": "shop", "key": "blocked"}}}
    for container in ({"env": [reference]}, {"envFrom": [{"configMapRef": {"name": "shop"}}]}):
        with pytest.raises(Refused, match="is in another object"):
            draft("configured", deployment(**container), append={"BLOCKED": ("a",)})


def test_resources_that_are_not_named_stay() -> None:
    before = deployment()
    during = changed("configured", before, resources={"limits": {"memory": "1Gi"}}, seconds=60)
    resources = during["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}}
    assert back(during)["spec"] == before["spec"]


def test_values_of_secrets_are_not_told() -> None:
    found = draft("configured", deployment(), env={"DB_PASSWORD": "hunter2", "LOG_LEVEL": "DEBUG"})
    told = json.dumps([found.sentences(), found.told("was"), found.told("set")])
    assert "hunter2" not in told
    assert "DEBUG" in told


def test_against_an_autoscaler_is_refused() -> None:
    with pytest.raises(Refused, match=r"HorizontalPodAutoscaler api keeps Deployment api at 2 to 5 pods.*autoscaled"):
        draft("scaled", deployment(), scaler(), replicas=10)


def test_an_autoscaler_rests_at_nothing_and_takes_over_what_comes_back_within_its_bounds() -> None:
    during = changed("scaled", deployment(replicas=4), scaler(), replicas=0, contain=True)
    assert size(during) == 0
    assert size(changed("scaled", during, scaler(), replicas=3)) == 3
    for replicas in (1, 6):
        with pytest.raises(Refused, match="keeps Deployment api at 2 to 5 pods"):
            draft("scaled", during, scaler(), replicas=replicas)


def test_an_autoscaler_that_may_have_none_might_bring_a_stopped_workload_back() -> None:
    with pytest.raises(Refused, match="keeps Deployment api at 0 to 5 pods"):
        draft("scaled", deployment(), scaler(low=0), replicas=0, contain=True)


def test_to_nothing_needs_consent() -> None:
    with pytest.raises(Refused, match=r"would stop.*contain"):
        want("scaled", replicas=0)
    assert draft("scaled", deployment(), replicas=0, contain=True).sentences() == ["scale Deployment api from 3 to 0"]


def test_what_is_paused_is_left_to_who_paused_it() -> None:
    with pytest.raises(Refused, match="is paused"):
        draft("scaled", deployment(annotations={PAUSED: "{}"}), replicas=5)


def test_the_bounds_of_an_autoscaler_change_and_go_back_with_its_other_metrics() -> None:
    before = scaler()
    during = changed("autoscaled", deployment(), before, bounds=Bounds(3, 20, 60), seconds=60)
    assert (during["spec"]["minReplicas"], during["spec"]["maxReplicas"]) == (3, 20)
    assert during["spec"]["metrics"][1:] == before["spec"]["metrics"][1:]
    assert back(during)["spec"] == before["spec"]


def test_an_autoscaler_without_cpu_gets_it_and_loses_it_again() -> None:
    before = scaler(cpu=None)
    during = changed("autoscaled", deployment(), before, bounds=Bounds(3, 20, 60), seconds=60)
    assert len(during["spec"]["metrics"]) == 2
    assert back(during)["spec"] == before["spec"]


def test_an_autoscaler_for_a_time_takes_its_pods_with_it() -> None:
    created = {"kind": "HorizontalPodAutoscaler", "name": "api", "path": "/somewhere", "at": NOW}
    during = changed("autoscaled", deployment(), bounds=Bounds(3, 20, 70), seconds=60, created=created)
    during["spec"]["replicas"] = 17
    assert put_back(during, lambda record: True).made == [created]
    assert size(back(during)) == 3


def test_a_stopped_workload_stays_stopped_when_its_autoscaler_goes() -> None:
    created = {"kind": "HorizontalPodAutoscaler", "name": "api", "path": "/somewhere", "at": NOW}
    during = changed("autoscaled", deployment(), bounds=Bounds(3, 20, 70), seconds=60, created=created)
    during["spec"]["replicas"] = 0
    assert size(back(during)) == 0


@pytest.mark.parametrize(
    ("others", "metadata", "said"),
    [
        ([scaler("api"), scaler("api")], {}, "several autoscalers"),
        (
            [scaler(ownerReferences=[{"kind": "ScaledObject", "name": "api", "controller": True}])],
            {},
            "ScaledObject api",
        ),
        ([scaler(annotations={MIN_REPLICAS: "2"})], {}, "held by a release"),
        ([scaler(annotations={"runbook.release/created": NOW})], {}, "only for a time"),
    ],
)
def test_an_autoscaler_of_others_is_refused(others: list[Obj], metadata: Obj, said: str) -> None:
    with pytest.raises(Refused, match=said):
        draft("autoscaled", deployment(), *others, bounds=Bounds(3, 20, 70))


def test_an_autoscaler_that_could_measure_nothing_is_refused() -> None:
    with pytest.raises(Refused, match="requests no CPU"):
        draft("autoscaled", deployment(resources={}), bounds=Bounds(3, 20, 70))
    with pytest.raises(Refused, match="has to know what to keep"):
        draft("autoscaled", deployment(), bounds=Bounds(3, 20))


def test_what_is_scaled_for_a_time_gets_no_autoscaler_beside() -> None:
    during = changed("scaled", deployment(), replicas=10, seconds=7200)
    with pytest.raises(Refused, match="is scaled for a time already"):
        draft("autoscaled", during, bounds=Bounds(3, 20, 70), seconds=60)


def test_one_colour_gets_no_autoscaler_for_good() -> None:
    with pytest.raises(Refused, match="for blue alone"):
        draft("autoscaled", deployment(), subject=LIVE, bounds=Bounds(3, 20, 70))
    assert draft("autoscaled", deployment(), subject=LIVE, bounds=Bounds(3, 20, 70), seconds=60).create


def test_what_a_release_makes_of_it_is_told() -> None:
    assert "would copy the 10 pods" in draft("scaled", deployment(), subject=LIVE, replicas=10, seconds=60).warnings[0]
    assert "only until" in draft("configured", deployment(), subject=LIVE, env={"A": "b"}).warnings[0]


def test_a_container_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(Refused, match="has no container web; it has app"):
        draft("configured", deployment(), container="web", env={"A": "b"})


def test_a_record_nobody_can_read_is_an_error_and_not_a_loss() -> None:
    with pytest.raises(ReleaseError, match="nobody can read"):
        temporary([deployment(annotations={TEMPORARY: "[]"})], NOW)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("30m", 1800), ("30 min", 1800), ("2h", 7200), ("1d", 86400)]
)
def test_spans(text: str, seconds: int) -> None:
    assert time_of(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "soon", "-5", "2 weeks"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="for is"):
        time_of(text)


def test_options_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(Refused, match="in two ways"):
        Settings(env={"A": "b"}, unset=("A",))
    with pytest.raises(Refused, match="cannot keep 5 to 2 pods"):
        Bounds(5, 2)
    with pytest.raises(Refused, match="leaves nothing that could be put back"):
        want("restarted", seconds=60)
    with pytest.raises(Refused, match="A DaemonSet"):
        Want("scaled", "shop", "DaemonSet", "agent", replicas=3)


def test_what_is_temporary_is_no_drift_and_what_is_changed_besides_is() -> None:
    before = deployment(env=ENV)
    during = changed("scaled", before, replicas=10, seconds=7200)
    during = changed("configured", during, env={"LOG_LEVEL": "DEBUG"}, resources={"limits": {"cpu": "1"}}, seconds=60)
    assert fingerprint(during) == fingerprint(before)
    during["spec"]["replicas"] = 7
    assert fingerprint(during) != fingerprint(before)
    assert fingerprint(changed("scaled", before, replicas=10)) != fingerprint(before)


def test_an_autoscaler_for_a_time_is_no_drift() -> None:
    before = deployment()
    created = {"kind": "HorizontalPodAutoscaler", "name": "api", "path": "/somewhere", "at": NOW}
    during = changed("autoscaled", before, bounds=Bounds(3, 20, 70), seconds=60, created=created)
    during["spec"]["replicas"] = 17
    scalers = [scaler(annotations={"runbook.release/created": NOW})]
    assert fingerprint(during, autoscaled(scalers)) == fingerprint(before)
    assert autoscaled([scaler()]) == {("Deployment", "api")}
