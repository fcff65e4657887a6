# SPDX-License-Identifier: GPL-3.0-or-later
"""What production asks of a system by HTTP, asked of its stand-in: it passes, and does not with the fitting fault."""

from __future__ import annotations

import datetime
import ipaddress
import json
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from ansible_collections.runbook.release.plugins.module_utils.tor.baseline import Baseline
from ansible_collections.runbook.release.plugins.module_utils.tor.criterion import parse_criteria
from ansible_collections.runbook.release.plugins.module_utils.tor.evaluate import evaluate
from ansible_collections.runbook.release.plugins.module_utils.tor.sources.base import World
from app import cli
from app.server import METRICS, Server
from app.settings import Fault, Settings, read
from cluster.catalogue import revisions, stand_in_names, stand_in_programs
from cluster.plan import STAND_IN_TAGS
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "tests" / "stand_ins" / "systems"
SYSTEMS = sorted(path.stem for path in FOLDER.glob("*.yml") if path.stem != "faults")
VERSION = "2.4.0"
EXTRA = {"release_version": VERSION, "ansible_playbook_python": "/usr/bin/python3"}
LATENCY, CERTIFICATE = "latency", "certificate_age_left"
ERRORS = {"error_share": 1.0}
FAULTS: dict[str, dict[str, Any]] = {
    "unready": {"unready": True},
    "latency": {"latency": 1.2},
    "mute": {"mute": True},
    "errors": ERRORS,
}

Given = dict[str, Any]


@cache
def production() -> Mapping[str, Any]:
    program = ROOT / "tests" / "unit" / "templated_inventory.py"
    argv = [sys.executable, str(program), str(ROOT / "inventories" / "prod"), json.dumps(EXTRA)]
    return dict(json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout))


@cache
def content(system: str) -> Mapping[str, Any]:
    return dict(yaml.safe_load((FOLDER / f"{system}.yml").read_text("utf-8")))


def asked(system: str) -> list[Given]:
    """The criteria of production that are measured by HTTP, those of a Service among them."""
    variables = production()[system]
    smoke = [
        one | {"source": {"service": component["name"]} | one["source"]}
        for component in variables["release_components"]
        for one in component.get("smoke", [])
    ]
    every = [*smoke, *(one for gate in variables["release_gates"].values() for one in gate)]
    of_http = [one for one in every if one["source"]["kind"] in ("http", "service")]
    here = [one for one in of_http if "address_of" not in one["source"]]  # which only a cluster knows
    return [one for one in here if host_of(one) not in content(system).get("elsewhere", ())]


def host_of(one: Given) -> str:
    return urlsplit(one["source"].get("url", "")).hostname or ""


def path_of(one: Given) -> str:
    source = one["source"]
    return str(source["path"] if source["kind"] == "service" else urlsplit(source["url"]).path or "/")


def part_of(system: str, one: Given) -> str:
    source = one["source"]
    if source["kind"] == "http":
        return str(content(system)["hosts"][host_of(one)])
    found = [part for part in content(system)["parts"] if re.search(rf"(^|-){re.escape(part)}$", source["service"])]
    return max(found, key=len)


def fitting(system: str, one: Given) -> str:
    """The fault that has to be noticed by this criterion."""
    path = path_of(one).partition("?")[0]
    if one["select"] == LATENCY:
        return "latency"
    if path == METRICS:
        return "mute"
    endpoint = settings(system, part_of(system, one)).endpoints.get(path)
    return "unready" if endpoint and endpoint.health else "errors"


def settings(system: str, part: str, version: str = VERSION) -> Settings:
    given = {"APP_VERSION": version, "APP_CONFIG": str(FOLDER / f"{system}.yml"), "APP_PART": part, "APP_TOKEN": "told"}
    return replace(read(given), port=0)


@contextmanager
def serving(given: Settings, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    server = Server(given)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def here(one: Given, at: str) -> Given:
    """The same criterion, asked of this address, without its load and its pace."""
    source = one["source"]
    path = source["path"] if source["kind"] == "service" else at_path(source["url"])
    kept = {key: value for key, value in source.items() if key not in ("service", "path", "port", "namespace")}
    if sign_in := kept.get("sign_in"):
        kept["sign_in"] = sign_in | {"url": at + at_path(sign_in["url"])}
    samples = min(one.get("samples", 1), 1 if one["select"] == LATENCY else 20)
    return one | {"source": kept | {"kind": "http", "url": at + path, "duration": 0}, "samples": samples}


def at_path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def verdicts(system: str, criteria: list[Given], fault: Given | None = None, version: str = VERSION) -> dict[str, str]:
    """By name, each asked of the part that stands in for what it is about."""
    with ExitStack() as stack:
        parts = {part_of(system, one) for one in criteria}
        served = {part: replace(settings(system, part, version), fault=Fault(**(fault or {}))) for part in parts}
        urls = {part: stack.enter_context(serving(one)) for part, one in served.items()}
        parsed = parse_criteria([here(one, urls[part_of(system, one)]) for one in criteria])
        before = {
            one.name: {"measure": one.measure, "observed": 100, "unit": "ms"}
            for one, given in zip(parsed, criteria, strict=True)
            if "baseline" in str(given["expect"])
        }
        gate = evaluate(parsed, World(baseline=Baseline.parse(before)))
    return {f"{one.name}, {one.select}": gate.verdicts[place].verdict for place, one in enumerate(parsed)}


@pytest.fixture(autouse=True)
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for system in SYSTEMS:
        for one in asked(system):
            for name in ("token_environment", "password_environment"):
                if name in one["source"]:
                    monkeypatch.setenv(one["source"][name], "told")


def of_answers(system: str) -> list[Given]:
    return [one for one in asked(system) if one["select"] != CERTIFICATE]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_good_version_passes_what_production_asks(system: str) -> None:
    found = verdicts(system, of_answers(system))
    assert found
    assert {name: verdict for name, verdict in found.items() if verdict != "pass"} == {}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_bad_version_does_not_pass_what_is_about_its_fault(system: str, fault: str) -> None:
    criteria = [one for one in of_answers(system) if fitting(system, one) == fault]
    found = verdicts(system, criteria, FAULTS[fault]) if criteria else {}
    assert [name for name, verdict in found.items() if verdict == "pass"] == []


def test_every_fault_is_about_some_criterion() -> None:
    assert {fitting(system, one) for system in SYSTEMS for one in of_answers(system)} == set(FAULTS)


@pytest.mark.parametrize("system", SYSTEMS)
def test_another_version_is_noticed(system: str) -> None:
    criteria = [one for one in of_answers(system) if VERSION in str(one["expect"])]
    found = verdicts(system, criteria, version="2.3.0") if criteria else {}
    assert set(found.values()) <= {"fail"}


@pytest.mark.parametrize(("days", "verdict"), [(40, "pass"), (20, "fail")])
def test_certificates_are_judged_by_what_is_left_of_them(tmp_path: Path, days: int, verdict: str) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = certificate(tmp_path, days)
    tls.load_cert_chain(authority)
    criteria = [(system, one) for system in SYSTEMS for one in asked(system) if one["select"] == CERTIFICATE]
    assert criteria
    for system, one in criteria:
        with serving(settings(system, part_of(system, one)), tls) as url:
            mine = here(one, url)
            mine["source"]["ca_cert"] = str(authority)
            assert evaluate(parse_criteria([mine]), World()).verdicts[0].verdict == verdict


def certificate(folder: Path, days: int) -> Path:
    """Key and certificate of 127.0.0.1 in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "tls.pem"
    path.write_bytes(key.private_bytes(*plain) + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("system", SYSTEMS)
def test_users_and_probes_learn_the_version_from_each_component(system: str) -> None:
    for component in production()[system]["release_components"]:
        for url in component.get("urls", []):
            part = content(system)["hosts"][urlsplit(url["url"]).hostname]
            endpoint = settings(system, part).endpoints[urlsplit(url["url"]).path]
            _kind, body = endpoint.answer(b"", {"{version}": VERSION})
            assert json.loads(body)[component["identity"]["json"]] == VERSION


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_image_of_a_system_is_made(system: str) -> None:
    wanted = {
        f"{system}/{component['source']['image'].rpartition('/')[2]}"
        for component in production()[system]["release_components"]
    }
    assert wanted <= set(stand_in_names())


def test_the_names_of_images_are_found_without_a_reader_of_yaml() -> None:
    parts = [part or {} for system in SYSTEMS for part in content(system)["parts"].values()]
    assert stand_in_names() == [part["image"] for part in parts if "image" in part]


def test_the_programs_of_runbooks_are_found_without_a_reader_of_yaml() -> None:
    commands = [command for system in SYSTEMS for command in content(system).get("commands", {})]
    assert commands
    assert stand_in_programs() == sorted({"python", *(command.split()[0] for command in commands)})


@pytest.mark.parametrize("system", SYSTEMS)
def test_commands_of_migrations_and_criteria_stand_for_something(system: str) -> None:
    variables = production()[system]
    asked = [one.get(way) for one in variables["release_migrations"] for way in ("command", "down")]
    every = [one for gate in variables["release_gates"].values() for one in gate]
    asked += [one["source"]["command"] for one in every if one["source"]["kind"] == "exec"]
    asked = [words for words in asked if words and words[:2] != ["python", "-c"]]
    itself = ["python", "-m", "app.cli"]
    others = {" ".join(words) for words in asked if words[:3] != itself}
    assert others <= set(content(system).get("commands", {}))
    assert all(cli.parser().parse_args(words[3:]) for words in asked if words[:3] == itself)


def test_an_image_has_the_revisions_of_its_version() -> None:
    counted = {tag: len(revisions(tag)) for tag in STAND_IN_TAGS}
    assert (counted["1.5.0"], counted["1.6.0"], counted["1.6.9"], counted["1.7.0"]) == (1, 2, 2, 3)


def test_bad_versions_are_among_the_images() -> None:
    faults = yaml.safe_load((FOLDER / "faults.yml").read_text("utf-8"))
    assert set(faults) <= set(STAND_IN_TAGS)
    assert all(Fault(**given) != Fault() for given in faults.values())


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_fault_of_a_system_is_of_a_version_that_is_made_and_of_parts_it_has(system: str) -> None:
    for version, fault in (content(system).get("faults") or {}).items():
        assert version in STAND_IN_TAGS
        assert set(fault.get("parts", [])) <= set(content(system)["parts"])
        assert Fault(**fault) != Fault()
