# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.runbook.release.plugins.module_utils.kube.backoff import Pacing
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.kube.connection import KubeAuth
from ansible_collections.runbook.release.tests.unit.plugins.module_utils.kube.scripted_api import ScriptedApi


class FakeTime:
    """A clock that only sleeping moves; ``slept`` is every wait."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def pacing(self, chance: float = 1.0) -> Pacing:
        return Pacing(clock=lambda: self.now, sleep=self.sleep, chance=lambda: chance)


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def api() -> t.Iterator[ScriptedApi]:
    with ScriptedApi() as server:
        yield server


@pytest.fixture
def client(api: ScriptedApi, fake_time: FakeTime) -> t.Iterator[KubeClient]:
    one = KubeClient(KubeAuth(host=api.url, api_key="secret"), pacing=fake_time.pacing())
    yield one
    one.close()


@pytest.fixture
def dry_client(api: ScriptedApi, fake_time: FakeTime) -> t.Iterator[KubeClient]:
    one = KubeClient(KubeAuth(host=api.url, api_key="secret"), dry_run=True, pacing=fake_time.pacing())
    yield one
    one.close()
