# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The helm program: the only place that starts it. Helm 3 and 4; arguments as lists, secrets never among them."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass, field

from ..children import die_with_us
from ..errors import ReleaseError
from .patch_stream import Patches
from .post_render import by_plugin, by_program, program

OLDEST = (3, 10)
HISTORY_MAX = 10
_NOISE = re.compile(r"^(WARNING|walk\.go|coalesce\.go|I\d{4}|W\d{4}|level=(INFO|WARN)).*$", re.MULTILINE)

_REMEDIES: tuple[tuple[str, str], ...] = (
    (r"another operation .* is in progress", "wait for the other Helm operation to end, then run again"),
    (r"forbidden", "grant the account the missing RBAC rule named in the message"),
    (r"cluster unreachable|connection refused|no such host", "check kubeconfig, context and the way to the API server"),
    (r"invalid ownership metadata", "give the object another name or remove it: it belongs to another release"),
    (
        r"not found|no such file|failed to download|no cached repo|non-absolute URLs|could not find",
        "check source.chart, source.repo and source.chart_version",
    ),
    (r"missing in charts/|found in Chart.yaml, but missing", "run `helm dependency build` on the chart"),
    (
        r"execution error|parse error|template:|values don't meet|YAML parse",
        "correct the chart or source.values, or a file of source.values_files",
    ),
)


@dataclass(frozen=True)
class Chart:
    """A chart as Helm takes it: a folder or an archive, or a name to be pulled."""

    reference: str
    repo: str = ""
    version: str = ""

    @property
    def local(self) -> bool:
        return not self.repo and os.path.exists(self.reference)

    def arguments(self) -> list[str]:
        arguments = [self.reference]
        if self.repo:
            arguments += ["--repo", self.repo]
        if self.version:
            arguments += ["--version", self.version]
        return arguments


@dataclass(frozen=True)
class Capabilities:
    """What the cluster can do, for charts that ask."""

    kube_version: str = ""
    api_versions: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        arguments = ["--kube-version", self.kube_version] if self.kube_version else []
        for api_version in self.api_versions:
            arguments += ["--api-versions", api_version]
        return arguments


@dataclass(frozen=True)
class Helm:
    binary: str
    namespace: str
    environment: t.Mapping[str, str] = field(default_factory=dict)

    def version(self) -> tuple[int, int]:
        """The version of the program; too old a one is refused."""
        text = self._run(["version", "--template", "{{.Version}}"], "asking helm for its version", timeout=20)
        match = re.search(r"v?(\d+)\.(\d+)", text)
        if not match:
            raise ReleaseError(
                f"{self.binary} answers {text.strip()!r} when asked for its version",
                where=self.binary,
                remedy="point helm_binary at Helm 3 or 4",
            )
        found = int(match[1]), int(match[2])
        if found < OLDEST:
            raise ReleaseError(
                f"Helm {found[0]}.{found[1]} is too old",
                where=self.binary,
                remedy="install Helm {}.{} or newer, or point helm_binary at it".format(*OLDEST),
            )
        return found

    def pull(self, chart: Chart, folder: str) -> Chart:
        """Fetch a remote chart once, so that everything after works on the same bytes."""
        self._run(["pull", *chart.arguments(), "--destination", folder], f"fetching chart {chart.reference}")
        archives = sorted(name for name in os.listdir(folder) if name.endswith(".tgz"))
        if not archives:
            raise ReleaseError(
                f"helm pull left no archive of {chart.reference}", where=folder, remedy="check the chart"
            )
        return Chart(os.path.join(folder, archives[0]))

    def template(self, release: str, chart: Chart, values: t.Sequence[str], capabilities: Capabilities) -> str:
        arguments = ["template", release, *chart.arguments(), "--namespace", self.namespace, *_of_files(values)]
        arguments += ["--skip-tests", *capabilities.arguments()]
        return self._run(arguments, f"rendering chart {chart.reference} as {release}")

    def upgrade(
        self,
        release: str,
        chart: Chart,
        values: t.Sequence[str],
        description: str,
        timeout: float,
        patches: Patches | None = None,
    ) -> str:
        """Install or upgrade; ``patches`` change what the chart renders before any of it is installed."""
        arguments = ["upgrade", release, *chart.arguments(), "--install", "--namespace", self.namespace]
        arguments += [*_of_files(values), "--reset-values", "--history-max", str(HISTORY_MAX)]
        arguments += ["--description", description, "--timeout", f"{max(1, int(timeout))}s"]
        if self.version() >= (4, 0):
            arguments += ["--server-side=false"]
        with tempfile.TemporaryDirectory(prefix="release-") as folder:
            more, environment = self._post_renderer(folder, patches) if patches else ([], {})
            return self._run([*arguments, *more], f"installing release {release}", timeout + 10, environment)

    def _post_renderer(self, folder: str, patches: Patches) -> tuple[list[str], dict[str, str]]:
        command = program(folder, patches)
        if self.version() < (4, 0):
            return by_program(command), {}
        known = self._run(["env", "HELM_PLUGINS"], "asking helm where its plugins are", timeout=20).strip()
        return by_plugin(folder, command, known)

    def uninstall(self, release: str, timeout: float) -> str:
        arguments = ["uninstall", release, "--namespace", self.namespace]
        arguments += ["--timeout", f"{max(1, int(timeout))}s"]
        return self._run(arguments, f"uninstalling release {release}", timeout=timeout + 10)

    def _run(
        self, arguments: list[str], doing: str, timeout: float = 120, more: t.Mapping[str, str] | None = None
    ) -> str:
        return run([self.binary, *arguments], doing, {**self.environment, **(more or {})}, timeout)


def _of_files(values: t.Sequence[str]) -> list[str]:
    """The last one wins."""
    return [argument for path in values for argument in ("--values", path)]


def run(argv: list[str], doing: str, environment: t.Mapping[str, str], timeout: float) -> str:
    """Run a program to its end; what it says on stderr becomes the error."""
    try:
        done = subprocess.run(
            argv,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            preexec_fn=die_with_us,
        )
    except FileNotFoundError as error:
        raise ReleaseError(
            f"{argv[0]} is not installed", where=argv[0], remedy="install it or set helm_binary to its path"
        ) from error
    except PermissionError as error:
        raise ReleaseError(
            f"{argv[0]} cannot be run: {error.strerror}", where=argv[0], remedy="make it executable"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ReleaseError(
            f"{doing} did not end within {timeout:.0f} s",
            where=" ".join(argv[:3]),
            remedy="raise timeout or look at the hooks",
        ) from error
    if done.returncode:
        raise failure(doing, done.stderr or done.stdout, " ".join(argv[:3]))
    return done.stdout


def failure(doing: str, stderr: str, where: str) -> ReleaseError:
    """The error a program's complaint stands for, with what to do about it."""
    text = " ".join(_NOISE.sub("", stderr).split()).removeprefix("Error: ")
    remedy = next((do for pattern, do in _REMEDIES if re.search(pattern, text, re.IGNORECASE)), "see the message")
    what = f"{doing[0].upper()}{doing[1:]} failed"
    return ReleaseError(f"{what}: {text}", where=where, remedy=remedy, record=what, stderr=stderr[-4000:])
