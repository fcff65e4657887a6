# SPDX-License-Identifier: GPL-3.0-or-later
"""How helm is started, and what its complaints become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.helm.cli import Capabilities, Chart, Helm, failure

from ..living import is_gone, left_by_a_killed, telling
from .conftest import FakeHelm


def test_a_missing_helm_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"no/helm is not installed.*set helm_binary"):
        Helm(str(tmp_path / "no" / "helm"), "shop").version()


def test_a_helm_that_may_not_be_run(tmp_path: Path) -> None:
    (tmp_path / "helm").write_text("")
    with pytest.raises(ReleaseError, match="cannot be run"):
        Helm(str(tmp_path / "helm"), "shop").version()


@pytest.mark.parametrize("said", ["v2.17.0", "v3.9.4+gdbc6d8e"])
def test_too_old_a_helm_is_refused(fake_helm: FakeHelm, said: str) -> None:
    fake_helm.answers(version={"out": said})
    with pytest.raises(ReleaseError, match=r"is too old.*install Helm 3\.10 or newer"):
        Helm(fake_helm.path, "shop").version()


@pytest.mark.parametrize(("said", "found"), [("v3.10.0", (3, 10)), ("v4.3.1+g1", (4, 3))])
def test_versions_that_serve(fake_helm: FakeHelm, said: str, found: tuple[int, int]) -> None:
    fake_helm.answers(version={"out": said})
    assert Helm(fake_helm.path, "shop").version() == found


def test_a_program_that_is_not_helm(fake_helm: FakeHelm) -> None:
    fake_helm.answers(version={"out": "hello"})
    with pytest.raises(ReleaseError, match="answers 'hello' when asked for its version"):
        Helm(fake_helm.path, "shop").version()


def test_an_upgrade_keeps_history_short_and_values_out_of_the_arguments(fake_helm: FakeHelm) -> None:
    helm = Helm(fake_helm.path, "shop", {"KUBECONFIG": "/private/kubeconfig"})
    helm.upgrade("shop-green", Chart("/charts/shop"), ["/private/one.yaml", "/private/values.json"], "version 2", 30)
    call = fake_helm.calls[-1] if fake_helm.calls[-1]["argv"][0] == "upgrade" else fake_helm.calls[-2]
    arguments = " ".join(call["argv"])
    assert arguments.startswith("upgrade shop-green /charts/shop --install --namespace shop --values /private/one.yaml")
    assert "--values /private/one.yaml --values /private/values.json --reset-values" in arguments
    assert "--reset-values --history-max 10" in arguments
    assert "--server-side" not in arguments
    assert call["kubeconfig"] == "/private/kubeconfig"


def test_helm_4_is_told_to_apply_as_helm_3_does(fake_helm: FakeHelm) -> None:
    fake_helm.answers(version={"out": "v4.3.1"})
    Helm(fake_helm.path, "shop").upgrade("shop-green", Chart("/charts/shop"), ["v"], "d", 30)
    assert "--server-side=false" in fake_helm.calls[-1]["argv"]


def test_charts_see_what_the_cluster_can_do(fake_helm: FakeHelm) -> None:
    able = Capabilities("v1.36.3", ("example.com/v1", "example.com/v1/Thing"))
    Helm(fake_helm.path, "shop").template("shop-green", Chart("shop", "https://charts", "1.2.3"), ["v"], able)
    arguments = " ".join(fake_helm.calls[-1]["argv"])
    assert "shop-green shop --repo https://charts --version 1.2.3" in arguments
    assert "--kube-version v1.36.3 --api-versions example.com/v1 --api-versions example.com/v1/Thing" in arguments


def test_a_remote_chart_is_fetched_once(fake_helm: FakeHelm, tmp_path: Path) -> None:
    (tmp_path / "shop-1.2.3.tgz").touch()
    chart = Helm(fake_helm.path, "shop").pull(Chart("shop", "https://charts"), str(tmp_path))
    assert chart == Chart(str(tmp_path / "shop-1.2.3.tgz"))
    assert chart.local


def test_a_hanging_helm_is_given_up(executable: Callable[[str, str], str]) -> None:
    helm = Helm(executable("helm", "exec sleep 60"), "shop")
    with pytest.raises(ReleaseError, match=r"did not end within 0 s.*raise timeout"):
        helm._run(["list"], "listing releases", timeout=0.2)


def test_a_helm_ends_when_who_started_it_is_killed(executable: Callable[[str, str], str], tmp_path: Path) -> None:
    """Whoever holds the lock next takes its release for abandoned, and installs anew."""
    helm = Helm(executable("helm", f"{telling(tmp_path / 'pid')}; exec sleep 600"), "shop")
    assert is_gone(left_by_a_killed(lambda: helm.uninstall("shop-green", 600), tmp_path / "pid"))


@pytest.mark.parametrize(
    ("stderr", "remedy"),
    [
        ('Error: path "/x" not found', "check source.chart"),
        ('Error: failed to download "shop"', "check source.chart"),
        ("Error: template: shop/templates/a.yaml:1:2: nil pointer", "correct the chart or source.values"),
        (
            "Error: execution error at (shop/templates/a.yaml:1:2): tag is required",
            "correct the chart or source.values",
        ),
        ("Error: YAML parse error on shop/templates/a.yaml", "correct the chart or source.values"),
        ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", "wait for the other"),
        ("Error: found in Chart.yaml, but missing in charts/ directory: redis", "helm dependency build"),
        ("Error: Kubernetes cluster unreachable: refused", "check kubeconfig"),
        ("Error: secrets is forbidden: User x", "RBAC rule"),
        ("Error: unable to continue with install: invalid ownership metadata", "belongs to another release"),
    ],
)
def test_complaints_become_errors_that_say_what_to_do(stderr: str, remedy: str) -> None:
    error = failure(
        "rendering chart shop", f"WARNING: Kubernetes configuration file is group-readable\n{stderr}\n", "helm"
    )
    assert remedy in error.remedy
    assert str(error).startswith("Rendering chart shop failed: ")
    assert "WARNING" not in str(error)
