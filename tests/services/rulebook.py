# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-rulebook with the rulebook of this collection, in a virtual environment of its own."""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path

from services.debian import free_port
from services.packages import Missing, alone, cache, require

PINNED = Path(__file__).with_suffix(".txt")
COLLECTIONS = Path(__file__).resolve().parents[2] / "build" / "collections"
READY, BEGINS = "Waiting for events", "PLAY ["


def installed() -> Path:
    """The program; installed once, with exactly the versions that are pinned."""
    digest = hashlib.sha256(PINNED.read_bytes() + repr(sys.version_info[:2]).encode()).hexdigest()[:12]
    target = cache() / f"rulebook-{digest}"
    program = target / "bin" / "ansible-rulebook"
    with alone(target):
        if not (target / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(target)], check=True)
            pip = [str(target / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
            done = subprocess.run([*pip, f"--requirement={PINNED}"], check=False, capture_output=True, text=True)
            if done.returncode:
                raise Missing(f"ansible-rulebook cannot be installed: {done.stderr.strip()[-800:]}")
            (target / "complete").touch()
    return program


class Rulebook:
    """Listens at `url` for whoever knows `token`; playbooks are run on a copy of `inventory`. It ends with us.

    `began` is when the first of them began, on the monotonic clock.
    """

    def __init__(self, inventory: Path, folder: Path) -> None:
        self.inventory = inventory
        self.folder = folder
        self.port = free_port()
        self.token = secrets.token_urlsafe(24)
        self.log: list[str] = []
        self.began: float | None = None
        self._heard = threading.Condition()
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/alerts"

    def hears(self, text: str, times: int = 1, patience: float = 120) -> None:
        """Returns when it has said that so often."""
        with self._heard:
            said = self._heard.wait_for(lambda: sum(text in line for line in self.log) >= times, timeout=patience)
        assert said, "".join(self.log)[-4000:]

    def __enter__(self) -> Rulebook:
        java = require("java", "openjdk-17-jre-headless").resolve()
        settings = self.folder / "rulebook.yml"
        settings.write_text(f"eda_port: {self.port}\n")
        command = [str(installed()), "--rulebook", "runbook.release.alerts", "--inventory", str(self.inventory)]
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command, "--vars", str(settings), "--env-vars", "EDA_TOKEN", "-v"],
            cwd=self.folder,
            env={
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                **os.environ,
                **{"EDA_TOKEN": self.token, "JAVA_HOME": str(java.parents[1]), "NO_COLOR": "1"},
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._follow, args=(self._process,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._process
        self._process.terminate()
        self._process.wait()

    def _follow(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                with self._heard:
                    self.log.append(line)
                    if BEGINS in line and self.began is None:
                        self.began = time.monotonic()
                    self._heard.notify_all()
