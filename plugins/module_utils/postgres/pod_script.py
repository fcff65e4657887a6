# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell scripts that run beside a server in its pod: POSIX, without temporary files.

A script goes in on stdin, so names and passwords are neither among arguments nor in the API server's audit log. It is
run only when its last line has arrived.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from .trailer import MARK

END = "#end of script"
FAILED = re.compile(rb"^#failed (\d+)\n", re.MULTILINE)
TICK = 20
BOOT = (
    "sh",
    "-c",
    f's=\nwhile IFS= read -r l && [ "$l" != "{END}" ]; do s="$s$l\n"; done\n[ "$l" = "{END}" ] && eval "$s"',
)
_PATH = "/usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin /opt/bitnami/postgresql/bin"

_PROLOGUE = f"""\
umask 077
unset PGOPTIONS PGSERVICE PGHOSTADDR PGDATABASE LANGUAGE
for d in {_PATH}; do PATH=$PATH:$d; done
export PATH
(while sleep {TICK} </dev/null >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do echo || exit; done) >&2 &
tick=$!
trap 'kill $tick 2>/dev/null' EXIT
"""
_NEEDED = """\
for p in tee wc sha256sum; do
  command -v $p >/dev/null || { echo "error: the container has no $p" >&2; exit 127; }
done
exec 3>&1
"""
_TRAILER = f"""\
printf '\\n{MARK} %s #end\\n' "$(echo $r)" >&3
"""
_OUT = """\
r=$({{ {{ {{
  {{ {command} </dev/null; echo "rc=$?" >&4; }} | {{ tee /dev/fd/5 /dev/fd/6 >&3; echo "tee=$?" >&4; }}
}} 6>&1 | {{ wc -c | {{ read n; echo "bytes=$n"; }} >&4; }}
}} 5>&1 | {{ sha256sum | {{ read h d; echo "sha256=$h"; }} >&4; }}
}} 4>&1)
"""
_IN = """\
r=$({{ {{ {{
  head -c {bytes} | {{ tee /dev/fd/5 /dev/fd/6; echo "tee=$?" >&4; }} |
  {{ {command} >/dev/null 2>&3; c=$?; echo "rc=$c" >&4; [ $c = 0 ] || echo "#failed $c" >&3; cat >/dev/null; }}
}} 6>&1 | {{ wc -c | {{ read n; echo "bytes=$n"; }} >&4; }}
}} 5>&1 | {{ sha256sum | {{ read h d; echo "sha256=$h"; }} >&4; }}
}} 4>&1)
"""


def reading(environment: Mapping[str, str], command: Sequence[str]) -> str:
    """Runs a command whose stdout comes out, with the trailer after it."""
    return _script(environment, _NEEDED + _OUT.format(command=shlex.join(command)) + _TRAILER)


def feeding(environment: Mapping[str, str], command: Sequence[str], bytes: int) -> str:
    """Runs a command on the next ``bytes`` bytes of stdin.

    What it says comes out, then FAILED when it failed, and the trailer at the end.
    """
    return _script(environment, _NEEDED + _IN.format(command=shlex.join(command), bytes=bytes) + _TRAILER)


def conversing(environment: Mapping[str, str], command: Sequence[str]) -> str:
    """Runs a command on the rest of stdin; what it says on stderr comes out in its place."""
    return _script(environment, f"{shlex.join(command)} 2>&1\n")


def finding(environment: Mapping[str, str], name: str, folders: Sequence[str]) -> str:
    """Tells every program of that name: a line ``path<TAB>version`` each, and the trailer at the end."""
    places = " ".join(shlex.quote(folder) for folder in folders)
    look = (
        f"IFS=:; for d in {places} $PATH; do p=$d/{shlex.quote(name)}; "
        """[ -x "$p" ] && printf '%s\\t%s\\n' "$p" "$("$p" --version 2>/dev/null)"; done; true"""
    )
    return _script(environment, _NEEDED + _OUT.format(command=f"{{ {look}; }}") + _TRAILER)


def _script(environment: Mapping[str, str], body: str) -> str:
    settings = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items() if value)
    return f"{_PROLOGUE}{settings}{body}{END}\n"
