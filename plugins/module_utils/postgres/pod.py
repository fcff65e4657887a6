# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server reached through a container with its client programs: SQL by psql, archives as streams with trailers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Refused
from . import client, dump, pod_script, psql
from .errors import fault
from .remote import Open, Remote
from .server import DumpOptions, Program, RestoreOptions, Sink
from .session import DUMPING, HOLDING, RESTORING, Session, SessionServer, application_of
from .stream import CHUNK, Watchdog, how_it_ended
from .trailer import Count, Trailer, truncated

CONNECT_TIMEOUT = 10
_BY_SIGNAL = 128
_FINDING_STALL = 30.0


@dataclass(frozen=True)
class Account:
    """How the programs in the container get in; what is empty is left to the container's own environment."""

    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int = 0
    sslmode: str = ""
    sslrootcert: str = ""


class PodServer(SessionServer):
    """``open`` starts a command in the container."""

    def __init__(self, open: Open, account: Account, where: str, bindir: str = "") -> None:
        super().__init__(where)
        self._open_stream, self._account, self._bindir = open, account, bindir
        self._programs: dict[str, Program] = {}

    def program(self, name: str) -> Program:
        if name not in self._programs:
            identity = self.identity()
            folders = [self._bindir] if self._bindir else client.usual(identity.major)
            told = self._collect(pod_script.finding(self._environment(HOLDING), name, folders), f"looking for {name}")
            lines = (line.partition("\t") for line in told.splitlines())
            found = [program for path, _tab, said in lines if (program := client.program_of(name, path, said))]
            version = f"{identity.major}.{identity.version % 10000}"
            self._programs[name] = client.choose(name, found, identity.major, version, self.where, "in this container")
        return self._programs[name]

    def compression(self, wanted: str) -> str:
        program = self.program("pg_dump")

        def says(codec: str) -> str:
            environment = {**self._environment(HOLDING), "PGHOST": client.NOWHERE}
            probe = ["sh", "-c", '"$@" 2>&1; true', "probe", *dump.probe(program.path, codec, program.major)]
            return self._collect(pod_script.reading(environment, probe), "asking pg_dump for its codecs")

        return dump.first_built(dump.candidates(wanted, program.major), says, self.where)

    def dump(self, options: DumpOptions, snapshot: str, sink: Sink) -> None:
        program, checked = self.program("pg_dump"), dump.Checked(sink)
        command = [program.path, "--format=custom", *dump.dump_arguments(options, snapshot, program.major)]
        doing, application = f"the dump of {options.database}", application_of(DUMPING)
        script = pod_script.reading(self._environment(application), command)
        with self._working(application, options.stall, doing) as watch:
            self._receive(script, doing, checked.take, watch)
        checked.end(doing, self.where)

    def dump_folder(self, options: DumpOptions, snapshot: str, folder: Path) -> None:
        raise Refused(
            "a dump in directory format does not fit through one stream",
            where=self.where,
            remedy="set format to custom, or server.mode to tcp",
        )

    def restore(self, database: str, archive: Iterable[bytes] | Path, options: RestoreOptions) -> None:
        dump.refuse_jobs(options.jobs, self.where)
        doing, application = f"the restore into {database}", application_of(RESTORING)
        command = [self.program("pg_restore").path, *dump.restore_arguments(database, options)]
        environment = {**self._environment(application), "PGOPTIONS": dump.settings_text(options.settings)}
        with contextlib.ExitStack() as stack:
            chunks, size = _chunks(archive, options.bytes, stack)
            watch = stack.enter_context(self._working(application, options.stall, doing))
            with contextlib.closing(
                Remote(self._open_stream, pod_script.feeding(environment, command, size), watch)
            ) as remote:
                told, sent = remote.feed(iter(chunks), watch)
                self._judge(remote, told, sent, doing)

    def require_restore(self, jobs: int, *, folder: bool) -> None:
        dump.refuse_jobs(jobs, self.where)
        if folder:
            raise _too_wide(self.where)
        self.program("pg_restore")

    def _receive(self, script: str, doing: str, sink: Sink, watch: Watchdog) -> None:
        with contextlib.closing(Remote(self._open_stream, script, watch)) as remote:
            told, came = remote.pass_on(sink, watch)
            self._judge(remote, told, came, doing)

    def _judge(self, remote: Remote, told: Trailer | None, counted: Count, doing: str) -> None:
        """The command's failure explains more than what it did to the stream, so it goes first."""
        code = told.rc if told is not None else remote.failed
        if code:
            said = f"{remote.said}\n{how_it_ended('the program in the pod', _code(code))}"
            raise fault(doing, said, self.where, exit_code=code)
        if told is None and "error:" in remote.said:
            raise fault(doing, remote.said, self.where)
        if not counted.fits(told):
            raise truncated(doing, self.where, counted.bytes, told, remote.outcome())

    def _collect(self, script: str, doing: str) -> str:
        """What a short command says."""
        out = bytearray()
        self._receive(script, doing, out.extend, Watchdog(_FINDING_STALL, lambda: None, doing, self.where))
        return out.decode("utf-8", "replace")

    def _environment(self, application: str) -> dict[str, str]:
        account = self._account
        return {
            "LC_ALL": "C",
            "PGCLIENTENCODING": "UTF8",
            "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT),
            "PGAPPNAME": application,
            "PGUSER": account.user,
            "PGPASSWORD": account.password,
            "PGHOST": account.host,
            "PGPORT": str(account.port or ""),
            "PGSSLMODE": account.sslmode,
            "PGSSLROOTCERT": account.sslrootcert,
        }

    def _connect(self, database: str, application: str, watch: Watchdog) -> Session:
        command: Sequence[str] = [*psql.ARGUMENTS, f"--dbname={dump.conninfo(database)}"]
        environment: Mapping[str, str] = self._environment(application)
        remote = Remote(self._open_stream, pod_script.conversing(environment, command), watch)
        try:
            return psql.PsqlSession(remote, database, self.where, watch)
        except BaseException:
            remote.close()
            raise


def _too_wide(where: str) -> Refused:
    return Refused(
        "an archive in directory format does not fit through one stream",
        where=where,
        remedy="restore it with server.mode tcp, or make backups in custom format",
    )


def _code(rc: int) -> int:
    """A shell's exit code as one of a process: above 128 it was a signal."""
    return _BY_SIGNAL - rc if rc > _BY_SIGNAL else rc


def _chunks(archive: Iterable[bytes] | Path, size: int, stack: contextlib.ExitStack) -> tuple[Iterable[bytes], int]:
    if not isinstance(archive, Path):
        return archive, size
    if archive.is_dir():
        raise _too_wide(str(archive))
    file = stack.enter_context(archive.open("rb"))
    return iter(lambda: file.read(CHUNK), b""), archive.stat().st_size
