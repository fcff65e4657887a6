# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""The kinds of work, each by its key, with the options that ``roles/maintain/tasks/kinds`` reads. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """``needs`` are its required options, of the ``one_of`` at least one is, and ``takes`` are the others.

    ``looks`` says that it changes nothing. What is in ``temporary`` under its option ``do`` can be done for a time
    only, and only what is in ``several`` under it is done to each of ``names``. What is under the key of a ``listed``
    kind is a list. One with its ``own_lock`` cannot be done by a run that holds the lock for its tasks.
    """

    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    looks: bool = False
    temporary: tuple[str, ...] = ()
    several: tuple[str, ...] = ()
    listed: bool = False
    own_lock: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        return (*self.needs, *self.one_of, *self.takes)


_WORKLOADS = ("workloads", "labels", "everything")
_TOKENS = ("token_file", "token_environment", "token_secret", "token_header")

_TABLES = ("tables", "indexes", "analyze", "unless_within")
_SESSIONS = ("sessions", "older_than", "users", "applications", "databases")
_RESTARTS = ("after_change_of", "since")
_CHANGES = ("replicas", "env", "unset", "append", "container", "resources", "autoscaler", "allow", *_RESTARTS)
_BACK = ("version", "revision")
_REGISTRY = ("url", "ca_cert", "username", "password_environment", "packages")
_PAGING = ("name", "services", "sender", "matchers", "authorization_environment")

KINDS: dict[str, Kind] = {
    "database": Kind(
        ("name", "do"),
        (*_TABLES, *_SESSIONS, "settings", "lock_timeout", "timeout"),
    ),
    "cache": Kind(("server", "do"), ("pattern", "everything", "queues", "key", "value", "ttl", "timeout")),
    "workload": Kind(
        ("do",),
        (*_CHANGES, *_BACK, "kind", "namespace", "contain", "keep_budgets", "timeout", "stable", "image"),
        one_of=("name", "names"),
        temporary=("scale", "configure", "autoscale", "isolate"),
        several=("restart",),
    ),
    "secret": Kind(("name",)),
    "certificate": Kind(("name",), ("namespace", "unless_valid_for", "rehearse", "issuer_kind", "timeout")),
    "report": Kind(("database", "about"), ("by", "statement", "most", "timeout"), looks=True),
    "exec": Kind(
        ("command",),
        ("kind", "container", "namespace", "everywhere", "keep", "timeout"),
        one_of=("workload", "labels"),
    ),
    "run": Kind(("command",), ("folder", "environment", "timeout")),
    "load": Kind(("script", "users", "duration", "thresholds"), ("ramp", "report", "patience", "timeout")),
    "tag": Kind(("folder",), ("prefix", "about", "commit", "remote")),
    "pipeline": Kind(
        ("do", "repository", "token_environment"),
        ("api", "ca_cert", "workflow", "ref", "inputs", "older_than", "newest", "keep", "every", "timeout"),
    ),
    "images": Kind(
        ("image", "older_than"),
        ("newest", "keep", "live", "without_live", *_REGISTRY, "timeout"),
    ),
    "request": Kind(("url",), ("method", "headers", "body", "status", "timeout", "ca_cert", *_TOKENS)),
    "check": Kind(looks=True, listed=True),
    "evidence": Kind(
        takes=("name", "colour", "entry", "everything", "lines", "matching", "follow", "until"),
        one_of=("workloads", "component"),
        looks=True,
    ),
    "overview": Kind(takes=("namespace", "events"), looks=True),
    "backup": Kind(),
    "rollback": Kind(own_lock=True),
    "drill": Kind(),
    "paging": Kind(("kind", "do"), (*_PAGING, "url", "ca_cert", "timeout"), temporary=("open",)),
    "volume": Kind(("name", "size"), ("namespace", "timeout")),
    "review": Kind(("who",), ("what",), looks=True),
    "pause": Kind(takes=("do", "name", "timeout"), one_of=_WORKLOADS),
}
