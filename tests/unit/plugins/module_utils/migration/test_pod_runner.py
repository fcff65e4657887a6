# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ApiError, NotReady, ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient
from ansible_collections.runbook.release.plugins.module_utils.migration.pod_runner import InPod, Place

POD = {
    "metadata": {"name": "shop-1", "namespace": "shop"},
    "spec": {"containers": [{"name": "app", "image": "shop:2"}]},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
UP = ["shop", "migrate"]


class OnePod:
    """A cluster of one pod, in which a command ends as it is told."""

    dry_run = False

    def __init__(self, ends: ReleaseError | None = None) -> None:
        self.ends, self.asked = ends, []  # type: ignore[var-annotated]

    def check_guard(self) -> None: ...

    def get(self, *_args: Any) -> dict[str, Any]:
        return POD

    def exec(self, _pod: str, _namespace: str, _container: str, argv: Sequence[str], _timeout: float) -> Any:
        self.asked.append(list(argv))
        if self.ends:
            raise self.ends
        return 0, "done"


def runner(cluster: OnePod) -> InPod:
    return InPod(cast(KubeClient, cluster), Place("shop", "shop-1", "", "", "shop:2"), 60, "-c lock_timeout=5000")


def test_sessions_of_a_command_in_a_pod_have_the_lock_timeout_and_a_name() -> None:
    cluster = OnePod()
    assert runner(cluster).run(UP, changes=True) == "done"
    assert cluster.asked == [["env", "PGOPTIONS=-c lock_timeout=5000", "PGAPPNAME=pg_migrate", *UP]]


@pytest.mark.parametrize(
    "error",
    [
        NotReady("env did not end within 60 s", remedy="allow it more time"),
        ApiError("the connection ended before the command did", remedy="allow it more time"),
    ],
)
def test_a_command_that_was_not_seen_to_end_may_still_run_in_the_pod(error: ReleaseError) -> None:
    said = r"allow it more time; shop may still run in pod shop/shop-1, container app: .* its sessions pg_migrate"
    with pytest.raises(ReleaseError, match=said) as failed:
        runner(OnePod(error)).run(UP, changes=True)
    assert not failed.value.what.startswith("env")


def test_a_command_that_could_not_be_started_does_not_run() -> None:
    with pytest.raises(ReleaseError) as failed:
        runner(OnePod(ApiError("cannot run env", status=500))).run(UP, changes=True)
    assert "still run" not in str(failed.value)
