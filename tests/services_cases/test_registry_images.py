# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of a real registry: what goes is gone there, and what stays can be had; where tokens are had is a stand-in."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.images.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.images.operate import from_packages, operate
from ansible_collections.runbook.release.plugins.module_utils.images.registry import Login
from ansible_collections.runbook.release.plugins.module_utils.images.registry import Registry as Client
from ansible_collections.runbook.release.plugins.module_utils.pipeline.forge import Forge
from ansible_collections.runbook.release.plugins.module_utils.web import basic
from ansible_collections.runbook.release.plugins.modules import registry_images
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.tor.faulty_server import certificate, serving

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.registry import PASSWORD, USER, Registry, signed

DAY = 86400.0
NAME = "example/api"
Trust = tuple[Path, Path]
Given = dict[str, Any]


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return certificate(tmp_path_factory.mktemp("trust"), days=30)


@pytest.fixture
def started(trust: Trust) -> Iterator[Callable[..., Registry]]:
    """Makes registries; each has what it is given, and nothing else."""
    with ExitStack() as stack:

        def start(**more: Any) -> Registry:
            server = stack.enter_context(Registry(trust, **more))
            assert isinstance(server, Registry)
            return server

        yield start


@pytest.fixture
def registry(started: Callable[..., Registry]) -> Registry:
    return started()


def client(registry: Registry, password: str = PASSWORD, **more: Any) -> Client:
    deadline = time.monotonic() + 60
    return Client(registry.url, NAME, Login(USER, password), deadline, str(registry.trust[0]), **more)


def want(**more: Any) -> Want:
    given: Given = {"now": time.time(), "age": 30 * DAY, "newest": 0, "live": {"live": "pod shop names it"}, **more}
    return Want(**given)


def days(number: float) -> str:
    """So long ago, as builders write it."""
    return (datetime.now(UTC) - timedelta(days=number)).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")


def clean(registry: Registry, dry: bool = False, **more: Any) -> Given:
    reached = client(registry)
    return operate(reached, want(**more), reached.delete, dry).report()


def tags(report: Given) -> dict[str, list[list[str]]]:
    return {side: [one["tags"] for one in report[side]] for side in ("deleted", "kept")}


def test_old_images_are_gone_and_a_second_run_finds_nothing_to_do(registry: Registry) -> None:
    ages = {"live": 400, "c": 50, "a": 200, "b": 90, "new": 2}
    digests = {tag: registry.push(NAME, days(age), tag) for tag, age in ages.items()}
    assert clean(registry, dry=True)["changed"]
    assert all(registry.has(NAME, tag) for tag in ages)
    report = clean(registry)
    assert report["plan"] == "3 images are deleted, 2 stay"
    assert [one["digest"] for one in report["deleted"]] == [digests[tag] for tag in "abc"]
    assert {tag for tag in ages if registry.has(NAME, tag)} == {"live", "new"}
    again = clean(registry)
    assert (again["changed"], again["deleted"], tags(again)["kept"]) == (False, [], [["new"], ["live"]])


def test_a_list_goes_with_its_parts_but_for_those_that_another_list_has(registry: Registry) -> None:
    one, two, three = (registry.push(NAME, days(age)) for age in (100, 101, 102))
    old, live = registry.push_list(NAME, [one, two], "old"), registry.push_list(NAME, [two, three], "now")
    report = clean(registry, live={three: "pod shop names it"})
    assert [one["digest"] for one in report["deleted"]] == [old, one]
    assert tags(report) == {"deleted": [["old"], []], "kept": [["now"]]}
    assert [registry.has(NAME, digest) for digest in (old, one, two, three, live)] == [False, False, True, True, True]


def test_a_tag_that_shares_a_digest_keeps_it(registry: Registry) -> None:
    registry.push(NAME, days(100), "old", "live")
    assert clean(registry)["deleted"] == []
    assert registry.has(NAME, "old")


def test_what_was_tagged_while_it_looked_is_not_deleted(registry: Registry) -> None:
    made = days(100)
    registry.push(NAME, made, "old")
    registry.push(NAME, days(200), "live")

    class Late(Client):
        """Somebody tags the old image once its age is known."""

        def config(self, digest: str) -> dict[str, Any] | None:
            found = super().config(digest)
            if found and found["created"] == made:
                registry.push(NAME, made, "again")
            return found

    deadline = time.monotonic() + 60
    late = Late(registry.url, NAME, Login(USER, PASSWORD), deadline, str(registry.trust[0]))
    with pytest.raises(Refused, match=r"Tags were written while we looked: again.*nothing was deleted"):
        operate(late, want(), late.delete)
    assert registry.has(NAME, "old")


def test_a_registry_that_does_not_delete_says_what_to_do(started: Callable[..., Registry]) -> None:
    registry = started(deletes=False)
    for tag, age in (("live", 200), ("old", 100)):
        registry.push(NAME, days(age), tag)
    with pytest.raises(ReleaseError, match=r"does not delete images \(405\).*Do: let it") as told:
        clean(registry)
    assert told.value.details == {"deleted": [], "changed": False}


def test_who_may_not_and_what_is_not_there_is_told_without_the_secret(registry: Registry) -> None:
    with pytest.raises(ReleaseError, match="The registry has no such image"):
        clean(registry)
    with pytest.raises(ReleaseError, match="GET was answered with 401") as told:
        client(registry, "a-wrong-password").tags()
    assert "a-wrong-password" not in str(told.value)


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(registry: Registry) -> None:
    stranger = Client(registry.url, NAME, Login(USER, PASSWORD), time.monotonic() + 60)
    with pytest.raises(ReleaseError, match="the certificate is not accepted"):
        stranger.tags()


def test_tokens_are_had_for_what_is_asked_and_had_again_when_they_are_over(
    started: Callable[..., Registry], trust: Trust
) -> None:
    with serving(trust) as sign_in:
        registry = started(realm=f"{sign_in.url.replace('http:', 'https:')}/token")

        def give(query: dict[str, list[str]], _body: Any) -> tuple[int, Given]:
            _kind, name, actions = query["scope"][0].split(":")
            return 200, {"token": signed(trust, name, actions.split(","))}

        sign_in.answers["/token"] = give
        for tag, age in (("live", 200), ("old", 100)):
            registry.push(NAME, days(age), tag)
        reached = client(registry)
        reached._known[False] = f"Bearer {signed(trust, NAME, ['pull'], seconds=-3600)}"
        assert tags(operate(reached, want(), reached.delete).report()) == {"deleted": [["old"]], "kept": [["live"]]}
        assert not registry.has(NAME, "old")
    assert [query["scope"] for _path, query, *_rest in sign_in.asked] == [
        [f"repository:{NAME}:pull"],
        [f"repository:{NAME}:delete"],
    ]
    assert {headers["Authorization"] for *_rest, headers in sign_in.asked} == {basic(USER, PASSWORD)}


def test_nobody_signs_in_without_tls(started: Callable[..., Registry]) -> None:
    with serving() as sign_in:
        registry = started(realm=f"{sign_in.url}/token")
        with pytest.raises(ReleaseError, match="sends us to sign in without TLS"):
            client(registry).tags()
    assert sign_in.asked == []


def test_what_only_the_api_of_packages_deletes_goes_there(registry: Registry) -> None:
    """The API is a stand-in of that of GitHub, which knows no images but by its numbers."""
    digests = {tag: registry.push(NAME, days(age), tag) for tag, age in (("live", 200), ("old", 100))}
    with serving() as github:
        versions = [{"id": number, "name": digest} for number, digest in enumerate(digests.values(), 7)]
        github.answers["/orgs/example/packages/container/api/versions"] = lambda *_: (200, versions)
        github.answers["/orgs/example/packages/container/api/versions/8"] = (204, b"")
        forge = Forge(f"{github.url}/orgs/example/packages/container/api", "", "a-token", time.monotonic() + 60)
        report = operate(client(registry), want(), from_packages(forge)).report()
    assert tags(report)["deleted"] == [["old"]]
    assert [path.rpartition("/")[2] for path, *_rest in github.asked] == ["versions", "8"]
    assert {headers["Authorization"] for *_rest, headers in github.asked} == {"Bearer a-token"}


def test_the_module_shows_in_check_mode_what_it_does_and_tells_no_password(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cluster is a stand-in: a Deployment without pods that names a tag."""
    for tag, age in (("idle", 200), ("old", 100)):
        registry.push(NAME, days(age), tag)
    image = f"{registry.host}:{registry.port}/{NAME}"
    template = {"spec": {"containers": [{"image": f"{image}:idle"}]}}
    idle = {"kind": "Deployment", "metadata": {"name": "api"}, "spec": {"replicas": 0, "template": template}}
    listed = SimpleNamespace(list=lambda kind, _namespace: [idle] if kind.kind == "Deployment" else [])
    monkeypatch.setattr(registry_images, "kube_client", lambda _module: listed)
    login = {"username": USER, "password": PASSWORD, "ca_cert": str(registry.trust[0])}
    options = {"image": image, "older_than": "30d", "newest": 0, "namespace": "shop", "registry": login}

    def run(check: bool) -> Given:
        given = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
        with patch_module_args(given), pytest.raises(SystemExit):
            registry_images.main()
        said = capsys.readouterr().out
        assert PASSWORD not in said
        return dict(json.loads(said))

    shown, done = run(check=True), run(check=False)
    assert (shown["plan"], shown["diff"]) == (done["plan"], done["diff"])
    assert shown["diff"]["before"].replace(f"{done['deleted'][0]['digest']} old\n", "") == shown["diff"]["after"]
    assert [(one["tags"], one["why"]) for one in done["kept"]] == [(["idle"], "Deployment api names it")]
    assert [shown["changed"], done["changed"], run(check=False)["changed"]] == [True, True, False]
