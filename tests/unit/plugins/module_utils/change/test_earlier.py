# SPDX-License-Identifier: GPL-3.0-or-later
"""One workload goes to a version or a revision by hand, and to nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.change.decide import decide, undone
from ansible_collections.runbook.release.plugins.module_utils.change.draft import marked
from ansible_collections.runbook.release.plugins.module_utils.change.subject import Subject
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused

from .scene import LATER, NOW, deployment, have, patched, want

Obj = dict[str, Any]
API = Subject("Deployment", "api", "blue", "shop")
DIGEST = f"sha256:{'a' * 64}"
NUMBER = "deployment.kubernetes.io/revision"


def revision(number: int, image: str, uid: str = "uid-api") -> Obj:
    template = deployment(image=image)["spec"]["template"]
    template = {**template, "metadata": {"labels": {"app": "api", "pod-template-hash": f"h{number}"}}}
    metadata = {"name": f"api-{number}", "annotations": {NUMBER: str(number)}, "ownerReferences": [{"uid": uid}]}
    return {"kind": "ReplicaSet", "metadata": metadata, "spec": {"template": template}}


def controller_revision(number: int, image: str) -> Obj:
    template = {**deployment(image=image)["spec"]["template"], "$patch": "replace"}
    metadata = {"name": f"api-{number}", "ownerReferences": [{"uid": "uid-api"}]}
    return {
        "kind": "ControllerRevision",
        "metadata": metadata,
        "revision": number,
        "data": {"spec": {"template": template}},
    }


def image_of(obj: Obj) -> str:
    return str(obj["spec"]["template"]["spec"]["containers"][0]["image"])


@pytest.mark.parametrize(
    ("version", "image"),
    [("v0.9.0", "reg.example:5000/shop:v0.9.0"), (DIGEST, f"reg.example:5000/shop@{DIGEST}")],
)
def test_another_version_of_the_same_image_runs_and_the_way_it_was_is_tested(version: str, image: str) -> None:
    before = deployment(image=f"reg.example:5000/shop:v1.0.0@{DIGEST}")
    draft = decide(want("pinned", version=version), have(before), API)
    assert image_of(patched(before, draft.ops())) == image
    assert f"set image of app of Deployment api from reg.example:5000/shop:v1.0.0@{DIGEST} to {image}" in (
        draft.sentences()
    )
    with pytest.raises(AssertionError, match="test of"):
        patched(deployment(image="reg.example:5000/shop:v1.1.0"), draft.ops())
    assert "drift.yml tells" in draft.warnings[0]


def test_what_runs_that_version_already_stays() -> None:
    assert not decide(want("pinned", version="1"), have(deployment()), API).changes


@pytest.mark.parametrize("version", ["", "evil.example/shop:1", "shop:1", "sha256:12", "1 2", "-1"])
def test_no_other_image_can_be_pinned(version: str) -> None:
    with pytest.raises(Refused, match="neither a tag nor a digest"):
        want("pinned", version=version)


def test_what_is_pinned_or_undone_is_not_for_a_time() -> None:
    for more in ({"state": "pinned", "version": "1"}, {"state": "undone", "revision": 1}):
        with pytest.raises(Refused, match="nothing that could be put back"):
            want(**more, seconds=60)


def test_a_pin_leaves_what_is_temporary_to_go_back_when_it_is_due() -> None:
    settings = want("configured", env={"LOG_LEVEL": "DEBUG"}, seconds=60)
    draft = decide(settings, have(deployment()), API)
    during = patched(draft.obj, [*draft.ops(), *marked(draft, settings, NOW, LATER).ops])
    asked = want("pinned", version="0")
    assert marked(decide(asked, have(during), API), asked, NOW, LATER).ops == ()
    with pytest.raises(Refused, match="configured for a time"):
        undone(want("undone", revision=1), during, API, [revision(1, "shop:0")])


@pytest.mark.parametrize("kept", [revision, controller_revision])
def test_the_pods_of_a_numbered_revision_come_back_as_a_whole(kept: Any) -> None:
    before = deployment(image="shop:5", env=[{"name": "NEW", "value": "1"}])
    draft = undone(want("undone", revision=3), before, API, [kept(3, "shop:3"), kept(4, "shop:4")])
    after = patched(before, draft.ops())
    assert after["spec"]["template"] == deployment(image="shop:3")["spec"]["template"]
    assert draft.sentences() == ["return Deployment api to revision 3 (shop:3)"]
    assert draft.told("was") == {"Deployment api image of app": "shop:5"}
    assert draft.told("set") == {"Deployment api image of app": "shop:3"}
    assert not undone(want("undone", revision=3), after, API, [kept(3, "shop:3")]).changes
    with pytest.raises(AssertionError, match="test of /spec/template"):
        patched(deployment(image="shop:6"), draft.ops())


def test_a_number_that_is_none_of_its_own_is_refused_with_those_there_are() -> None:
    there = [revision(4, "shop:4"), revision(3, "other:3", uid="uid-other"), revision(2, "shop:2")]
    with pytest.raises(Refused, match=r"has no revision 3; there is 2 \(shop:2\); 4 \(shop:4\)\. Nothing was changed"):
        undone(want("undone", revision=3), deployment(), API, there)
