# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seam to Ansible: argument specs that can be merged, errors that become ``fail_json``, a client from options."""

from __future__ import annotations

import contextlib
import copy
import traceback
import typing as t

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.parameters import env_fallback

from .errors import ReleaseError

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from .kube.client import KubeClient
    from .kube.connection import KubeAuth

_LISTS = ("mutually_exclusive", "required_together", "required_one_of", "required_if")
_DISTRIBUTIONS = {"yaml": "PyYAML", "websocket": "websocket-client", "psycopg2": "psycopg2-binary"}


class ArgumentSpec:
    """Options and the constraints between them; specs of several concerns are merged into one."""

    def __init__(self, options: t.Mapping[str, t.Any] | None = None, **constraints: t.Any) -> None:
        unknown = set(constraints) - {*_LISTS, "required_by"}
        if unknown:
            raise TypeError(f"not a constraint of an argument spec: {', '.join(sorted(unknown))}")
        self.options: dict[str, t.Any] = dict(options or {})
        self.constraints: dict[str, t.Any] = constraints

    def merge(self, *others: ArgumentSpec) -> ArgumentSpec:
        """A new spec with everything in this one and the others; an option may be defined only once."""
        merged = ArgumentSpec(self.options, **copy.deepcopy(self.constraints))
        for other in others:
            twice = merged.options.keys() & other.options.keys()
            if twice:
                raise ValueError(f"option defined twice: {', '.join(sorted(twice))}")
            merged.options.update(other.options)
            for name, value in other.constraints.items():
                if name in _LISTS:
                    merged.constraints[name] = [*merged.constraints.get(name, []), *value]
                else:
                    merged.constraints[name] = {**merged.constraints.get(name, {}), **value}
        return merged

    def to_kwargs(self) -> dict[str, t.Any]:
        """Keyword arguments for ``AnsibleModule``."""
        return {"argument_spec": copy.deepcopy(self.options), **self.constraints}


@contextlib.contextmanager
def failing_cleanly(module: AnsibleModule) -> t.Iterator[None]:
    """Turn our errors, and a library that is not installed, into ``fail_json``; anything else is a bug and shows.

    The result ``record`` is the error without the words of others, for what is kept for good.
    """
    try:
        yield
    except ReleaseError as error:
        module.fail_json(msg=str(error), **{**error.details, "record": error.record})
    except ImportError as error:
        library = (error.name or "").partition(".")[0]
        if not library or library == "ansible_collections":
            raise
        message = missing_required_lib(_DISTRIBUTIONS.get(library, library))  # type: ignore[no-untyped-call]
        module.fail_json(msg=message, exception="".join(traceback.format_exception(error)))


def unsaid(module: AnsibleModule, *names: str) -> dict[str, t.Any]:
    """The options as they were given; the module's result has only the keys of these dicts, which are ``no_log``.

    That keeps them out of the log of the system. Ansible would also mask each of their values wherever it stands in the
    result, which nobody could read any more where one is ``1`` or ``info``.
    """
    given = dict(module.params)
    for name in names:
        module.no_log_values.difference_update(_texts(given[name]))
        module.params[name] = given[name] and dict.fromkeys(given[name], "not shown")
    others = (name for name, option in module.argument_spec.items() if option.get("no_log") and name not in names)
    module.no_log_values.update(text for name in others for text in _texts(given[name]))
    return given


def _texts(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, dict | list):
        for below in value.values() if isinstance(value, dict) else value:
            yield from _texts(below)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def kube_argument_spec() -> ArgumentSpec:
    """How to reach the cluster; the twin of the documentation fragment ``runbook.release.kube``."""

    def option(name: str, type: str = "str", **more: t.Any) -> dict[str, t.Any]:
        return {"type": type, "fallback": (env_fallback, [f"K8S_AUTH_{name.upper()}"]), **more}

    return ArgumentSpec(
        {
            "kubeconfig": option("kubeconfig", "path"),
            "context": option("context"),
            "host": option("host"),
            "api_key": option("api_key", no_log=True),
            "username": option("username"),
            "password": option("password", no_log=True),
            "client_cert": {**_file("K8S_AUTH_CERT_FILE"), "aliases": ["cert_file"]},
            "client_key": {**_file("K8S_AUTH_KEY_FILE"), "aliases": ["key_file"], "no_log": False},
            "ca_cert": {**_file("K8S_AUTH_SSL_CA_CERT"), "aliases": ["ssl_ca_cert"]},
            "validate_certs": {
                "type": "bool",
                "fallback": (env_fallback, ["K8S_AUTH_VERIFY_SSL"]),
                "aliases": ["verify_ssl"],
            },
            "proxy": option("proxy"),
        },
        required_together=[("username", "password"), ("client_cert", "client_key")],
    )


def _file(variable: str) -> dict[str, t.Any]:
    return {"type": "path", "fallback": (env_fallback, [variable])}


def kube_auth(module: AnsibleModule) -> KubeAuth:
    """The connection options of a module that merged ``kube_argument_spec``."""
    from .kube.connection import KubeAuth

    given = {name: module.params[name] for name in kube_argument_spec().options}
    return KubeAuth(**{name: value for name, value in given.items() if value is not None})


def kube_client(module: AnsibleModule) -> KubeClient:
    """A client for the cluster the options name; in check mode all its writes are dry runs.

    As part of a release it waits longer for an API server: somebody is waiting for the release to come to an end.
    """
    from .kube.client import KubeClient
    from .kube.transport import RUN_PATIENCE

    patience = RUN_PATIENCE if module.params.get("run") else None
    return KubeClient(kube_auth(module), dry_run=module.check_mode, patience=patience)
