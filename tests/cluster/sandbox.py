# SPDX-License-Identifier: GPL-3.0-or-later
"""The place every process of the cluster runs in: a network, a process and a mount namespace of its own.

Process 1 of that place does nothing but hold it open. When it dies, the kernel ends every process inside, drops every
mount and every rule: nothing has to be remembered to leave the machine as it was, however the cluster came to its end.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from cluster.plan import Places
from cluster.say import Problem
from cluster.shell import attempt, run

MOUNTS = """
set -e
mount --make-rshared /
mount --bind "$0/lib" /var/lib
mount --bind "$0/log" /var/log
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns
exec "$1" -c 'import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True: signal.pause()'
"""

PODS_FIRST = {"cpu.shares": 16_384, "cpu.weight": 1_600}
"""By its name in cgroup 1 and 2: all pods together are worth sixteen processes. Whoever releases does so from another
machine in real life; here dozens of its processes would leave all the pods the part of one."""


class Sandbox:
    def __init__(self, places: Places) -> None:
        self.places = places
        self.link = f"rbk{places.number}"

    def open(self) -> None:
        name, places = self.places.name, self.places
        for folder in (places.state / "lib", places.state / "log", places.logs):
            folder.mkdir(parents=True, exist_ok=True)
        for command in (
            f"ip netns add {name}",
            f"ip link add {self.link} type veth peer name eth0 netns {name}",
            f"ip addr add {places.host_address}/24 dev {self.link}",
            f"ip link set {self.link} up",
            f"ip -n {name} addr add {places.address}/24 dev eth0",
            f"ip -n {name} link set eth0 up",
            f"ip -n {name} link set lo up",
            f"ip -n {name} route add default via {places.host_address}",
        ):
            run(command.split())
        for cgroup in self._cgroups():
            cgroup.mkdir(exist_ok=True)
            for setting, worth in PODS_FIRST.items():
                if (cgroup / setting).exists():
                    (cgroup / setting).write_text(str(worth))
        init = subprocess.Popen(
            [
                *("nsenter", f"--net=/run/netns/{name}", "unshare", "--mount", "--pid", "--fork", "--mount-proc"),
                *("sh", "-c", MOUNTS, str(places.state), sys.executable),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(places.logs / "init.log").open("wb"),
            start_new_session=True,
            cwd="/",
        )
        assert init.stdout
        if init.stdout.readline() != b"ready\n":
            raise Problem(f"No namespaces for the cluster: {(places.logs / 'init.log').read_text().strip()}")
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1")

    def start(self, name: str, *argv: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """A process that outlives us; its output goes to logs/NAME.log."""
        return subprocess.Popen(
            self._inside(*argv),
            stdin=subprocess.DEVNULL,
            stdout=(self.places.logs / f"{name}.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
            env={**os.environ, **(env or {})},
        )

    def run(self, *argv: str) -> str:
        return run(self._inside(*argv))

    def exists(self) -> bool:
        """Whether anything is left of it."""
        return any(path.exists() for path in (self.places.state, self._namespace, self._host_end))

    def is_open(self) -> bool:
        return self._init() is not None

    def close(self) -> None:
        """Ends everything inside and removes the place, whatever state it is in."""
        if init := self._init():
            os.kill(init, signal.SIGKILL)
        self._wait_until_empty()
        if self._host_end.exists():
            run(["ip", "link", "del", self.link])
        if self._namespace.exists():
            run(["ip", "netns", "del", self.places.name])
        for root in self._cgroups():
            for folder, _folders, _files in os.walk(root, topdown=False):
                os.rmdir(folder)
        if any(str(self.places.state) in line for line in Path("/proc/self/mountinfo").read_text().splitlines()):
            raise Problem(f"Something is mounted below {self.places.state}; unmount it before it can be removed.")
        if self.places.state.exists():
            shutil.rmtree(self.places.state)

    @property
    def _namespace(self) -> Path:
        return Path("/run/netns") / self.places.name

    @property
    def _host_end(self) -> Path:
        return Path("/sys/class/net") / self.link

    def _inside(self, *argv: str) -> list[str]:
        init = self._init()
        if init is None:
            raise Problem(f"The cluster {self.places.name} is not up.")
        return ["nsenter", f"--target={init}", "--net", "--mount", "--pid", "--", *argv]

    def _pids(self) -> list[int]:
        """Every process of the host that is in our network namespace, ours by definition."""
        if not self._namespace.exists():
            return []
        return [int(pid) for pid in attempt(["ip", "netns", "pids", self.places.name]).stdout.split()]

    def _init(self) -> int | None:
        for pid in self._pids():
            if _pids_by_level(pid)[1:] == ["1"]:
                return pid
        return None

    def _wait_until_empty(self) -> None:
        deadline = time.monotonic() + 30
        while pids := self._pids():
            for pid in pids:
                _kill(pid)
            if time.monotonic() > deadline:
                raise Problem(f"Processes {pids} of {self.places.name} do not end.")
            time.sleep(0.05)

    def _cgroups(self) -> list[Path]:
        """Our group below every controller (cgroup 1) or below the one tree (cgroup 2)."""
        root = Path("/sys/fs/cgroup")
        roots = [root] if (root / "cgroup.controllers").exists() else [p for p in root.iterdir() if not p.is_symlink()]
        return [folder / self.places.name for folder in roots]


def _pids_by_level(pid: int) -> list[str]:
    """The process's id in each process namespace, outermost first."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
