# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.filter.missing import missing
from ansible_collections.runbook.release.plugins.module_utils.tor import missing as module


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A machine with one command."""
    command = tmp_path / "helm"
    command.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def collection(tmp_path, monkeypatch):
    """One collection, of the version that is written into its manifest."""

    def of(version):
        folder = tmp_path / "postgresql"
        folder.mkdir()
        if version:
            (folder / "MANIFEST.json").write_text(json.dumps({"collection_info": {"version": version}}))
        known = {"ansible_collections.community.postgresql": SimpleNamespace(__path__=[str(folder)])}
        monkeypatch.setattr(module, "import_module", known.get)

    return of


def test_what_is_there_is_not_talked_about(path):
    assert missing({"commands": ["helm"], "libraries": ["json", "yaml"], "collections": ["runbook.release"]}) == []


def test_every_missing_thing_has_a_sentence_that_says_what_to_do(path):
    found = missing({"commands": ["helm", "k6", "ssh-keygen"], "libraries": ["no_such"], "collections": ["no.such"]})
    assert [sentence.partition(" Do: ")[2] for sentence in found] == [
        "install k6 on this machine, or run where it is.",
        "install the OpenSSH client, 8.2 or newer on this machine, or run where it is.",
        "pip install no_such.",
        "ansible-galaxy collection install 'no.such'.",
    ]


@pytest.mark.parametrize(
    ("version", "wanted", "said"),
    [
        ("3.10.2", "community.postgresql>=3.4", []),
        ("3.4.0", "community.postgresql >= 3.4", []),
        ("3.3.9", "community.postgresql>=3.4", ["3.3.9, older than 3.4"]),
        ("", "community.postgresql>=3.4", ["of an unknown version"]),
        ("", "community.postgresql", []),
    ],
)
def test_collections_have_versions(collection, version, wanted, said):
    collection(version)
    found = missing({"collections": [wanted]})
    assert len(found) == len(said)
    assert all(part in sentence for part, sentence in zip(said, found, strict=True))


def test_the_sources_of_criteria_say_which_libraries_they_need(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert missing({}, [{"source": {"kind": "http"}}, {}]) == []
    assert missing({}, [{"source": {"kind": "model", "path": "accuracy.csv"}}]) == []
    for source in ({"kind": "sql"}, {"kind": "model", "query": "select 1"}):
        (sentence,) = missing({}, [{"source": source}, {"source": source}])
        assert "pip install psycopg2-binary" in sentence


@pytest.mark.parametrize("wanted", [{"tools": ["helm"]}, {"collections": ["postgresql"]}])
def test_what_cannot_be_looked_for_is_refused(wanted):
    with pytest.raises(AnsibleFilterError):
        missing(wanted)
