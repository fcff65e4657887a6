# SPDX-License-Identifier: GPL-3.0-or-later
"""inventories/local-five does what production does; what it leaves out stands here, so that it cannot grow unseen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from .test_inventories import INVENTORIES, OF_A_RELEASE, SYSTEMS, TEMPLATED, host

HERE = INVENTORIES / "local-five"
CLUSTER = {"KUBECONFIG": "/kubeconfig", "GATEWAY_ADDRESS": "192.0.2.1", "GATEWAY_CA": "/ca.crt", "CHARTS": "/charts"}
LEFT_OUT = {
    "novacron": """
        alerts that fire, certificate, clean up images, connections of the database, database and cache from inside,
        database answers, fill the secrets, flush the cache, heap profile, memory of the runtime, more connections,
        more memory, more replicas, probes of the pods, renew the certificate, resources of the pods, response times,
        restart after a change of the secrets, rotation of logs, settings of the API, settled
    """,
    "pea": """
        CPU of the pods, a health request inside of the pod, accuracy of the solar model, autoscaler under load,
        causes of a worse model, connections of the database, database and its credentials, flush the cache,
        images can be had, load the solar model of before, logs of the cache, logs of the gateway,
        more of the backend, restart the database, retrain the solar model, use of the cache, versions of the models,
        way to the backend
    """,
    "predictiq": """
        CPU of each pod, alerting, caching against throttling, capacity, certificate chain, certificate lifetime,
        connection pool, dependency audit, disk space, disks of the API, error rates, flush the markets,
        large logs of the API, limiter, limits of the API, log of slow statements, lookups in the cache, memory leaks,
        more of the API, processes of the API, refused requests, renew the certificate, rotate the logs,
        usual number of the API, versions of dependencies, warm the cache
    """,
    "solar": """
        database connections, database of the backend, disk space, flush everything, flush the cache,
        larger pool of connections, use of the nodes, use of the pods
    """,
    "teei": """
        annotations of the service accounts, autoscalers, capacity of the database, fill the secrets, images can be had,
        larger pool of the profiles, memory and CPU of the pods, more of the gateway, network between services,
        network to the database, restart what reads the secrets, room in the cluster, settings for Vault in the gateway
    """,
}

Given = Mapping[str, Any]


@pytest.fixture(scope="module")
def hosts() -> Mapping[str, Given]:
    """The variables of each host, as if a cluster ran."""
    argv = [sys.executable, str(TEMPLATED), str(HERE), json.dumps({**OF_A_RELEASE, "release_record": "/records"})]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env={**os.environ, **CLUSTER})
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def names(listed: str) -> list[str]:
    return sorted(" ".join(listed.split()).split(", "))


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_file_of_production_is_read_but_whom_it_tells(system: str) -> None:
    folder = HERE / "host_vars" / system
    links = {path.name: path.resolve() for path in folder.iterdir() if path.is_symlink()}
    there = {path.name: path.resolve() for path in (INVENTORIES / "prod" / "host_vars" / system).iterdir()}
    assert links == {name: path for name, path in there.items() if name != "notify.yml"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_tasks_lists_and_incidents_are_those_of_production(hosts: Mapping[str, Given], system: str) -> None:
    here, there = hosts[system], host("prod", system)
    assert [task["name"] for task in here["release_tasks"]] == [task["name"] for task in there["release_tasks"]]
    assert here["release_maintenance"]["lists"] == there["release_maintenance"]["lists"]
    types = ("name", "severity", "evidence", "remedies", "contain")
    assert [[one.get(key) for key in types] for one in here["release_incidents"]["types"]] == [
        [one.get(key) for key in types] for one in there["release_incidents"]["types"]
    ]


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_left_out_is_in_the_catalogue_and_says_why(hosts: Mapping[str, Given], system: str) -> None:
    left_out = hosts[system]["task_without"]
    assert sorted(left_out) == names(LEFT_OUT[system])
    assert set(left_out) <= {task["name"] for task in hosts[system]["release_tasks"]}
    assert all(left_out.values())
