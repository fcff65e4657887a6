# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.reports.expression import (
    Licence,
    LicenceError,
)
from hypothesis import given
from hypothesis import strategies as st

from .judging import of


@pytest.mark.parametrize(
    ("declared", "counted"),
    [
        ("MIT", ""),
        ("(MIT OR GPL-3.0-only)", ""),
        ("GPL-3.0-only", "forbidden"),
        ("UNLICENSED", "forbidden"),
        ("SEE LICENSE IN COPYING", "unknown"),
        ("LicenseRef-acme", "unknown"),
        ("NOASSERTION", "unknown"),
        ("NONE", "unknown"),
        (None, "unknown"),
    ],
)
def test_what_a_part_declares(tmp_path, declared, counted):
    path = tmp_path / "spdx.json"
    part = {"SPDXID": "SPDXRef-1", "name": "it", **({"licenseDeclared": declared} if declared else {})}
    head = {"spdxVersion": "SPDX-2.3", "creationInfo": {"created": "2026-11-20T10:00:00Z"}}
    path.write_text(json.dumps({**head, "packages": [part]}))
    for select in ("forbidden", "unknown"):
        source = {"kind": "licences", "allowed": ["MIT"]}
        assert of(path, source, select, "== 1").verdict == ("pass" if select == counted else "fail")


def test_a_bill_of_nothing_says_nothing(tmp_path):
    path = tmp_path / "bom.json"
    path.write_text(json.dumps({"bomFormat": "CycloneDX", "components": []}))
    found = of(path, {"kind": "licences", "allowed": ["MIT"]}, "not_allowed", "== 0")
    assert (found.verdict, "names no part" in found.sentence) == ("insufficient", True)


def test_what_was_concluded_counts_more_than_what_is_declared(tmp_path):
    path = tmp_path / "spdx.json"
    part = {"SPDXID": "SPDXRef-1", "name": "it", "licenseDeclared": "GPL-3.0-only", "licenseConcluded": "MIT"}
    head = {"spdxVersion": "SPDX-2.3", "creationInfo": {"created": "2026-11-20T10:00:00Z"}}
    path.write_text(json.dumps({**head, "packages": [part]}))
    assert of(path, {"kind": "licences", "allowed": ["MIT"]}, "not_allowed", "== 0").verdict == "pass"


PERMISSIVE = frozenset({"mit", "apache-2.0", "gpl-2.0-only with classpath-exception-2.0"})


@pytest.mark.parametrize(
    ("text", "permitted"),
    [
        ("MIT", True),
        ("mit", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT AND Apache-2.0", True),
        ("(GPL-3.0-only OR MIT) AND Apache-2.0", True),
        ("GPL-3.0-only AND (MIT OR Apache-2.0)", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("GPL-2.0 WITH Classpath-exception-2.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only", False),
    ],
)
def test_licence_expressions(text, permitted):
    assert Licence(text).permitted_by(PERMISSIVE) is permitted


@pytest.mark.parametrize("text", ["", "MIT OR", "AND MIT", "(MIT", "MIT)", "MIT MIT", "MIT WITH", "MIT / Apache-2.0"])
def test_what_is_no_licence_expression_permits_nothing(text):
    with pytest.raises(LicenceError):
        Licence(text).permitted_by(PERMISSIVE)


LICENCES = st.recursive(
    st.sampled_from(["MIT", "Apache-2.0", "GPL-3.0-only", "BSD-3-Clause"]),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda one: f"({' '.join(one)})"),
    max_leaves=6,
)


@given(LICENCES)
def test_licence_expressions_mean_what_python_makes_of_them(text):
    as_python = text.replace("AND", "and").replace("OR", "or")
    for name, value in (("MIT", True), ("Apache-2.0", True), ("GPL-3.0-only", False), ("BSD-3-Clause", False)):
        as_python = as_python.replace(name, str(value))
    assert Licence(text).permitted_by(PERMISSIVE) is eval(as_python)
