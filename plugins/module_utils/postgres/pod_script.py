# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell scripts that run beside a server in its pod: POSIX, without temporary files.

A script goes in on stdin, so names and passwords are neither among arguments nor in the API server's audit log. It is
run only when its last line has arrived.

The server is often the first process of its container, so it inherits every process that loses its parent, and takes
one that ends by a signal or with a code above 1 for a crash of its own: it ends all sessions and recovers. So every
process here has a parent that waits for it, however the stream ends, and one that may lose its parent ends with 0 or 1.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from .trailer import MARK

END = "#end of script"
FAILED = re.compile(rb"^#failed (\d+)\n", re.MULTILINE)
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
"""
_NEEDED = """\
for p in tee sha256sum; do
  command -v $p >/dev/null || { echo "error: the container has no $p" >&2; exit 127; }
done
exec 3>&1
trap : PIPE
tell() { trap '' PIPE; echo "$1" 2>/dev/null >&4; exit 0; }
"""
_TRAILER = f"""\
printf '\\n{MARK} %s #end\\n' "$(echo $r)" >&3
"""
_HASHED = """\
r=$({{ {{
{flow}
}} 5>&1 | {{ sha256sum | {{ read h d; tell "sha256=$h"; }}; exit 0; }}
}} 4>&1)
"""
_OUT = """\
  {{ {command} </dev/null; tell "rc=$?"; }} | {{ tee /dev/fd/5 >&3; tell "tee=$?"; }}"""
_IN = """\
  {{ head -c {bytes}; exit 0; }} | {{ tee /dev/fd/5; tell "tee=$?"; }} | {{
    {command} >/dev/null 2>&3; c=$?
    trap '' PIPE
    [ $c = 0 ] || echo "#failed $c" >&3
    cat >/dev/null
    tell "rc=$c"
  }}"""


def reading(environment: Mapping[str, str], command: Sequence[str]) -> str:
    """Runs a command whose stdout comes out, with the trailer after it."""
    return _script(environment, _hashed(_OUT.format(command=shlex.join(command))))


def feeding(environment: Mapping[str, str], command: Sequence[str], bytes: int) -> str:
    """Runs a command on the next ``bytes`` bytes of stdin.

    What it says comes out, then FAILED when it failed, and the trailer at the end.
    """
    return _script(environment, _hashed(_IN.format(command=shlex.join(command), bytes=bytes)))


def conversing(environment: Mapping[str, str], command: Sequence[str]) -> str:
    """Runs a command on the rest of stdin; what it says on stderr comes out in its place.

    It holds the real stderr open: once that is closed, a kubelet closes stdin, too.
    """
    return _script(environment, f"exec {shlex.join(command)} 5>&2 2>&1\n")


def finding(environment: Mapping[str, str], name: str, folders: Sequence[str]) -> str:
    """Tells every program of that name: a line ``path<TAB>version`` each, and the trailer at the end."""
    places = " ".join(shlex.quote(folder) for folder in folders)
    look = (
        f"IFS=:; for d in {places} $PATH; do p=$d/{shlex.quote(name)}; "
        """[ -x "$p" ] && printf '%s\\t%s\\n' "$p" "$("$p" --version 2>/dev/null)"; done; true"""
    )
    return _script(environment, _hashed(_OUT.format(command=f"{{ {look}; }}")))


def _hashed(flow: str) -> str:
    return _NEEDED + _HASHED.format(flow=flow) + _TRAILER


def _script(environment: Mapping[str, str], body: str) -> str:
    settings = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items() if value)
    return f"{_PROLOGUE}{settings}{body}{END}\n"
