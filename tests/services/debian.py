# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers out of Debian packages that are unpacked and not installed, so that nothing starts by itself."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from services.packages import Package

ACCOUNT = "nobody"


class Server:
    """A running program in a temporary folder, as an account that may do nothing else; it ends with us."""

    host = "127.0.0.1"
    package: Package
    ready: str

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"runbook-{Path(self.package.program).name}-"))
        self.folder.chmod(0o711)
        self.port = free_port()
        self.log: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def arguments(self) -> list[str]:
        raise NotImplementedError

    def around(self) -> list[str]:
        """What the program is started through, if anything."""
        return []

    def own(self, name: str, content: str) -> Path:
        """A file the server may read."""
        path = self.folder / name
        path.write_text(content)
        path.chmod(0o644)
        return path

    def run(self) -> None:
        """Start it, also again after `kill`, on the same data and port; returns when it says that it is ready."""
        content = self.package.folder
        program = self.folder / "program"
        if not program.exists():
            shutil.copy2(content / self.package.program, program)  # the account may not go where the cache is
            for libraries in self.package.libraries:
                shutil.copytree(libraries, self.folder / "libraries")
            data = self.folder / "data"
            data.mkdir()
            if os.geteuid() == 0:
                shutil.chown(data, ACCOUNT)
        account = ["--reuid", ACCOUNT, "--regid", "nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        self._process = subprocess.Popen(
            [*self.around(), "setpriv", *account, "--pdeathsig", "KILL", str(program), *self.arguments()],
            cwd=self.folder / "data",
            env={**os.environ, "LD_LIBRARY_PATH": str(self.folder / "libraries")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = threading.Event()
        threading.Thread(target=self._follow, args=(self._process, ready), daemon=True).start()
        ready.wait()
        if self._process.poll() is not None or not any(self.ready in line for line in self.log):
            raise RuntimeError(f"{self.package.program} did not start:\n{''.join(self.log)[-2000:]}")

    def freeze(self) -> None:
        """It accepts connections and answers nothing until it is thawed; returns when all its threads have stopped."""
        self._signal(signal.SIGSTOP)
        assert self._process
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it and remove everything."""
        self.kill()
        shutil.rmtree(self.folder)

    def __enter__(self) -> Server:
        try:
            self.run()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def _signal(self, which: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(which)

    def _follow(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                self.log.append(line)
                if self.ready in line:
                    ready.set()
        ready.set()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
