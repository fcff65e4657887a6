# SPDX-License-Identifier: GPL-3.0-or-later
"""Of a command in several pods it is told what each of them said, and in which it did not end well."""

from __future__ import annotations

from typing import Any

from ansible_collections.runbook.release.plugins.module_utils.tasks.ran import ran


def result(pod: str, **more: Any) -> dict[str, Any]:
    return {"ansible_loop_var": "pod", "pod": pod, **more}


def test_each_pod_has_its_lines_and_each_failure_its_reason() -> None:
    long = [str(number) for number in range(60)]
    told = ran(
        [
            result("api-1", rc=0, stdout_lines=long),
            result("api-2", rc=1, stdout_lines=[], stderr="no space\nleft"),
            result("api-3", failed=True, msg="Failed to execute on pod api-3"),
            result("api-4", rc=2),
        ]
    )
    assert told["pods"]["api-1"] == long[10:]
    assert told["bad"] == [
        "api-2 ended with 1: no space left",
        "api-3 did not end: Failed to execute on pod api-3",
        "api-4 ended with 2",
    ]


def test_what_was_skipped_did_not_run() -> None:
    assert ran([result("api-1", skipped=True)]) == {"pods": {}, "bad": []}
    assert ran([]) == {"pods": {}, "bad": []}
