# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.witness.script import clients_for, plan_for
from ansible_collections.runbook.release.plugins.module_utils.witness.spec import spec_from

PLAIN = {"url": "http://shop.test/version"}
TLS = {"url": "https://shop.test:8443/version", "address": "10.0.0.1"}


def params(**changes):
    return {
        "urls": [PLAIN],
        "identity": {"json": "version", "header": None},
        "versions": ["1.0"],
        "rate": 20.0,
        "timeout": 2000,
        "duration": 60,
        "shapes": None,
        "stream_url": None,
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "shapes"),
    [
        ({}, ("new", "keepalive")),
        ({"urls": [PLAIN, TLS]}, ("new", "keepalive", "http2")),
        ({"stream_url": PLAIN}, ("new", "keepalive", "stream")),
        ({"urls": [TLS], "shapes": ["http2", "new"]}, ("new", "http2")),
    ],
)
def test_the_shapes_are_those_that_are_possible_or_wanted(changes, shapes):
    assert spec_from(params(**changes)).shapes == shapes


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"urls": []}, "urls"),
        ({"versions": []}, "versions"),
        ({"urls": [{"url": "ftp://shop.test"}]}, r"urls\[0\]\.url"),
        ({"urls": [PLAIN, {"url": "shop.test"}]}, r"urls\[1\]\.url"),
        ({"urls": [{"url": "http://shop.test:99999/"}]}, r"urls\[0\]\.url"),
        ({"urls": [{"url": "http://u:secret@shop.test/"}]}, r"urls\[0\]\.url"),
        ({"urls": [{**PLAIN, "address": "gateway.test"}]}, r"urls\[0\]\.address"),
        ({"urls": [TLS, {**TLS, "address": "10.0.0.2"}]}, "urls, stream_url"),
        ({"stream_url": {"url": ""}}, "stream_url.url"),
        ({"identity": {}}, "identity"),
        ({"identity": {"json": "a", "header": "b"}}, "identity"),
        ({"rate": 0}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"timeout": -1}, "timeout"),
        ({"duration": 0}, "duration"),
        ({"shapes": ["http2"]}, "shapes"),
        ({"shapes": ["stream"]}, "shapes"),
        ({"shapes": ["stream"], "stream_url": PLAIN}, "shapes"),
    ],
)
def test_bad_input_is_an_error_that_names_the_option(changes, where):
    with pytest.raises(ReleaseError, match=f"Where: {where}") as caught:
        spec_from(params(**changes))
    assert "secret" not in str(caught.value)


def test_a_spec_is_equal_to_itself_after_json():
    spec = spec_from(params(urls=[PLAIN, TLS], stream_url=PLAIN))
    assert json.loads(json.dumps(spec.to_dict())) == spec.to_dict()


def test_the_rate_is_shared_by_the_paced_shapes_only():
    plan = plan_for(spec_from(params(urls=[PLAIN, TLS], stream_url=PLAIN, rate=50)), "s.json")
    scenarios = plan["options"]["scenarios"]
    paced = [scenarios[shape] for shape in ("new", "keepalive", "http2")]
    assert {(scenario["rate"], scenario["timeUnit"]) for scenario in paced} == {(50, "3s")}
    assert scenarios["stream"]["executor"] == "constant-vus"
    assert plan["urls"]["http2"] == [TLS["url"]]


def test_a_rate_below_one_a_second_is_possible():
    scenario = plan_for(spec_from(params(rate=0.5)), "s.json")["options"]["scenarios"]["new"]
    assert (scenario["rate"], scenario["timeUnit"]) == (50, "200s")


def test_there_are_clients_enough_for_every_request_to_hang():
    assert clients_for(rate=100, timeout_ms=2000) >= 200


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (TLS, {"shop.test:8443": "10.0.0.1:8443"}),
        ({"url": "https://shop.test/", "address": "fd00::1"}, {"shop.test:443": "[fd00::1]:443"}),
        (PLAIN, {}),
    ],
)
def test_an_address_overrides_one_host_and_port(url, host):
    assert plan_for(spec_from(params(urls=[url])), "s.json")["options"]["hosts"] == host
