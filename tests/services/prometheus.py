# SPDX-License-Identifier: GPL-3.0-or-later
"""A Prometheus that scrapes what a test exposes every second, and an Alertmanager."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from typing import Any

from services.debian import Server
from services.packages import Package

SCRAPES = """\
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: app
    static_configs: [{targets: [%s]}]
"""
ROUTES = """\
route: {receiver: nobody}
receivers: [{name: nobody}]
"""


class Prometheus(Server):
    """`targets` are addresses such as `127.0.0.1:8000`, asked for /metrics."""

    package = Package(("prometheus",), "usr/bin/prometheus")
    ready = "Server is ready to receive web requests"

    def __init__(self, targets: Sequence[str]) -> None:
        super().__init__()
        self.targets = targets

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def arguments(self) -> list[str]:
        config = self.own("prometheus.yml", SCRAPES % ", ".join(f'"{target}"' for target in self.targets))
        return [
            f"--config.file={config}",
            f"--storage.tsdb.path={self.folder / 'data' / 'tsdb'}",
            f"--web.listen-address={self.host}:{self.port}",
        ]


WITH_SHARED_FILES = 'mount -t overlay overlay -o lowerdir="$0":/usr/share /usr/share && exec "$@"'


class Alertmanager(Server):
    """Needs root: it reads a template from /usr/share, which only in a mount namespace of its own holds that."""

    package = Package(("prometheus-alertmanager",), "usr/bin/prometheus-alertmanager")
    ready = "Listening on"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def arguments(self) -> list[str]:
        return [
            f"--config.file={self.own('alertmanager.yml', ROUTES)}",
            f"--storage.path={self.folder / 'data' / 'alerts'}",
            f"--web.listen-address={self.host}:{self.port}",
            "--cluster.listen-address=",
        ]

    def around(self) -> list[str]:
        return ["unshare", "--mount", "sh", "-c", WITH_SHARED_FILES, str(self.package.folder / "usr" / "share")]

    def post(self, what: str, document: Any) -> Any:
        """Send alerts or a silence, as Prometheus and people do."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/{what}", json.dumps(document).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else None
