# SPDX-License-Identifier: GPL-3.0-or-later
"""A Prometheus that scrapes what a test exposes every second, an Alertmanager, and the tools that come with both."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from services.debian import Server
from services.packages import Package

SCRAPES = """\
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
scrape_configs:
  - job_name: app
    static_configs: %s
"""
ALERTS = """\
alerting:
  alertmanagers:
    - static_configs: [{targets: ["%s"]}]
"""
ROUTES = """\
route: {receiver: nobody}
receivers: [{name: nobody}]
"""


class Prometheus(Server):
    """`targets` are addresses such as `127.0.0.1:8000`, asked for /metrics; `alertmanager` is one, too.

    Each target is asked once for each of `labels`, and what it tells has them. The file `rules`, if there is one, is
    read at the start and by `reload`.
    """

    package = Package(("prometheus",), "usr/bin/prometheus")
    ready = "Server is ready to receive web requests"

    def __init__(
        self, targets: Sequence[str], alertmanager: str = "", labels: Sequence[Mapping[str, str]] = ({},)
    ) -> None:
        super().__init__()
        self.targets = [{"targets": list(targets), "labels": dict(own)} for own in labels]
        self.rules = self.folder / "rules.yml"
        self.alertmanager = alertmanager

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def arguments(self) -> list[str]:
        config = SCRAPES % json.dumps(self.targets)
        config += f"rule_files: [{self.rules}]\n"
        if self.alertmanager:
            config += ALERTS % self.alertmanager
        return [
            f"--config.file={self.own('prometheus.yml', config)}",
            "--web.enable-lifecycle",
            f"--storage.tsdb.path={self.folder / 'data' / 'tsdb'}",
            f"--web.listen-address={self.host}:{self.port}",
        ]

    def reload(self) -> None:
        """Returns when it has read its rules again."""
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/-/reload", method="POST")):
            pass


WITH_SHARED_FILES = 'mount -t overlay overlay -o lowerdir="$0":/usr/share /usr/share && exec "$@"'


class Alertmanager(Server):
    """Needs root: it reads a template from /usr/share, which only in a mount namespace of its own holds that."""

    package = Package(("prometheus-alertmanager",), "usr/bin/prometheus-alertmanager")
    ready = "Listening on"

    def __init__(self, config: str = ROUTES) -> None:
        super().__init__()
        self.config = config

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def arguments(self) -> list[str]:
        return [
            f"--config.file={self.own('alertmanager.yml', self.config)}",
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


def promtool(*words: str) -> str:
    """What it says; one that refuses is an error."""
    return _tool(Prometheus.package, "promtool", *words)


def amtool(*words: str) -> str:
    return _tool(Alertmanager.package, "amtool", *words)


def _tool(package: Package, name: str, *words: str) -> str:
    command = [str(package.folder / "usr" / "bin" / name), *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
