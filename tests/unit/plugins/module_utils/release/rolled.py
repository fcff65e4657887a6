# SPDX-License-Identifier: GPL-3.0-or-later
"""Components that roll, and what rollout says of them in check mode."""

from __future__ import annotations

from typing import Any

Given = dict[str, Any]
DIGEST = "sha256:" + "4f" * 32
ROUTE = {"urls": [{"url": "http://shop.example/version"}], "identity": {"json": "version"}}


def component(name: str, **more: Any) -> Given:
    source = {"kind": "image", "image": f"r.example:5000/{name}"}
    return {"name": name, "source": source, "workloads": [{"kind": "Deployment", "name": name}], **more}


def workload(name: str, before: str = "1", after: str = "2", done: str = "changed") -> Given:
    images = [{"app": f"r.example:5000/{name}:{tag}", "log": "log:9"} if tag else {} for tag in (before, after)]
    return {"kind": "Deployment", "name": name, "before": images[0], "after": images[1], "done": done, "pods": 3}


def outcome(*workloads: Given, plan: tuple[str, ...] = (), **more: Any) -> Given:
    changed = any(one["done"] != "nothing" for one in workloads)
    return {"changed": changed, "workloads": list(workloads), "plan": list(plan), "digest": DIGEST, **more}
