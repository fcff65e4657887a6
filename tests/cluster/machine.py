# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine must offer before anything is built or started. One clear sentence when it does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from cluster.plan import APT_PACKAGES, DISK_NEEDED, GIGABYTE, TOOLS, Places
from cluster.say import Problem, say
from cluster.shell import attempt, tail

HIDDEN = ("/run", "/var/lib", "/var/log")


def check(places: Places) -> None:
    _require_tools(tool for tool in TOOLS if not shutil.which(tool))
    _require_disk(places.cache)


def prepare(places: Places) -> None:
    """What only the built parts need."""
    require_root()
    _require_place(places.cache)
    _install_missing()
    _require_addresses(places)


def _require_tools(missing: Iterable[str]) -> None:
    if names := ", ".join(missing):
        raise Problem(f"The cluster is built from source and needs {names}; install {names} and run again.")


def require_root() -> None:
    if os.geteuid():
        raise Problem(
            "Namespaces, mounts and cgroups need root: run `sudo python3 tests/cluster up`, or set KUBECONFIG."
        )


def _require_place(cache: Path) -> None:
    if any(cache.is_relative_to(hidden) for hidden in HIDDEN):
        raise Problem(f"{cache} is not visible inside the cluster: set XDG_CACHE_HOME to a folder outside {HIDDEN}.")


def _require_disk(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if free < DISK_NEEDED:
        raise Problem(
            f"{cache} has {free / GIGABYTE:.1f} GB free and the cluster needs {DISK_NEEDED / GIGABYTE:.0f} GB."
        )


def _require_addresses(places: Places) -> None:
    """A route to our addresses is somebody else's network; the ports behind them are then ours alone."""
    routes = attempt(["ip", "-4", "route", "show", "root", f"{places.host_address}/24"]).stdout.splitlines()
    if routes:
        raise Problem(
            f"{places.host_address}/24 is taken on this machine ({routes[0].strip()}): "
            "set RUNBOOK_CLUSTER to another number from 1 to 254."
        )


def _install_missing() -> None:
    packages = [package for tool, package in APT_PACKAGES.items() if not shutil.which(tool)]
    if not packages:
        return
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() or not shutil.which("apt-get"):
        raise Problem(f"Missing on this machine: {', '.join(packages)}. Install them: `{command}`.")
    say(f"Installing {', '.join(packages)} with apt.")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in ("apt-get update -q", command):
        done = attempt(step.split(), environment=environment)
        if done.returncode:
            raise Problem(f"`{step}` failed: {tail(done.stderr)}")
