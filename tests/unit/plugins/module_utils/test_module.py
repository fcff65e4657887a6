# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml
from ansible_collections.runbook.release.plugins.doc_fragments.kube import ModuleDocFragment
from ansible_collections.runbook.release.plugins.module_utils.errors import NotFound
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_auth,
    kube_client,
)


class Failed(Exception):
    """Raised by ``fail_json``, which never returns."""


class FakeModule:
    check_mode = False

    def __init__(self, **params):
        self.params = {**dict.fromkeys(kube_argument_spec().options), **params}

    def fail_json(self, **result):
        self.result = result
        raise Failed


def test_merging_keeps_both_sides_and_changes_neither():
    one = ArgumentSpec({"a": {"type": "str"}}, required_together=[("a", "b")], required_by={"a": ("c",)})
    two = ArgumentSpec({"b": {"type": "int"}}, required_together=[("b", "c")], required_by={"b": ("c",)})
    assert one.merge(two).to_kwargs() == {
        "argument_spec": {"a": {"type": "str"}, "b": {"type": "int"}},
        "required_together": [("a", "b"), ("b", "c")],
        "required_by": {"a": ("c",), "b": ("c",)},
    }
    assert one.to_kwargs()["required_together"] == [("a", "b")]


def test_an_option_cannot_be_defined_twice():
    with pytest.raises(ValueError, match="option defined twice: a"):
        ArgumentSpec({"a": {}}).merge(ArgumentSpec({"a": {}}))


def test_a_misspelt_constraint_is_an_error():
    with pytest.raises(TypeError, match="required_iff"):
        ArgumentSpec({}, required_iff=[])


def test_our_errors_become_results():
    module = FakeModule()
    with pytest.raises(Failed), failing_cleanly(module):
        raise NotFound("no Service", status=404, verb="get", object="Service shop/web", remedy="create it")
    assert module.result["msg"] == "no Service. Do: create it."
    assert module.result["api"]["object"] == "Service shop/web"


def test_a_missing_library_says_what_to_install():
    module = FakeModule()
    with pytest.raises(Failed), failing_cleanly(module):
        raise ModuleNotFoundError("No module named 'yaml.loader'", name="yaml.loader")
    assert "Failed to import the required Python library (PyYAML)" in module.result["msg"]


@pytest.mark.parametrize(
    "error", [KeyError("bug"), ImportError("no name"), ImportError("x", name="ansible_collections")]
)
def test_bugs_are_not_hidden(error):
    with pytest.raises(type(error)), failing_cleanly(FakeModule()):
        raise error


def test_options_and_documentation_are_twins():
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)
    options = kube_argument_spec().options
    assert documented["options"].keys() == options.keys()
    for name, option in options.items():
        assert documented["options"][name]["type"] == option["type"]
        assert documented["options"][name].get("aliases") == option.get("aliases")
        (variable,) = option["fallback"][1]
        assert any(f"E({variable})" in note for note in documented["notes"])


def test_secrets_are_not_logged():
    options = kube_argument_spec().options
    assert [name for name, option in options.items() if option.get("no_log")] == ["api_key", "password"]


def test_the_client_of_a_module():
    auth = kube_auth(FakeModule(host="http://127.0.0.1:1", api_key="x"))
    assert (auth.host, auth.api_key, auth.context, auth.validate_certs) == ("http://127.0.0.1:1", "x", "", None)
    module = FakeModule(host="http://127.0.0.1:1", api_key="x")
    assert not kube_client(module).dry_run
    module.check_mode = True
    assert kube_client(module).dry_run


@pytest.mark.parametrize(
    ("run", "patience"), [({}, {}), ({"run": None}, {}), ({"run": {"release": "x"}}, {"first": 60})]
)
def test_a_release_waits_longer_for_its_api_server(run, patience):
    client = kube_client(FakeModule(host="http://127.0.0.1:1", api_key="x", **run))
    assert client.transport.patience.first == patience.get("first", 5)
