# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Entry
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.release import live, prove
from ansible_collections.runbook.release.plugins.module_utils.release.live import Live
from ansible_collections.runbook.release.plugins.modules import release_info, release_live_info, release_proof
from ansible_collections.runbook.release.plugins.modules import release_run as run_module

from ..module_utils.release.api import Api
from ..module_utils.release.records import DIGEST, IMAGES, Staging, key

WHERE = {"namespace": "shop", "system": "shop", "environment": "prod"}
BEGUN = {**WHERE, "state": "begun", "version": "1.4.0", "components": ["api"], "steps": [100], "holder": "alice@a"}
COMPONENTS = [{"name": "api"}, {"name": "web"}]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    """Records of long ago."""
    found = Staging(tmp_path)
    found.now -= timedelta(days=1000)
    found.release("s1")
    return found


def verified(run: Run, staging: Staging, **more: Any) -> dict[str, Any]:
    given = {"environment": "staging", "records": str(staging.folder.parent), "within": "36500d", **more}
    return run(release_proof, system="shop", version="1.4.0", proven_in=given)


def runs(monkeypatch: pytest.MonkeyPatch, **images: str) -> None:
    """What the cluster would be found to run."""
    found = {name: Live("green", "1.4.0", (image,)) for name, image in images.items()}
    monkeypatch.setattr(prove, "look", lambda *asked: found)


def test_the_proof_is_found_in_the_folder_of_the_system(run: Run, staging: Staging) -> None:
    found = verified(run, staging)
    assert (found["changed"], found["proof"]["release"], found["proof"]["images"]) == (False, "s1", IMAGES)
    assert found["sentence"] == "1.4.0 is proven by s1 in staging, which ended at 2024-02-25T13:00:00Z."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"within": "1d"}, "days ago, and that counts for 24 hours"),
        ({"within": "a while"}, "proven_in.within is 'a while', not a duration"),
        ({"environment": "local"}, "The index of local is not what was written"),
        ({"records": "/nowhere"}, "there is no index of its releases"),
        ({"signers": "/nowhere"}, "Nobody signed the end of s1"),
    ],
)
def test_what_proves_nothing_is_refused(run: Run, staging: Staging, given: dict[str, str], said: str) -> None:
    refused = verified(run, staging, **given)
    assert refused["failed"]
    assert said in refused["msg"]


def test_the_signer_is_told(run: Run, staging: Staging, tmp_path: Path) -> None:
    staging.key, signers = key(tmp_path, "alice@example.com")
    staging.release("s2")
    assert verified(run, staging, signers=str(signers))["proof"]["signer"] == "alice@example.com"


def test_what_runs_is_compared_and_recorded_with_what_it_was_compared_with(
    run: Run, api: Api, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    proof = verified(run, staging)["proof"]
    begun = run(run_module, **BEGUN, proof=proof)
    runs(monkeypatch, api=f"mirror.example/api@{DIGEST['api']}", web=DIGEST["cafe"])
    asked = {"state": "compared", "proof": begun["proof"], "namespace": "shop", "components": COMPONENTS}
    found = run(release_proof, **asked, run=begun["run"])
    assert (found["changed"], found["images"]["web"]) == (False, [DIGEST["cafe"]])
    entries = [Entry.parse(text) for text in Store(api.client(), "shop", begun["run"]["release"]).texts()]
    assert [one.what for one in entries] == ["release begins", "images are proven"]
    assert entries[0].after["proof"] == proof
    assert entries[1].after == {"by": "s1", "environment": "staging", "images": found["images"]}


def test_an_image_that_was_moved_since_is_refused_and_not_recorded(
    run: Run, api: Api, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = run(run_module, **BEGUN, proof=verified(run, staging)["proof"])
    runs(monkeypatch, api=DIGEST["dead"], web=DIGEST["cafe"])
    asked = {"state": "compared", "proof": begun["proof"], "namespace": "shop", "components": COMPONENTS}
    refused = run(release_proof, **asked, run=begun["run"])
    assert refused["failed"]
    assert f"api runs {DIGEST['dead']}, and was proven with {DIGEST['api'][:19]}" in refused["msg"]
    assert "Where: s1 in staging. Do: find out who moved the tag" in refused["msg"]
    assert len(Store(api.client(), "shop", begun["run"]["release"]).texts()) == 1


def test_what_does_not_say_what_it_runs_is_refused(run: Run, staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    runs(monkeypatch, api="r.example/api:1.4.0", web=DIGEST["cafe"])
    proof = verified(run, staging)["proof"]
    refused = run(release_proof, state="compared", proof=proof, namespace="shop", components=COMPONENTS)
    assert "the digest of r.example/api:1.4.0 of api is not known" in refused["msg"]


def test_a_proof_that_is_none_is_refused(run: Run) -> None:
    refused = run(release_proof, state="compared", proof={"by": "me"}, namespace="shop", components=COMPONENTS)
    assert refused["msg"].startswith("proof is no proof. Where: option proof. Do: ")


def test_a_release_that_goes_on_has_the_proof_it_began_with(run: Run, staging: Staging) -> None:
    proof = verified(run, staging)["proof"]
    run(run_module, **BEGUN, proof=proof)
    resumed = run(run_module, **{**BEGUN, "holder": "bob@b", "takeover": True, "reason": "that machine is gone"})
    assert (resumed["decision"], resumed["proof"]) == ("continue", proof)


def test_the_end_of_a_release_keeps_what_it_left_live(run: Run, api: Api) -> None:
    begun = run(run_module, **BEGUN)["run"]
    run(run_module, state="ended", run=begun, verdict="released", images=IMAGES)
    told = run(release_info, **WHERE)["releases"][0]
    ends = Entry.parse(Store(api.client(), "shop", begun["release"]).texts()[-2])
    assert (told["verdict"], ends.what, ends.after["images"]) == ("released", "release ends", IMAGES)


def test_what_is_live_is_told_without_components_that_run_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"api": Live("blue", "1.4.0", (DIGEST["api"],)), "web": Live("", "", ())}
    monkeypatch.setattr(release_live_info, "look", lambda *asked: found)
    told = run(release_live_info, namespace="shop", components=COMPONENTS)
    assert (told["changed"], told["images"]) == (False, {"api": [DIGEST["api"]]})
    assert told["components"]["web"] == {"colour": "", "version": "", "images": []}
    assert live.look is not release_live_info.look


@pytest.mark.parametrize(
    ("module", "spec"),
    [
        (release_proof, release_proof.proof_argument_spec()),
        (release_live_info, release_live_info.live_argument_spec()),
    ],
)
def test_the_documentation_names_the_options_there_are(module: Any, spec: Any) -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert documented.keys() == spec.options.keys()
    for name, option in spec.options.items():
        assert option.get("required", False) == documented[name].get("required", False), name
        assert (option.get("options") or {}).keys() == (documented[name].get("suboptions") or {}).keys(), name
