# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import ENDPOINTSLICE, HTTPROUTE, SERVICE
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book
from ansible_collections.runbook.release.plugins.module_utils.traffic.patch import Contested
from ansible_collections.runbook.release.plugins.module_utils.traffic.step import Outcome, Step, take

from .world import NAMESPACE, SELECTORS, SERVICES, World, endpoint_slice, route, rule, says, service, weigh


def step(colour: str = "green", weight: int = 100, kind: str = "httproute", **more: Any) -> Step:
    params = {
        "namespace": NAMESPACE,
        "name": None,
        "entry": {"kind": kind, "name": "shop", "namespace": None},
        "services": None,
        "port": None,
        "colour": colour,
        "weight": weight,
        "from_version": None,
        "force": None,
        "urls": None,
        "identity": None,
        "proof": {"connections": 3, "seconds": 0.01, "timeout": 10.0},
        "drain": {"budget": 0.0},
        "witness": None,
    }
    return Step.of(params | more)


def run(world: World, asked: Step, book: Book | None = None) -> Outcome:
    return take(world, asked, time.monotonic(), book)


class Remembering(Book):
    """Every step with what was known before it, how many patches there were then, and what came of it."""

    def __init__(self, world: World) -> None:
        super().__init__(fence=7)
        self.world = world
        self.steps: list[Any] = []

    @contextlib.contextmanager
    def step(self, what: str, before: Any = None, will: Any = None) -> Iterator[Any]:
        self.steps.append([what, before, will, len(self.world.patches), None])
        yield lambda after: self.steps[-1].__setitem__(-1, after)


def test_a_step_is_patched_proven_and_reported(application: Any) -> None:
    application.answer = lambda: says("2.0")
    url = {"url": f"http://shop.example:{application.port}/", "address": "127.0.0.1", "ca_cert": None}
    report = run(
        World(HTTPROUTE, route(rule(100, 0))), step(urls=[url], identity={"json": "app.version", "header": None})
    ).report()
    assert (report["changed"], report["colour"], report["version"]) == (True, "green", "2.0")
    assert (report["before"], report["after"]) == ({"blue": 100, "green": 0}, {"blue": 0, "green": 100})
    assert report["cutover"]["proven"]
    assert report["cutover"]["last_old_ms"] == 0
    assert report["drain"] == {}


def test_at_the_wanted_weights_nothing_is_patched_but_proven_again() -> None:
    world = World(HTTPROUTE, route(rule(0, 100)))
    report = run(world, step()).report()
    assert (report["changed"], report["patch"], world.patches) == (False, [], [])
    assert report["cutover"]["proven"]


def test_check_mode_shows_the_patch_and_proves_nothing() -> None:
    world = World(HTTPROUTE, route(rule(100, 0)), dry_run=True)
    outcome = run(world, step(weight=5))
    report = outcome.report()
    assert (report["changed"], report["cutover"]) == (True, {"proven": False})
    assert report["patch"] == world.patches[0]
    assert outcome.diff() == {
        "before_header": "httproute shop/shop",
        "after_header": "httproute shop/shop",
        "before": {"weights": {"blue": 100, "green": 0}},
        "after": {
            "weights": {"blue": 95, "green": 5},
            "annotations": {
                "runbook.release/shift": '{"from":"blue","to":"green","versions":{"blue":"1.0","green":"2.0"}}'
            },
        },
    }


def test_the_diff_of_a_service_shows_its_selector() -> None:
    world = World(SERVICE, service("shop", SELECTORS["blue"]), dry_run=True)
    diff = run(world, step(kind="service")).diff()
    assert (diff["before"]["selector"], diff["after"]["selector"]) == (SELECTORS["blue"], SELECTORS["green"])


def test_a_guard_says_no_before_anything_changes() -> None:
    world = World(HTTPROUTE, route(rule(100, 0)))
    world.put(ENDPOINTSLICE, endpoint_slice("shop-green"))
    with pytest.raises(Refused, match="no endpoint of Service shop-green is ready"):
        run(world, step(weight=5))
    assert not world.patches


@pytest.mark.parametrize(("weight", "drained"), [(100, True), (50, False)])
def test_only_a_whole_shift_is_drained(monkeypatch: pytest.MonkeyPatch, weight: int, drained: bool) -> None:
    world = World(HTTPROUTE, route(rule(100, 0)))
    world.objects[next(kind for kind in world.objects if kind.kind == "Pod")].pop("blue-1")
    report = run(world, step(weight=weight, drain={"budget": 5.0})).report()
    assert (report["drain"].get("connected") == 0) is drained


def test_urls_without_an_identity_are_refused() -> None:
    with pytest.raises(Refused, match="identity"):
        step(urls=[{"url": "http://shop.example/", "address": None, "ca_cert": None}])


def test_a_step_of_a_release_is_announced_before_it_is_taken() -> None:
    world = World(HTTPROUTE, route(rule(100, 0)))
    book = Remembering(world)
    outcome = run(world, step(weight=25, name="web", services=SERVICES), book)
    ((what, before, will, patches, after),) = book.steps
    assert (what, patches, will) == ("switch web to 25", 0, outcome.plan.ops)
    assert before == {"weights": {"blue": 100, "green": 0}, "live": "1.0"}
    assert (after["weights"], after["version"]) == ({"blue": 75, "green": 25}, "2.0")
    assert after["cutover"].keys() == {"proven", "seconds", "last_old_ms", "connections", "failed"}
    assert world.objects[HTTPROUTE]["shop"]["metadata"]["annotations"]["runbook.release/fence"] == "7"


def test_going_back_is_announced_as_that() -> None:
    shift = '{"from":"blue","to":"green","versions":{"blue":"1.0","green":"2.0"}}'
    world = World(HTTPROUTE, route(rule(75, 25), annotations={"runbook.release/shift": shift}))
    book = Remembering(world)
    run(world, step("previous"), book)
    assert [one[0] for one in book.steps] == ["switch shop back"]


def test_a_proof_without_a_patch_is_a_step_too() -> None:
    world = World(HTTPROUTE, route(rule(0, 100)))
    book = Remembering(world)
    run(world, step(), book)
    assert [(what, will) for what, _before, will, _patches, _after in book.steps] == [("switch shop to 100", [])]


def test_nothing_to_take_back_is_no_step() -> None:
    world = World(HTTPROUTE, route(rule(100, 0)))
    book = Remembering(world)
    run(world, step("previous", from_version="2.0"), book)
    assert book.steps == []


def test_what_is_refused_is_no_step() -> None:
    world = World(HTTPROUTE, route(rule(100, 0)))
    world.put(ENDPOINTSLICE, endpoint_slice("shop-green"))
    book = Remembering(world)
    with pytest.raises(Refused):
        run(world, step(), book)
    assert book.steps == []


def test_a_step_that_fails_has_no_result() -> None:
    world = World(HTTPROUTE, route(rule(100, 0)))
    world.edits = [weigh(60)]
    book = Remembering(world)
    with pytest.raises(Contested):
        run(world, step(), book)
    assert [one[-1] for one in book.steps] == [None]
