# SPDX-License-Identifier: GPL-3.0-or-later
"""Make build/venv from the lock and link this checkout where Ansible looks for runbook.release.

Usage: venv.py [--tests | --lock]
  --tests  also install what `make test` needs
  --lock   resolve requirements*.txt anew and write constraints.txt
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / "build" / "venv"
LOCK = ROOT / "constraints.txt"
LINK = ROOT / "build" / "collections" / "ansible_collections" / "runbook" / "release"
MINIMUM = (3, 11)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def check_python() -> None:
    """Refuse an interpreter that is too old; bring the venv module where Debian split it off."""
    if sys.version_info < MINIMUM:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"Python 3.11 or newer is needed, {sys.executable} is {found}. Do: "
            "apt-get install python3.11 python3.11-venv && make PYTHON=python3.11 …"
        )
    if importlib.util.find_spec("ensurepip"):
        return
    package = f"python3.{sys.version_info.minor}-venv"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit(f"Python's venv module is missing. Do: sudo apt-get install --yes {package}")
    say(f"installing {package} (apt)")
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    subprocess.run(["apt-get", "install", "-qq", "--yes", package], check=True)


def pip(*args: str) -> None:
    command = [str(VENV / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", *args]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"pip failed. Where: {' '.join(command)}. Do: look at pip's message above, then run make venv again")


def create() -> None:
    if not (VENV / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)


def fingerprint(requirements: Path) -> str:
    digest = hashlib.sha256(repr((sys.version_info[:2], requirements.name)).encode())
    for file in (LOCK, ROOT / "requirements.txt", requirements):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def install(requirements: Path) -> None:
    """Install the locked versions unless exactly these are in place already."""
    stamp = VENV / f".{requirements.stem}"
    wanted = fingerprint(requirements)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say(f"installing {requirements.name} into build/venv (pip, half a minute)")
    create()
    pip("install", "--no-compile", "--constraint", str(LOCK), "--requirement", str(requirements))
    compile_packages()
    stamp.write_text(wanted)


def compile_packages() -> None:
    """Compile what every task imports, whatever Python is told; the many collections of Ansible are left out."""
    packages = next((VENV / "lib").glob("python3*/site-packages"))
    options = ("-q", "-j", "0", "-x", "ansible_collections")
    command = [str(VENV / "bin" / "python"), "-m", "compileall", *options, str(packages)]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)


def link_collection() -> None:
    LINK.parent.mkdir(parents=True, exist_ok=True)
    if not LINK.is_symlink():
        LINK.symlink_to(ROOT)


def lock() -> None:
    """Write the newest versions that fit together as the new lock."""
    shutil.rmtree(VENV, ignore_errors=True)
    create()
    pip("install", "--no-compile", "--requirement", str(ROOT / "requirements-test.txt"))
    freeze = [str(VENV / "bin" / "python"), "-m", "pip", "freeze"]
    frozen = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
    comment = [line for line in LOCK.read_text().splitlines() if line.startswith("#")]
    LOCK.write_text("\n".join([*comment, frozen]))


def main(argv: list[str]) -> None:
    check_python()
    link_collection()
    if argv == ["--lock"]:
        lock()
    install(ROOT / ("requirements.txt" if not argv else "requirements-test.txt"))


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--tests"], ["--lock"]):
        sys.exit(__doc__)
    main(sys.argv[1:])
