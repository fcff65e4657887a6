# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands. A cluster the user already has, named by KUBECONFIG, is only checked and described."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cluster import catalogue, kind, machine, plan
from cluster.build import Build
from cluster.built import BuiltCluster
from cluster.kind import KindCluster
from cluster.plan import Part, Places
from cluster.provider import Cluster
from cluster.say import Problem, say
from cluster.shell import run


def main(argv: Sequence[str]) -> int:
    commands = {verb.__name__: verb for verb in (up, down, status, kubeconfig, env, images, helm4, kwok)}
    parser = argparse.ArgumentParser(prog="tests/cluster", description="A real Kubernetes for tests and the demo.")
    parser.add_argument("command", choices=commands)
    arguments = parser.parse_args(argv)
    try:
        return commands[arguments.command](Places.from_environment())
    except Problem as problem:
        print(f"tests/cluster: {problem}", file=sys.stderr)
        return 1


def up(places: Places) -> int:
    """Brings the cluster up, or returns at once when it is; the last line names its kubeconfig."""
    if theirs := _their_kubeconfig(places):
        _check_theirs(theirs)
        print(theirs)
        return 0
    with _alone(places):
        cluster = _present(places)
        if cluster.is_up():
            cluster.refresh()
            say("Already up.")
        else:
            machine.check(places)
            cluster.close()
            _start(places)
    print(places.kubeconfig)
    return 0


def down(places: Places) -> int:
    """Ends every process and removes every trace but the built programs; the cache folder may be deleted at will."""
    with _alone(places):
        _present(places).close()
        shutil.rmtree(places.scratch, ignore_errors=True)
    say(f"{places.name} is gone.")
    return 0


def status(places: Places) -> int:
    cluster = _present(places)
    if not cluster.is_open():
        print(f"{places.name} is down.")
        return 3
    print(cluster.kubectl("get", "nodes,gateways,deployments", "--all-namespaces").strip())
    return 0


def kubeconfig(places: Places) -> int:
    print(_their_kubeconfig(places) or places.kubeconfig)
    return 0


def env(places: Places) -> int:
    """What a playbook or a test has to know about the cluster, one NAME=value a line."""
    if theirs := _their_kubeconfig(places):
        print(catalogue.environment(places, Path(theirs), shutil.which("kubectl") or "kubectl"), end="")
    elif places.env.exists():
        print(places.env.read_text(), end="")
    else:
        raise Problem(f"{places.name} is not up: run `python3 tests/cluster up`.")
    return 0


def images(places: Places) -> int:
    """The archives, for a registry of one's own: each line is a file that `docker load --input` takes."""
    with _alone(places):
        build = Build(places, (plan.PODINFO, plan.FAULTY))
        build.start()
        for archive in catalogue.archives(places, build):
            print(archive)
    return 0


def helm4(places: Places) -> int:
    """Builds Helm 4 when it is not there yet, and prints where it is."""
    return _on_demand(places, plan.HELM4, "helm")


def kwok(places: Places) -> int:
    """Builds what makes pods of nodes that are not there, when it is not there yet, and prints where it is."""
    return _on_demand(places, plan.KWOK, "kwok")


def _on_demand(places: Places, part: Part, program: str) -> int:
    build = Build(places, (part,))
    build.start()
    build.wait(part)
    print(places.programs(part) / program)
    return 0


def _present(places: Places) -> Cluster:
    """The cluster that runs, or what is left of one."""
    return KindCluster(places) if KindCluster.was_started(places) else BuiltCluster(places)


def _start(places: Places) -> None:
    if kind.is_available():
        cluster = KindCluster(places)
        try:
            return cluster.start()
        except Problem as problem:
            say(f"kind did not bring a cluster up, so it is built from parts. ({problem})")
            cluster.close()
    machine.prepare(places)
    BuiltCluster(places).start()


def _their_kubeconfig(places: Places) -> str:
    named = os.environ.get("KUBECONFIG", "")
    return "" if named == str(places.kubeconfig) else named


def _check_theirs(path: str) -> None:
    kubectl = shutil.which("kubectl")
    if not kubectl:
        raise Problem(
            "KUBECONFIG is set, but there is no kubectl to check it with: install kubectl or unset KUBECONFIG."
        )
    run([kubectl, f"--kubeconfig={path}", "get", "--raw", "/readyz", "--request-timeout=10s"])
    say(
        "KUBECONFIG is set: that cluster is used as it is. "
        "It needs a Gateway, and the images in a repository it can pull from."
    )


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    places.cache.mkdir(parents=True, exist_ok=True)
    with Path(f"{places.state}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(f"Another command works on {places.name}; wait for it to end.") from None
        yield
