# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Colour, Have
from ansible_collections.runbook.release.plugins.module_utils.release.components import targets_of
from ansible_collections.runbook.release.plugins.module_utils.release.needs import needs_of
from ansible_collections.runbook.release.plugins.module_utils.release.safety import STAGES, Answer, Migration, judge
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import Shift, Side

from ..helm.scene import FakeEntry, deployment, empty, have, running

Obj = dict[str, Any]
OLD, NEW = "1", "2"
EXPAND = Migration("0041-add", "expand")
CONTRACT = Migration("0042-drop", "contract")
IRREVERSIBLE = Migration("0043-merge", "irreversible")


@dataclass
class Shifted(FakeEntry):
    """An entry on its way from blue to green."""

    shift: Shift = field(default_factory=lambda: Shift("blue", "green", {"blue": OLD, "green": NEW}))
    sides: dict[str, Side] = field(default_factory=dict)


def shop(blue: Colour | None = None, green: Colour | None = None, **entry: Any) -> Have:
    blue = blue or running("blue", OLD, ready=3)
    green = green or running("green", NEW, ready=3)
    said = {"weights": {"blue": 75, "green": 25}, "previous": "blue", **entry}
    sides = {one.colour: Side(one.colour, one.service, one.front) for one in (blue, green)}
    return have(blue, green, Shifted(sides=sides, **said))


def asked(*components: Have, migrations: tuple[Migration, ...] = (), reached: str = "shift", **more: Any) -> Answer:
    existing = more.pop("existing", {"ConfigMap": {"settings"}, "Secret": {"passwords"}})
    return judge(migrations, reached, components or (shop(),), existing, **more)


def kinds(answer: Answer) -> list[str]:
    return [finding.kind for finding in answer.findings]


def test_a_side_that_is_what_it_was_may_be_returned_to() -> None:
    answer = asked(migrations=(EXPAND,))
    assert (answer.safe, answer.findings, answer.forward) == (True, (), ())
    assert answer.report()["components"] == {"shop": {"colour": "blue", "version": OLD, "ready": 3, "needed": 1}}


@pytest.mark.parametrize("migration", [CONTRACT, IRREVERSIBLE])
@pytest.mark.parametrize("reached", STAGES)
def test_a_migration_forbids_it_from_the_stage_on_in_which_it_runs(migration: Migration, reached: str) -> None:
    answer = asked(migrations=(EXPAND, migration), reached=reached)
    assert answer.safe is (reached in ("plan", "preflight", "approve", "backup"))
    assert any(migration.name in sentence for sentence in answer.forward) is not answer.safe
    assert "0041-add" not in " ".join(answer.forward)


def test_the_refusal_has_the_forward_plan_and_the_way_around() -> None:
    answer = asked(migrations=(CONTRACT, IRREVERSIBLE))
    refusal = answer.refusal("namespace shop")
    assert "0042-drop is a contract" in str(refusal)
    assert "0042-drop and 0043-merge" in str(refusal)
    assert "force" in refusal.remedy
    assert refusal.details["forward"] == list(answer.forward)


def test_capacity_is_a_hint_and_no_refusal() -> None:
    small = running("blue", OLD, ready=1)
    answer = asked(shop(small, running("green", NEW, ready=4), weights={"blue": 0, "green": 100}, live="green"))
    assert (answer.safe, answer.warm_first, kinds(answer)) == (True, ["shop"], ["capacity"])
    assert answer.findings[0].sentence.startswith("1 of 4 pods of blue")


def test_a_side_is_measured_by_what_serves_though_its_workload_is_called_otherwise() -> None:
    web = deployment("shop-web-green", {"app": "shop-green"}, 6, status=6)
    grown = running("green", NEW, ready=6, workloads=(web,))
    answer = asked(shop(running("blue", OLD, ready=2), grown, weights={"blue": 0, "green": 100}, live="green"))
    assert answer.warm_first == ["shop"]
    assert answer.findings[0].sentence.startswith("2 of 6 pods of blue")


def test_early_in_a_shift_the_old_side_takes_back_the_little_it_gave() -> None:
    """The new side was staged at full size, and the old one has shrunk to what it needs since."""
    answer = asked(
        shop(running("blue", OLD, ready=2), running("green", NEW, ready=8), weights={"blue": 75, "green": 25})
    )
    assert answer.warm_first == []


def test_a_retired_side_needs_the_size_it_remembers_although_the_new_version_is_down() -> None:
    idle = deployment("shop-blue", {"app": "shop-blue"}, 1, status=1)
    idle["metadata"]["annotations"] = {"runbook.release/replicas": "3"}
    retired = running("blue", OLD, ready=1, workloads=(idle,))
    answer = asked(shop(retired, running("green", NEW, ready=0), weights={"blue": 0, "green": 100}, live="green"))
    assert answer.report()["components"]["shop"]["needed"] == 3
    assert answer.warm_first == ["shop"]


def test_the_side_with_all_the_traffic_needs_no_warming() -> None:
    small = running("blue", OLD, ready=1)
    assert asked(shop(small, weights={"blue": 100, "green": 0})).warm_first == []


def test_what_the_old_pods_cannot_start_without_has_to_be_there() -> None:
    container = {
        "name": "app",
        "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "gone"}}],
        "env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "lost", "key": "x", "optional": True}}}],
    }
    labels = {"app": "shop-blue"}
    workload = deployment("shop-blue", labels, 3, status=3, containers=[container])
    answer = asked(shop(running("blue", OLD, ready=3, workloads=(workload,))))
    assert (answer.safe, kinds(answer)) == (False, ["configuration"])
    assert answer.findings[0].sentence.startswith("Secret gone does not exist any more, and Deployment shop-blue")


def test_a_side_that_runs_something_else_or_nothing_is_not_returned_to() -> None:
    again = running("blue", "3", ready=3)
    gone = running("blue", OLD, ready=0, workloads=())
    for blue, said in ((again, "ran 1 when it was live, but runs 3 now"), (gone, "has no workload any more")):
        answer = asked(shop(blue, weights={"blue": 0, "green": 100}, live="green"))
        assert not answer.safe
        assert said in answer.findings[0].sentence


def test_a_release_that_moved_nothing_yet_goes_back_to_what_is_live() -> None:
    """The newest shift led to what is live now: it was another release's."""
    gone = running("blue", "0", ready=0, workloads=())
    last = shop(gone, running("green", OLD, ready=2), weights={"blue": 0, "green": 100}, live="green")
    last.entry.shift = Shift("blue", "green", {"blue": "0", "green": OLD})  # type: ignore[misc]
    answer = asked(last, version=NEW)
    assert (answer.safe, answer.ways[0].colour, answer.ways[0].ready) == (True, "green", 2)


def test_a_first_release_has_nothing_to_go_back_to() -> None:
    entry = Shifted(shift=Shift(), sides={})
    answer = asked(have(empty("blue"), empty("green"), entry))
    assert (answer.safe, answer.ways[0].colour) == (True, "")


def test_every_way_to_refer_to_configuration_is_known() -> None:
    pod = {
        "imagePullSecrets": [{"name": "registry"}],
        "initContainers": [{"name": "first", "envFrom": [{"configMapRef": {"name": "a"}}]}],
        "containers": [
            {"name": "app", "env": [{"name": "B", "valueFrom": {"secretKeyRef": {"name": "b", "key": "b"}}}]},
            {"name": "side", "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
        ],
        "volumes": [
            {"name": "c", "configMap": {"name": "c"}},
            {"name": "d", "secret": {"secretName": "d"}},
            {"name": "e", "projected": {"sources": [{"configMap": {"name": "e"}}, {"secret": {"name": "f"}}]}},
            {"name": "g", "secret": {"secretName": "g", "optional": True}},
            {"name": "h", "emptyDir": {}},
        ],
    }
    needs = needs_of([deployment("shop", {"app": "shop"}, 1, **pod)])
    assert [str(need) for need in needs] == [
        "ConfigMap a",
        "ConfigMap c",
        "ConfigMap e",
        "Secret b",
        "Secret d",
        "Secret f",
    ]


def test_components_are_taken_as_playbooks_have_them() -> None:
    given = {"name": "shop", "entry": {"kind": "httproute", "name": "shop"}, "urls": ["http://shop"], "port": 80}
    target = targets_of([given], "space")[0]
    assert (target.services, target.entry.port, target.namespace) == (
        {"blue": "shop-blue", "green": "shop-green"},
        80,
        "space",
    )


@pytest.mark.parametrize(
    ("given", "lacks"),
    [
        ({"entry": {"kind": "service", "name": "x"}}, "Component 1 lacks name"),
        ({"name": "shop"}, "Component shop lacks entry.kind, entry.name"),
        ({"name": "shop", "entry": {"kind": "service"}}, "lacks entry.name"),
    ],
)
def test_a_component_that_is_not_one_is_refused(given: Obj, lacks: str) -> None:
    with pytest.raises(Refused, match=lacks):
        targets_of([given], "space")
