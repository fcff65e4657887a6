# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets by reference, as a lookup of a playbook reads them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.runbook.release.plugins.lookup import referenced
from ansible_collections.runbook.release.plugins.lookup.referenced import LookupModule


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Any:
    lookup = LookupModule()
    monkeypatch.setattr(lookup, "set_options", lambda **_given: None)
    return lambda *terms, **variables: lookup.run(list(terms), variables)


def test_each_reference_leads_to_its_value(look: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("from a file\n")
    monkeypatch.setenv("TOKEN", "from the environment")
    terms = [{"environment": "TOKEN"}, {"file": str(tmp_path / "token")}, {"plain": "shop"}]
    assert look(*terms) == ["from the environment", "from a file", "shop"]


def test_vault_is_read_by_its_path_and_mount(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def run(terms: list[str], _variables: Any, **options: Any) -> list[dict[str, Any]]:
        asked.append((terms, options))
        return [{"secret": {"jwt": "from Vault"}}]

    loader = SimpleNamespace(get=lambda name, **_more: SimpleNamespace(run=run) if "kv2" in name else None)
    monkeypatch.setattr(referenced, "lookup_loader", loader)
    monkeypatch.setattr(LookupModule, "_templar", None, raising=False)
    monkeypatch.setattr(LookupModule, "_loader", None, raising=False)
    assert look({"vault": {"path": "shop/prod", "key": "jwt", "mount": "kv"}}) == ["from Vault"]
    assert asked == [(["shop/prod"], {"engine_mount_point": "kv"})]
    with pytest.raises(AnsibleLookupError, match="has no key other"):
        look({"vault": {"path": "shop/prod", "key": "other"}})


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ({"environment": "NOBODY_SET_THIS"}, "the environment has no NOBODY_SET_THIS"),
        ({"file": "/nonexistent/token"}, "/nonexistent/token cannot be read"),
        ({"variable": "not_there"}, "there is no variable not_there"),
        ("s3cret", "no reference"),
        ({"value": "s3cret"}, "no reference"),
    ],
)
def test_one_that_leads_nowhere_is_named_and_a_value_is_not(look: Any, reference: Any, said: str) -> None:
    with pytest.raises(AnsibleLookupError, match=said) as caught:
        look(reference)
    assert "s3cret" not in str(caught.value)
