# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.doc_fragments import entry as entry_fragment
from ansible_collections.runbook.release.plugins.doc_fragments import run as run_fragment
from ansible_collections.runbook.release.plugins.module_utils.errors import Forbidden, Unreachable
from ansible_collections.runbook.release.plugins.module_utils.kube.kinds import HTTPROUTE, Kind
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import ENTRY_OPTIONS
from ansible_collections.runbook.release.plugins.modules import traffic_info, traffic_switch

from ..module_utils.traffic.world import World, route, rule, weigh

ENTRY = {"namespace": "shop", "entry": {"kind": "httproute", "name": "shop"}}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a module against a world: its result."""

    def run_module(module: ModuleType, world: World, **options: Any) -> dict[str, Any]:
        monkeypatch.setattr(module, "kube_client", lambda given: setattr(world, "dry_run", given.check_mode) or world)
        with patch_module_args(ENTRY | options), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def shop(*rules: Any) -> World:
    return World(HTTPROUTE, route(*(rules or [rule(100, 0)])))


def test_a_switch(run: Run) -> None:
    world = shop()
    result = run(traffic_switch, world, colour="green", weight=25)
    assert (result["changed"], result["after"]) == (True, {"blue": 75, "green": 25})
    assert result["cutover"]["proven"]
    assert "diff" not in result
    assert len(world.patches) == 1


def test_a_second_switch_changes_nothing(run: Run) -> None:
    world = shop(rule(0, 100))
    result = run(traffic_switch, world, colour="green")
    assert (result["changed"], world.patches) == (False, [])


def test_check_mode_shows_the_patch_and_the_difference(run: Run) -> None:
    world = shop()
    result = run(traffic_switch, world, colour="green", _ansible_check_mode=True, _ansible_diff=True)
    assert result["changed"]
    assert result["patch"] == world.patches[0]
    assert result["diff"]["after"]["weights"] == {"blue": 0, "green": 100}
    assert world.get(HTTPROUTE, "shop")["spec"]["rules"] == [rule(100, 0)]


class Failing(World):
    """An API server that answers one verb with an error."""

    def __init__(self, verb: str, error: Exception) -> None:
        super().__init__(HTTPROUTE, route(rule(100, 0)))
        self.verb, self.error = verb, error

    def get(self, kind: Kind, name: str, namespace: str = "") -> Any:
        if self.verb == "get":
            raise self.error
        return super().get(kind, name, namespace)

    def json_patch(self, *args: Any, **named: Any) -> Any:
        if self.verb == "patch":
            raise self.error
        return super().json_patch(*args, **named)


@pytest.mark.parametrize(
    ("world", "said"),
    [
        (Failing("get", Unreachable("no answer from https://10.0.0.1", remedy="check host")), "no answer from"),
        (Failing("patch", Forbidden("cannot patch HTTPRoute", status=403, remedy="grant patch")), "grant patch"),
    ],
)
def test_what_the_api_server_refuses_fails_the_module(run: Run, world: World, said: str) -> None:
    result = run(traffic_switch, world, colour="green")
    assert result["failed"]
    assert said in result["msg"]
    assert world.objects[HTTPROUTE]["shop"]["spec"]["rules"] == [rule(100, 0)]


def test_somebody_else_who_changes_the_weights_is_named(run: Run) -> None:
    world = shop()
    world.edits = [weigh(60, "argocd-controller")]
    result = run(traffic_switch, world, colour="green")
    assert result["failed"]
    assert "argocd-controller" in result["msg"]
    assert result["weights"] == {"blue": 60, "green": 40}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"colour": "red"}, "red"),
        ({"colour": "green", "wieght": 5}, "wieght"),
        ({"colour": "green", "weight": 101}, "not a percentage"),
        ({"colour": "green", "entry": {"kind": "ingress", "name": "shop"}}, "ingress"),
        ({"colour": "green", "urls": [{"url": "http://shop.example/"}]}, "identity"),
        ({"colour": "green", "identity": {"json": "version", "header": "x-version"}}, "mutually exclusive"),
        ({"colour": "green", "entry": {"kind": "httproute", "name": "docs"}}, "HTTPRoute shop/docs does not exist"),
    ],
)
def test_bad_input_is_refused_before_anything_changes(run: Run, options: dict[str, Any], said: str) -> None:
    world = shop()
    result = run(traffic_switch, world, **options)
    assert result["failed"]
    assert said in result["msg"]
    assert not world.patches


def test_info(run: Run) -> None:
    result = run(traffic_info, shop(rule(95, 5)))
    assert (result["changed"], result["live"], result["shifting"]) == (False, "blue", True)
    assert result["colours"]["green"]["version"] == "2.0"


@pytest.mark.parametrize(("fragment", "options"), [(entry_fragment, ENTRY_OPTIONS), (run_fragment, RUN_OPTIONS)])
def test_the_documentation_of_shared_options_is_their_twin(fragment: ModuleType, options: dict[str, Any]) -> None:
    documented = yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"]
    assert _shape(documented, "suboptions") == _shape(options, "options")


def _shape(options: dict[str, Any], nested: str) -> dict[str, Any]:
    return {
        name: {
            **{key: option.get(key) for key in ("type", "required", "choices", "default")},
            "options": _shape(option.get(nested, {}), nested),
        }
        for name, option in options.items()
    }
