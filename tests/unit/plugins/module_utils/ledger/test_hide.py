# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.runbook.release.plugins.module_utils.ledger.canonical import canonical
from ansible_collections.runbook.release.plugins.module_utils.ledger.hide import clear_texts, hide

PASSWORD = "correct horse battery staple"
ENTRY = {
    "what": f"psql postgres://shop:{PASSWORD}@db/shop",
    "before": {"db": {"password": PASSWORD, "port": 5432}},
    "after": [{"password": PASSWORD, f"by {PASSWORD}": [True, None]}, {"password": {"value": [PASSWORD, 12345678]}}],
}


def test_a_secret_is_nowhere_in_what_is_left() -> None:
    hidden = hide(ENTRY, ["password"], "r1")
    assert PASSWORD not in canonical(hidden).decode()
    assert hidden["what"] == "psql postgres://shop:(hidden)@db/shop"
    assert hidden["before"]["db"]["port"] == 5432
    assert hidden["after"][0]["by (hidden)"] == [True, None]


def test_the_same_secret_can_be_recognised_within_a_release_only() -> None:
    hidden, other = hide(ENTRY, ["password"], "r1"), hide(ENTRY, ["password"], "r2")
    assert hidden["before"]["db"]["password"].startswith("scrypt:")
    assert hidden["before"]["db"]["password"] == hidden["after"][0]["password"]
    assert hidden["before"]["db"]["password"] != hidden["after"][1]["password"]
    assert hidden["before"]["db"]["password"] != other["before"]["db"]["password"]


def test_without_names_nothing_changes() -> None:
    assert hide(ENTRY, [], "r1") == ENTRY


def test_short_secrets_are_hashed_but_not_searched_for() -> None:
    assert clear_texts({"pin": 1234, "password": PASSWORD}, ["pin", "password"]) == {PASSWORD}
    assert hide({"pin": 1234, "port": "1234"}, ["pin"], "r1")["port"] == "1234"
