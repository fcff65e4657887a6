# SPDX-License-Identifier: GPL-3.0-or-later
"""What works by itself: which objects those are, how they rest, and how Helm is told to install them so."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.errors import Refused
from ansible_collections.runbook.release.plugins.module_utils.helm import patch_stream
from ansible_collections.runbook.release.plugins.module_utils.helm.cli import Chart, Helm
from ansible_collections.runbook.release.plugins.module_utils.helm.content import digest, parse
from ansible_collections.runbook.release.plugins.module_utils.helm.objects import colourless
from ansible_collections.runbook.release.plugins.module_utils.helm.patch_stream import merged, patched
from ansible_collections.runbook.release.plugins.module_utils.helm.workers import (
    Worker,
    at_rest,
    patches,
    resting,
    worker_of,
    workers_in,
    working,
)
from hypothesis import given
from hypothesis import strategies as st

from .conftest import FakeHelm
from .scene import Obj, deployment, hpa, service

MAILER = deployment("shop-green-mailer", {"app": "mailer"}, 3)
SERVING = [service("shop-green", {"app": "shop"}), deployment("shop-green", {"app": "shop"})]
NAMED = (("Deployment", "shop-mailer"),)


def cron_job(name: str, **spec: Any) -> Obj:
    pod = {"containers": [{"name": "app", "image": "registry/shop:1"}]}
    template = {"spec": {"template": {"spec": pod}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": "* * * * *", "jobTemplate": template, **spec},
    }


def found(*more: Obj, named: Any = NAMED) -> tuple[Worker, ...]:
    return workers_in([*SERVING, *more], named, "shop-green", "shop-green")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shop-blue-mailer", "shop-mailer"),
        ("mailer-green", "mailer"),
        ("blue-mailer", "mailer"),
        ("evergreen-mailer", "evergreen-mailer"),
        ("greenhouse", "greenhouse"),
    ],
)
def test_people_name_a_worker_without_its_colour(name: str, said: str) -> None:
    assert colourless(name) == said


def test_cron_jobs_are_found_and_workloads_are_named() -> None:
    assert found(MAILER, cron_job("nightly")) == (
        Worker("Deployment", "shop-green-mailer", 3),
        Worker("CronJob", "nightly", 1),
    )
    assert found(MAILER, named=()) == ()


def test_what_its_maker_suspended_stays_so() -> None:
    assert found(cron_job("nightly", suspend=True), named=()) == ()


def test_a_worker_that_an_autoscaler_sizes_is_as_large_as_its_minimum() -> None:
    unsized = deployment("shop-green-mailer", {"app": "mailer"}, None)
    assert found(unsized, hpa("mailer", "shop-green-mailer", 4))[0].size == 4


@pytest.mark.parametrize(
    ("objects", "named", "why"),
    [
        ([MAILER], (("Deployment", "mailer"),), "renders Deployment shop, Deployment shop-mailer"),
        ([MAILER], (("StatefulSet", "shop-mailer"),), "renders no StatefulSet shop-mailer to be a worker"),
        ([], (("Deployment", "shop"),), "Deployment shop-green is behind Service shop-green"),
        ([MAILER, hpa("h", "shop-green-mailer", 0)], NAMED, "HorizontalPodAutoscaler h may start"),
        (
            [
                MAILER,
                {
                    "kind": "ScaledObject",
                    "metadata": {"name": "q"},
                    "spec": {"scaleTargetRef": {"name": "shop-green-mailer"}},
                },
            ],
            NAMED,
            "ScaledObject q may start Deployment shop-green-mailer from 0 replicas",
        ),
    ],
)
def test_what_cannot_be_a_worker_is_refused(objects: list[Obj], named: Any, why: str) -> None:
    with pytest.raises(Refused, match=why):
        found(*objects, named=named)


@given(kind=st.sampled_from(["Deployment", "CronJob"]), size=st.integers(1, 9))
def test_what_rests_says_how_it_comes_back(kind: str, size: int) -> None:
    size = 1 if kind == "CronJob" else size
    obj = cron_job("one") if kind == "CronJob" else deployment("one", {"app": "one"}, size)
    rested = worker_of(merged(obj, resting(kind, size)))
    assert (rested.works, rested.rests, rested.full) == (False, True, size)
    again = worker_of(merged(merged(obj, resting(kind, size)), working(kind, rested.full)))
    assert (again.works, again.rests, again.size) == (True, False, size)


def test_what_had_no_pods_before_is_known_as_a_worker_and_not_started() -> None:
    none = merged(deployment("one", {"app": "one"}, 0), resting("Deployment", 0))
    assert (worker_of(none).works, worker_of(none).rests) == (False, False)
    assert none["metadata"]["annotations"] == {"runbook.release/worker": "true"}


def test_the_rendering_itself_stays_as_it_was_made() -> None:
    objects = [*SERVING, MAILER, cron_job("nightly")]
    before = digest(objects)
    installed = at_rest(objects, workers_in(objects, NAMED, "shop-green", "shop-green"))
    assert digest(objects) == before
    assert [obj["spec"].get("replicas", obj["spec"].get("suspend")) for obj in installed[1:]] == [2, 0, True]


STREAM = """---
# Source: shop/templates/web.yaml
kind: Deployment
metadata: {name: web}
spec: {replicas: 2}   # written by hand
---
kind: CronJob
metadata:
  name: nightly
  annotations: {by: chart}
spec: {schedule: "0 0 * * *"}
---
# only a comment about nightly
"""


def test_only_what_has_to_rest_is_changed_in_what_helm_rendered() -> None:
    said = patched(STREAM, patches([Worker("CronJob", "nightly", 1)]))
    assert "spec: {replicas: 2}   # written by hand" in said
    changed = next(obj for obj in yaml.safe_load_all(said) if obj and obj["kind"] == "CronJob")
    assert changed["spec"] == {"schedule": "0 0 * * *", "suspend": True}
    assert changed["metadata"]["annotations"] == {"by": "chart", "runbook.release/replicas": "1"}


NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)


@given(st.lists(st.tuples(NAMES, st.booleans()), min_size=1, max_size=5, unique_by=lambda one: one[0]))
def test_every_object_of_a_stream_comes_out_once_and_in_order(objects: list[tuple[str, bool]]) -> None:
    stream = yaml.safe_dump_all([cron_job(name) for name, _rests in objects], explicit_start=True)
    rests = [Worker("CronJob", name, 1) for name, chosen in objects if chosen]
    wanted = at_rest([cron_job(name) for name, _rests in objects], rests)
    assert parse(patched(stream, patches(rests)), "stream") == wanted


def test_the_program_refuses_a_stream_without_what_has_to_rest(tmp_path: Path) -> None:
    file = tmp_path / "patches.json"
    file.write_text(json.dumps(patches([Worker("Deployment", "mailer", 2), Worker("CronJob", "nightly", 1)])))
    run = subprocess.run(
        [sys.executable, patch_stream.__file__, str(file)], input=STREAM, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "nothing renders Deployment/mailer, which has to rest until it is live\n"


def test_the_program_writes_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "patches.json"
    file.write_text(json.dumps(patches([Worker("CronJob", "nightly", 1)])))
    monkeypatch.setattr(sys, "stdin", io.StringIO(STREAM))
    assert patch_stream.main([str(file)]) == 0
    assert "suspend: true" in capsys.readouterr().out


@pytest.mark.parametrize("version", ["v3.17.3", "v4.0.0"])
def test_helm_is_told_to_let_it_rest_before_anything_is_installed(fake_helm: FakeHelm, version: str) -> None:
    fake_helm.answers(version={"out": version}, env={"out": "/home/plugins\n"})
    rest = patches([Worker("CronJob", "nightly", 1)])
    Helm(fake_helm.path, "shop").upgrade("shop-green", Chart("chart"), ["values.json"], "version 2", 60, rest)
    (upgrade,) = [call["argv"] for call in fake_helm.calls if call["argv"][0] == "upgrade"]
    told = upgrade[upgrade.index("--post-renderer") + 1 :]
    if version.startswith("v4"):
        assert told == ["runbook-release-patch"]
    else:
        assert told[0] == sys.executable
        assert [part.rpartition("/")[2] for part in told[2::2]] == ["patch_stream.py", "patches.json"]


def test_helm_renders_as_ever_where_nothing_works_by_itself(fake_helm: FakeHelm) -> None:
    Helm(fake_helm.path, "shop").upgrade("shop-green", Chart("chart"), ["values.json"], "version 2", 60, {})
    assert "--post-renderer" not in str(fake_helm.calls)
