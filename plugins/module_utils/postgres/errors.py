# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the words of PostgreSQL and its programs mean to who has to do something about it."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..errors import Refused, ReleaseError

TOLD = 4000


@dataclass(frozen=True)
class Meaning:
    """Words (a pattern), what they mean and what to do; ``{name}`` stands for a group of the pattern."""

    pattern: str
    code: str
    what: str
    remedy: str
    refused: bool = False


MEANINGS = (
    Meaning(
        r"password authentication failed for user \"(?P<user>[^\"]*)\"|no password supplied",
        "login",
        "the server does not accept the password",
        "check user and password of the option server",
        refused=True,
    ),
    Meaning(
        r"certificate verify failed|does not match host name",
        "tls",
        "the server cannot show that it is the one asked for",
        "check that server.host is a name in its certificate, and server.sslrootcert the authority that signed it",
        refused=True,
    ),
    Meaning(
        r"root certificate file",
        "tls",
        "nothing says which authorities to trust",
        "set server.sslrootcert to the certificate of the authority that signed the server's; "
        "or, where the network is trusted, server.sslmode to require or prefer",
        refused=True,
    ),
    Meaning(
        r"server does not support SSL",
        "tls",
        "the server has no TLS",
        "set ssl = on and a certificate on the server; or, where the network is trusted, server.sslmode to disable",
        refused=True,
    ),
    Meaning(
        r"no pg_hba\.conf entry for [^\n]*(?:no encryption|SSL off)",
        "tls",
        "the server lets nobody in without TLS, or not from here",
        "set server.sslmode to verify-full and server.sslrootcert to the authority that signed its certificate",
        refused=True,
    ),
    Meaning(
        r"no pg_hba\.conf entry for (?P<who>[^\n]*)|Peer authentication failed",
        "login",
        "the server lets nobody in this way",
        "add a line to pg_hba.conf for this user, database and address, or connect another way",
        refused=True,
    ),
    Meaning(
        r"FATAL:\s+role \"(?P<role>[^\"]*)\" (?:does not exist|is not permitted to log in)",
        "login",
        "nobody can log in as {role} here",
        "check user of the option server",
        refused=True,
    ),
    Meaning(
        r"FATAL:\s+database \"(?P<database>[^\"]*)\" does not exist",
        "database",
        "there is no database {database}",
        "check the name of the database and the server",
        refused=True,
    ),
    Meaning(
        r"aborting because of server version mismatch",
        "version",
        "the client programs are older than the server",
        "install the client programs of the server's major version, or set server.bindir",
        refused=True,
    ),
    Meaning(
        r"unsupported version \((?P<format>[\d.]+)\) in file header",
        "version",
        "the archive has format {format}, which this pg_restore is too old to read",
        "restore it into a server of the major version it was made from",
        refused=True,
    ),
    Meaning(
        r"this build does not support compression with (?P<codec>\w+)|invalid compression specification",
        "compression",
        "this pg_dump cannot compress this way",
        "set compression to auto, or install client programs that were built with it",
        refused=True,
    ),
    Meaning(
        r"permission denied for large object (?P<object>\d+)",
        "permission",
        "large object {object} may not be read",
        "run as its owner: GRANT SELECT ON LARGE OBJECT {object} TO the user of the backup; a superuser needs no grant",
        refused=True,
    ),
    Meaning(
        r"query would be affected by row-level security policy for table \"(?P<table>[^\"]*)\"",
        "permission",
        "row-level security hides rows of {table} from this user, so a backup would not be whole",
        "run as a superuser: ALTER ROLE the user of the backup BYPASSRLS",
        refused=True,
    ),
    Meaning(
        r"permission denied for (?P<kind>\w+(?: \w+)?) (?P<name>[^\s:]+)",
        "permission",
        "{kind} {name} may not be read or changed by this user",
        "GRANT pg_read_all_data TO the user of the backup, or name a user that owns it",
        refused=True,
    ),
    Meaning(
        r"permission denied to (?P<act>[^\n]+)|must be (?P<must>(?:owner|superuser|member)[^\n]*)",
        "permission",
        "this user lacks the right to do that",
        "name a user who may: an owner or a superuser",
        refused=True,
    ),
    Meaning(
        r"canceling statement due to (?:lock|statement) timeout|could not obtain lock on relation",
        "lock",
        "another session holds a lock on a table",
        "see who in pg_locks and pg_stat_activity, let a schema change end first, then run again",
    ),
    Meaning(
        r"invalid snapshot identifier|could not import the requested snapshot"
        r"|(?:snapshot|source process) .* (?:does not exist|not running)",
        "snapshot",
        "the snapshot ended before it was used",
        "the session that held it was ended: see the server's log, then run again",
    ),
    Meaning(
        r"No space left on device|could not extend file|could not write init file|Disk quota exceeded",
        "space",
        "the disk is full",
        "make room or name another place, then run again",
    ),
    Meaning(
        r"too many clients already|remaining connection slots are reserved|too many connections for",
        "busy",
        "the server accepts no more connections",
        "end idle sessions or raise max_connections, then run again",
    ),
    Meaning(
        r"the database system is (?:starting up|shutting down|in recovery mode|not yet accepting connections)",
        "away",
        "the server is not up",
        "wait until it accepts connections and find out why it was restarted, then run again",
    ),
    Meaning(
        r"out of shared memory|max_locks_per_transaction",
        "locks",
        "the server's lock table is full",
        "raise max_locks_per_transaction: every table takes one lock",
    ),
    Meaning(
        r"Connection refused|could not translate host name|[Tt]imeout expired|timed out|No route to host"
        r"|Network is unreachable|No such file or directory\n\s*Is the server running",
        "unreachable",
        "the server cannot be reached",
        "check host and port of the option server, and that the server runs",
    ),
    Meaning(
        r"SSL error: (?!.*(?:EOF|closed))",
        "tls",
        "there is no TLS connection as asked for",
        "check sslmode and sslrootcert of the option server",
        refused=True,
    ),
    Meaning(
        r"server closed the connection unexpectedly|PQgetCopyData\(\) failed|PQgetResult\(\) failed"
        r"|terminating connection|connection (?:to server )?(?:was )?lost|SSL SYSCALL error|no connection to the server"
        r"|connection already closed|Connection reset by peer|SSL connection has been closed",
        "lost",
        "the connection to the server was lost",
        "find out in the server's log why it ended, then run again",
    ),
    Meaning(
        r"role \"(?P<role>[^\"]*)\" does not exist",
        "role",
        "the role {role} is missing on this server",
        "create the role first: CREATE ROLE",
    ),
    Meaning(
        r"extension \"(?P<extension>[^\"]*)\" is not available|could not open extension control file",
        "extension",
        "an extension of the database is not installed on this server",
        "install its package on the server, in the version the backup's manifest names",
    ),
    Meaning(
        r"could not read from input file|unexpected end of file|input file (?:is too short|does not appear to be)"
        r"|could not uncompress|found unexpected block|corrupt tar header|invalid entry|expected block ID"
        r"|could not decompress",
        "damaged",
        "the archive is damaged",
        "take another backup; this one fails its check too: run pg_backup with state verified",
    ),
)


def meaning_of(said: str) -> Meaning | None:
    """The first meaning these words have; the order of MEANINGS is from cause to consequence."""
    return next((meaning for meaning in MEANINGS if re.search(meaning.pattern, said)), None)


def fault(doing: str, said: str, where: str, **details: t.Any) -> ReleaseError:
    """The error for what a server or a program said; ``code`` in its details names the kind."""
    words = " ".join(essence(said).split())
    meaning = meaning_of(said)
    if meaning is None:
        return ReleaseError(
            f"{doing} failed: {words or 'nothing was said why'}",
            where=where,
            remedy="see the message and the server's log",
            record=f"{doing} failed",
            code="failed",
            stderr=said[-TOLD:],
            **details,
        )
    found = re.search(meaning.pattern, said)
    groups = {name: value or "" for name, value in found.groupdict().items()} if found else {}
    what = f"{doing} failed: {meaning.what.format(**groups)}"
    kind = Refused if meaning.refused else ReleaseError
    return kind(
        f"{what} ({words})",
        where=where,
        remedy=meaning.remedy.format(**groups),
        record=what,
        code=meaning.code,
        stderr=said[-TOLD:],
        **details,
    )


_NOISE = re.compile(
    r"there are circular foreign-key constraints on this table"
    r"|^pg_dump: (?:detail|hint): "
    r"|You might not be able to restore the dump without using --disable-triggers"
    r"|Consider using a full dump instead of a --data-only dump"
    r"|hypertable data are in the chunks, no data will be copied"
    r"|Data for hypertables are stored in the chunks"
    r"|COPY \(SELECT \* FROM <hypertable>\) TO",
    re.MULTILINE,
)


def complaints(said: str) -> list[str]:
    """The lines that somebody should read: without what is known to mean nothing."""
    return [line for line in said.splitlines() if line.strip() and not _NOISE.search(line)]


def essence(said: str) -> str:
    """The lines with the error itself, when there are such; else the last lines."""
    lines = complaints(said)
    errors = [line for line in lines if re.search(r"\b(?:error|FATAL|ERROR|PANIC):", line)]
    return "\n".join((errors or lines[-3:])[:4])
