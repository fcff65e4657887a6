# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft, Entry, root
from ansible_collections.runbook.release.plugins.module_utils.release.drift import (
    STATE,
    Finding,
    Part,
    Ref,
    autoscaled,
    compare,
    fingerprint,
    last_writer,
    recorded,
    state,
)
from ansible_collections.runbook.release.plugins.module_utils.release.machine import INDEX_BEGUN

from ..helm.scene import deployment, hpa, service

Obj = dict[str, Any]
RELEASE = "shop-blue"


def written(manager: str, time: str, fields: Obj | None = None, **more: Any) -> Obj:
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields or {}, **more}


def owned(obj: Obj, **metadata: Any) -> Obj:
    """As the cluster has it after Helm installed it."""
    obj = copy.deepcopy(obj)
    obj["metadata"] = {
        "namespace": "shop",
        "uid": "1",
        "resourceVersion": "1",
        "generation": 1,
        "annotations": {"meta.helm.sh/release-name": RELEASE},
        "managedFields": [written("helm", "2026-11-21T10:00:00Z")],
        **obj["metadata"],
        **metadata,
    }
    return obj


def settings(**metadata: Any) -> Obj:
    data = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}
    return owned(data, **metadata)


def world() -> list[Obj]:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "passwords"}}
    labels = {"app": "shop-blue"}
    return [
        owned(deployment("shop-blue", labels, 2, status=2)),
        owned(service("shop-blue", labels)),
        owned(hpa("shop-blue", "shop-blue", 2)),
        settings(),
        owned(secret),
    ]


def taken(objs: list[Obj], revision: int = 3) -> dict[str, Part]:
    sized = autoscaled(obj for obj in objs if obj["kind"] == "HorizontalPodAutoscaler")
    prints = {Ref.of(obj): fingerprint(obj, sized) for obj in objs}
    return {"shop": Part("blue", RELEASE, revision, "1.4.0", prints)}


def found_after(change: Callable[[dict[str, Obj]], None], revision: int = 3) -> list[Finding]:
    """What a change to the world is found as."""
    objs = {obj["kind"]: obj for obj in copy.deepcopy(world())}
    change(objs)
    now = [obj for obj in objs.values() if obj]
    sized = autoscaled(obj for obj in now if obj["kind"] == "HorizontalPodAutoscaler")
    return compare(taken(world()), {Ref.of(obj): obj for obj in now}, sized, {RELEASE: revision})


def nothing(objs: dict[str, Obj]) -> None:
    pass


def scale(objs: dict[str, Obj]) -> None:
    objs["Deployment"]["spec"]["replicas"] = 7


def become(objs: dict[str, Obj]) -> None:
    """What every object goes through without anybody deciding anything."""
    for obj in objs.values():
        if obj["kind"] != "Secret":
            obj["metadata"] |= {"resourceVersion": "99", "generation": 4}
            obj["metadata"]["managedFields"] = []
        obj["status"] = {"seen": True}
    objs["Deployment"]["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "4"
    objs["Service"]["spec"]["clusterIP"] = "10.0.0.7"


def ours(objs: dict[str, Obj]) -> None:
    objs["Service"]["metadata"]["annotations"]["runbook.release/quarantined"] = "2026"


def restart(objs: dict[str, Obj]) -> None:
    template = objs["Deployment"]["spec"]["template"]["metadata"]
    template["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026-11-21T12:00:00Z"}


def hold(objs: dict[str, Obj]) -> None:
    """A release keeps the autoscaler at its capacity, and remembers the minimum it had."""
    objs["HorizontalPodAutoscaler"]["spec"]["minReplicas"] = 7
    objs["HorizontalPodAutoscaler"]["metadata"]["annotations"] |= {"runbook.release/min-replicas": "2"}


@pytest.mark.parametrize("change", [nothing, scale, become, ours, restart, hold])
def test_what_nobody_decided_is_no_drift(change: Callable[[dict[str, Obj]], None]) -> None:
    assert found_after(change) == []


def environment(objs: dict[str, Obj]) -> None:
    objs["Deployment"]["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "DEBUG", "value": "1"}]


def label(objs: dict[str, Obj]) -> None:
    objs["Deployment"]["metadata"]["labels"] = {"team": "mine"}


def selector(objs: dict[str, Obj]) -> None:
    objs["Service"]["spec"]["selector"] = {"app": "other"}


def setting(objs: dict[str, Obj]) -> None:
    objs["ConfigMap"]["data"]["a"] = "2"


def password(objs: dict[str, Obj]) -> None:
    objs["Secret"]["metadata"]["resourceVersion"] = "2"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (environment, "Deployment shop-blue"),
        (label, "Deployment shop-blue"),
        (selector, "Service shop-blue"),
        (setting, "ConfigMap settings"),
        (password, "Secret passwords"),
    ],
)
def test_what_somebody_decided_is_drift(change: Callable[[dict[str, Obj]], None], what: str) -> None:
    assert [(one.kind, one.object) for one in found_after(change)] == [("changed", what)]


def test_a_scale_by_hand_is_drift_where_no_autoscaler_is() -> None:
    before = [obj for obj in world() if obj["kind"] != "HorizontalPodAutoscaler"]
    now = copy.deepcopy(before)
    now[0]["spec"]["replicas"] = 7
    found = compare(taken(before), {Ref.of(obj): obj for obj in now}, set(), {RELEASE: 3})
    assert [one.object for one in found] == ["Deployment shop-blue"]


def test_what_is_gone_and_what_is_new_is_named() -> None:
    def change(objs: dict[str, Obj]) -> None:
        objs["ConfigMap"] = {}
        debug = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "debug"}}
        objs["own"] = owned(debug, managedFields=[written("kubectl", "2026-11-21T11:00:00Z")])
        objs["foreign"] = settings(name="other", annotations={})

    assert [one.sentence for one in found_after(change)] == [
        "ConfigMap settings of shop has vanished",
        "ConfigMap debug of shop has appeared by kubectl at 2026-11-21T11:00:00Z",
    ]


def test_an_autoscaler_of_a_workload_that_had_none_is_named() -> None:
    before = [obj for obj in world() if obj["kind"] != "HorizontalPodAutoscaler"]
    added = owned(hpa("mine", "shop-blue", 1), annotations={})
    now = {Ref.of(obj): obj for obj in [*before, added]}
    found = compare(taken(before), now, autoscaled([added]), {RELEASE: 3})
    assert ("appeared", "HorizontalPodAutoscaler mine") in [(one.kind, one.object) for one in found]


@pytest.mark.parametrize(("revision", "said"), [(4, "(revision 4, was 3) of shop was changed"), (0, "has vanished")])
def test_an_upgrade_past_the_collection_is_drift(revision: int, said: str) -> None:
    found = found_after(nothing, revision)
    assert len(found) == 1
    assert said in found[0].sentence


def test_the_writer_is_named_with_what_it_wrote() -> None:
    container = {'k:{"name":"app"}': {".": {}, "f:env": {".": {}, 'k:{"name":"DEBUG"}': {".": {}, "f:value": {}}}}}
    edit = {"f:spec": {"f:template": {"f:spec": {"f:containers": container}}}}
    obj = owned(
        deployment("shop-blue", {"app": "shop-blue"}),
        managedFields=[
            written("helm", "2026-11-21T10:00:00Z"),
            written("kubectl-edit", "2026-11-21T11:00:00Z", edit),
            written("kube-controller-manager", "2026-11-21T12:00:00Z", subresource="status"),
            written("kube-controller-manager", "2026-11-21T12:00:00Z", subresource="scale"),
        ],
    )
    by, at, fields = last_writer(obj, {("Deployment", "shop-blue")})
    assert (by, at) == ("kubectl-edit", "2026-11-21T11:00:00Z")
    assert fields == ("spec.template.spec.containers[app].env[DEBUG].value",)


def test_of_two_writers_of_one_second_the_other_one_is_named() -> None:
    both = [written("somebody", "2026-11-21T10:00:00Z"), written("runbook.release", "2026-11-21T10:00:00Z")]
    assert last_writer(settings(managedFields=both))[0] == "somebody"
    assert last_writer(settings(managedFields=[])) == ("", "", ())


def entries(*said: tuple[str, Any]) -> list[Entry]:
    head, found = root("shop-prod-index"), []
    for what, after in said:
        found.append(Draft(what, None, after, "ops@here", 1).following(head, f"t{len(found)}"))
        head = found[-1].head
    return found


def test_the_newest_state_counts_until_a_release_begins() -> None:
    old, new = state("one", taken(world(), 3)), state("two", taken(world(), 4))
    begun = {"release": "three", "version": "2", "plan": "", "who": "ops"}
    assert recorded([]).parts is None
    before = recorded(entries((INDEX_BEGUN, begun), (STATE, old), (STATE, new)))
    assert (before.release, before.when, before.interim) == ("two", "t2", ())
    assert before.parts == taken(world(), 4)
    assert recorded(entries((STATE, old), (INDEX_BEGUN, begun))).interim == ("three",)


def test_a_large_system_fits_into_one_entry() -> None:
    prints = {Ref("v1", "ConfigMap", "shop", f"configuration-of-component-{number}"): "0" * 32 for number in range(300)}
    part = Part("blue", RELEASE, 1, "1", prints)
    assert len(entries((STATE, state("one", {"shop": part})))[0].text) < 32 * 1024
    assert Part.parse(part.report()) == part
