# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written about criteria is what the code reads: options, kinds of sources, their options and selects."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.doc_fragments.criteria import ModuleDocFragment
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.database import Database
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.kinds import KINDS, source_class
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.login import Login
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.reports.base import Report
from ansible_collections.runbook.release.plugins.module_utils.tor.units import UNITS
from ansible_collections.runbook.release.plugins.modules.tor_validate import tor_validate_argument_spec

CRITERIA = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["criteria"]["suboptions"]
CODE = re.compile(r"C\(([^()]*)\)")
SHARED = {"Login": Login, "Database": Database, "Report": Report}
ASKED_OF_EVERY_SERVER = {"url", "service", "port", "namespace", "ca_cert"}


def told(where: str, kind: str) -> set[str]:
    """The words in code in the paragraphs about a kind."""
    paragraphs = [text for text in CRITERIA[where]["description"] if f"C({kind})" in text.partition(":")[0]]
    return {word for text in paragraphs for word in CODE.findall(text)}


def shared(kind: str) -> set[str]:
    """The options a kind shares with others, which are told once."""
    found = {field.name for one in SHARED.values() if issubclass(source_class(kind), one) for field in fields(one)}
    return found | (ASKED_OF_EVERY_SERVER if issubclass(source_class(kind), Login) else set())


def fields(one: type[Any]) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(one)


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_of_a_source_is_told(kind):
    own = {field.name for field in fields(source_class(kind)) if not field.name.startswith("password_")}
    assert own - shared(kind) <= told("source", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_can_be_selected_is_told(kind):
    said = told("select", kind)
    assert said, "nothing is told about what can be selected"
    assert set(source_class(kind).selects) <= said


@pytest.mark.parametrize(("name", "one"), SHARED.items())
def test_what_several_sources_share_is_told_once(name, one):
    all_of_it = {word for text in CRITERIA["source"]["description"][1:6] for word in CODE.findall(text)}
    assert {field.name for field in fields(one)} <= all_of_it


def test_every_unit_is_told():
    said = {word for text in CRITERIA["expect"]["description"] for word in CODE.findall(text)}
    assert set(UNITS) - {"", "share"} <= said


def test_the_fields_of_a_criterion_are_those_of_the_argument_spec():
    options = tor_validate_argument_spec().options["criteria"]["options"]
    assert set(options) == set(CRITERIA)
    for name, spec in options.items():
        for key in ("type", "choices", "default", "required"):
            assert spec.get(key) == CRITERIA[name].get(key), f"{name}.{key}"
