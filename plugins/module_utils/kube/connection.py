# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cluster, and as whom: kubeconfig, in-cluster account or explicit options, read by the ``kubernetes`` library.

The library is used for its configuration only (exec plugins, token files, refresh).
"""

from __future__ import annotations

import logging
import os
import threading
import typing as t
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ..errors import Unauthorized, Unreachable
from .library import library

if t.TYPE_CHECKING:
    import urllib3

DEFAULT_KUBECONFIG = "~/.kube/config"


@dataclass(frozen=True)
class KubeAuth:
    """The connection options of a module, with the names of kubernetes.core; empty means not given."""

    kubeconfig: str = ""
    context: str = ""
    host: str = ""
    api_key: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    client_cert: str = ""
    client_key: str = ""
    ca_cert: str = ""
    validate_certs: bool | None = None
    proxy: str = ""
    server_name: str = ""
    """What the certificate of the API server is for, if not its host; no option, only a kubeconfig says it."""

    @property
    def complete(self) -> bool:
        """Whether these options say it all, so that no kubeconfig is needed."""
        return bool(self.host and (self.api_key or self.username or self.client_cert))

    @property
    def kubeconfig_path(self) -> str:
        """The kubeconfig (or ``:``-separated list of them) that applies, existing or not."""
        return self.kubeconfig or os.environ.get("KUBECONFIG", "") or DEFAULT_KUBECONFIG


class Connection:
    """A pool of connections to one API server, and the credential every request carries."""

    def __init__(self, auth: KubeAuth, *, pool_size: int = 16) -> None:
        self.configuration = _configuration(auth)
        self.host: str = str(self.configuration.host).rstrip("/")
        self._auth = auth
        self._credential_lock = threading.Lock()
        self.pool = _pool(self.configuration, self.host, pool_size)

    def credential(self) -> dict[str, str]:
        """The Authorization header of this moment; tokens are renewed by the library when they expire."""
        if self._auth.api_key:
            return {"authorization": f"Bearer {self._auth.api_key}"}
        if self._auth.username:
            return {"authorization": _basic(self._auth.username, self._auth.password)}
        with self._credential_lock:
            settings = self.configuration.auth_settings().get("BearerToken")
        return {"authorization": str(settings["value"])} if settings and settings["value"] else {}

    def options(self) -> KubeAuth:
        """For another program: as given, and complete where a user was given beside a kubeconfig.

        A program that reads the kubeconfig would act as the user it finds there.
        """
        given, found = self._auth, self.configuration
        if given.complete or not (given.username or given.client_cert):
            return given
        return replace(
            given,
            host=self.host,
            ca_cert=found.ssl_ca_cert or "",
            validate_certs=found.verify_ssl,
            proxy=found.proxy or "",
            server_name=getattr(found, "tls_server_name", None) or "",
        )

    def close(self) -> None:
        self.pool.clear()


def _basic(username: str, password: str) -> str:
    from base64 import b64encode

    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def _configuration(auth: KubeAuth) -> t.Any:
    configuration = library().Configuration()
    if not auth.complete:
        _load(auth, configuration)
    if auth.host:
        configuration.host = auth.host.rstrip("/")
    for option, attribute in (("ca_cert", "ssl_ca_cert"), ("client_cert", "cert_file"), ("client_key", "key_file")):
        path = getattr(auth, option)
        if path:
            if not os.path.isfile(path):
                raise Unreachable(f"the file {path} does not exist", remedy=f"correct the option {option}")
            setattr(configuration, attribute, path)
    if auth.validate_certs is not None:
        configuration.verify_ssl = auth.validate_certs
    if auth.server_name:
        configuration.tls_server_name = auth.server_name
    configuration.proxy = _proxy(auth, configuration)
    return configuration


def _load(auth: KubeAuth, configuration: t.Any) -> None:
    """Fill ``configuration`` from the kubeconfig or, where there is none, from the pod's service account."""
    config, path = library().config, auth.kubeconfig_path
    files = [os.path.expanduser(part) for part in path.split(os.pathsep) if part]
    if not any(os.path.isfile(file) for file in files):
        if not auth.kubeconfig and not auth.context and os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.incluster_config.load_incluster_config(client_configuration=configuration)
            return
        raise Unreachable(
            f"there is no kubeconfig at {path}",
            remedy="set the option kubeconfig (or K8S_AUTH_KUBECONFIG, or KUBECONFIG) to a file that exists",
        )
    with _logged_errors() as complaints:
        try:
            config.load_kube_config(
                config_file=os.pathsep.join(files),
                context=auth.context or None,
                client_configuration=configuration,
                persist_config=False,
            )
        except config.ConfigException as error:
            raise _unusable(auth, files, error) from error
        except Exception as error:
            raise Unreachable(
                f"the kubeconfig {path} cannot be read: {type(error).__name__}: {error}",
                remedy=f"check it with: kubectl --kubeconfig {path} config view",
            ) from error
    if complaints and not configuration.auth_settings() and not configuration.cert_file:
        raise Unauthorized(
            f"the credential plugin of the kubeconfig {path} gave no credential: {complaints[-1]}",
            remedy="run the exec command of that kubeconfig user by hand and correct what it reports",
        )


def _unusable(auth: KubeAuth, files: list[str], error: Exception) -> Unreachable:
    config, path = library().config, os.pathsep.join(files)
    try:
        names = sorted(
            item["name"] for item in config.kube_config.KubeConfigMerger(path).config.value.get("contexts") or []
        )
    except (config.ConfigException, AttributeError, KeyError, TypeError):
        names = []
    known = "it has " + (", ".join(names) if names else "no contexts")
    if auth.context and auth.context not in names:
        return Unreachable(
            f"there is no context {auth.context!r} in the kubeconfig {path}", remedy=f"set the option context; {known}"
        )
    return Unreachable(
        f"the kubeconfig {path} is not usable: {error}",
        remedy=f"correct it or set the option context; {known}",
    )


class _logged_errors(logging.Handler):
    """The library logs why a credential plugin failed and goes on; keep what it says."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def __enter__(self) -> list[str]:
        logging.getLogger().addHandler(self)
        return self.messages

    def __exit__(self, *exc: object) -> None:
        logging.getLogger().removeHandler(self)


def _proxy(auth: KubeAuth, configuration: t.Any) -> str | None:
    """The option, then the kubeconfig's proxy-url (library 37 and later), then the environment, as curl reads it."""
    if auth.proxy:
        return auth.proxy
    environment = getproxies()
    if configuration.proxy and configuration.proxy not in environment.values():
        return str(configuration.proxy)
    url = urlsplit(str(configuration.host))
    return None if proxy_bypass(url.hostname or "") else environment.get(url.scheme)


def _pool(configuration: t.Any, host: str, size: int) -> urllib3.PoolManager:
    import urllib3

    options: dict[str, t.Any] = {"num_pools": 2, "maxsize": size, "retries": False}
    if host.startswith("https:"):
        options["cert_reqs"] = "CERT_REQUIRED" if configuration.verify_ssl else "CERT_NONE"
        options["ca_certs"] = configuration.ssl_ca_cert
        options["cert_file"] = configuration.cert_file
        options["key_file"] = configuration.key_file
        server_name = getattr(configuration, "tls_server_name", None)
        if server_name:
            options["server_hostname"] = options["assert_hostname"] = server_name
        if not configuration.verify_ssl:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    if configuration.proxy:
        return urllib3.ProxyManager(configuration.proxy, **options)
    return urllib3.PoolManager(**options)
