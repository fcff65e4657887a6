# SPDX-License-Identifier: GPL-3.0-or-later
"""Renderings: parsed, digested, shown."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.helm.content import (
    GENERATED,
    digest,
    masked,
    parse,
    to_yaml,
    without_generated,
)

from .scene import deployment, service

LIST = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: a}}
---
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b}
"""


def test_lists_are_unfolded_and_empty_documents_dropped() -> None:
    assert [obj["metadata"]["name"] for obj in parse(LIST, "test")] == ["a", "b"]


@pytest.mark.parametrize("text", ["a: [", "just text", "kind: Service", "{kind: Service, metadata: {}}"])
def test_what_is_no_object_is_an_error_that_names_its_source(text: str) -> None:
    with pytest.raises(ReleaseError, match=r"deploy/web\.yaml"):
        parse(text, "deploy/web.yaml")


def test_the_digest_ignores_order_and_empty_fields() -> None:
    one, two = service("a", {"x": "1"}), deployment("b", {"x": "1"})
    again = {**service("a", {"x": "1"}), "status": {}}
    again["metadata"] |= {"creationTimestamp": None, "annotations": {}}
    assert digest([one, two]) == digest([two, again])
    assert digest([one]) != digest([service("a", {"x": "2"})])


def test_values_a_second_rendering_does_not_repeat_are_not_content() -> None:
    first = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "x1", "b": "same"}}
    second = {**first, "data": {"a": "x2", "b": "same"}}
    assert without_generated([first], [second])[0]["data"] == {"a": GENERATED, "b": "same"}
    assert digest(without_generated([first], [second])) == digest(without_generated([second], [first]))


def test_a_diff_shows_that_a_secret_changed_and_never_what_it_is() -> None:
    def secret(value: str) -> dict[str, object]:
        data = base64.b64encode(value.encode()).decode()
        return {"kind": "Secret", "metadata": {"name": "s"}, "data": {"k": data}, "stringData": {"t": value}}

    one, same, other = (to_yaml([masked(secret(value))]) for value in ("hunter2", "hunter2", "hunter3"))
    assert one == same != other
    assert "hunter" not in one
    assert base64.b64encode(b"hunter2").decode() not in one
