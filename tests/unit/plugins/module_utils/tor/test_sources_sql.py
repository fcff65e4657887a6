# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a criterion about a database before any is asked; a real one is asked in tests/services_cases."""

from __future__ import annotations

import sys
import time

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import measure
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World

SOURCE = {"kind": "sql", "host": "db", "database": "shop", "user": "reader", "query": "SELECT 1 AS one"}


def parsed(source=None, select="one", expect="== 1"):
    given = {key: value for key, value in {**SOURCE, **(source or {})}.items() if value is not None}
    (criterion,) = parse_criteria([{"name": "it", "source": given, "select": select, "expect": expect}])
    return criterion


def test_it_is_shown_on_one_line_without_a_password():
    query = "SELECT count(*) AS n\n  FROM orders"
    assert parsed({"query": query, "password_file": "/run/p"}).source.text == (
        "SELECT count(*) AS n FROM orders in database shop on db:5432"
    )


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"query": None}, ".source.query: missing"),
        ({"host": None}, ".source.host: missing"),
        ({"password": "s3cret"}, ".source.password: unknown"),
        ({"password_secret": "s3cret"}, ".source.password_secret: is not a dictionary of text"),
        ({"password_file": "a", "password_secret": {"name": "x", "key": "y"}}, ".source.password_secret: there is"),
        ({"sslmode": "on"}, ".source.sslmode: 'on' is none of"),
        ({"port": "x"}, ".source.port: 'x' is not of the type int"),
    ],
)
def test_mistakes(options, mistake):
    with pytest.raises(ReleaseError) as caught:
        parsed(options)
    assert mistake in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("select", "expect", "mistake"),
    [
        ("age in years", "< 1 h", ".select: "),
        ("age in s", "< 5", ".expect: "),
        ("age in s", "< 5 kW", ".expect: "),
        ("rows", "< 5 s", ".expect: "),
        ("rows", "> 95 %", ".expect: "),
    ],
)
def test_a_threshold_with_the_wrong_unit_is_a_mistake(select, expect, mistake):
    with pytest.raises(ReleaseError) as caught:
        parsed(select=select, expect=expect)
    assert mistake in str(caught.value)


def test_a_library_that_is_not_installed_is_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    found = measure(parsed(), World(), time.monotonic() + 60)
    assert (found.verdict, "install psycopg2-binary" in found.sentence) == ("error", True)
