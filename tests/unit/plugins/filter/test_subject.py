# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.filter.subject import subject

ONE, TWO, THREE = ("sha256:" + digit * 64 for digit in "123")
MANIFEST = f"""
kind: Deployment
spec:
  template:
    spec:
      initContainers: [{{image: "registry.example/wait@{TWO}"}}]
      containers: [{{image: registry.example/shop:1.4.0@{ONE}}}]
"""


def context(**staged):
    return {"version": "1.4.0", "components": staged}


def test_images_are_those_of_the_manifests_that_were_made():
    given = context(shop={"diff": [{"before": f"image: old@{THREE}", "after": MANIFEST}]})
    found = subject(given, [{"name": "shop", "source": {"kind": "manifests", "path": "/shop"}}])
    assert found == {"version": "1.4.0", "images": {"shop": [TWO, ONE]}}


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "image", "image": f"registry.example/shop@{ONE}"},
        {"kind": "helm", "chart": "shop", "values": {"image": {"repository": "shop", "digest": ONE}}},
        {"kind": "helm", "chart": "shop", "values": {"sidecars": [{"image": f"shop@{ONE}"}]}},
    ],
)
def test_images_are_those_the_source_names_though_nothing_is_staged_anew(source):
    assert subject(context(shop={}), [{"name": "shop", "source": source}])["images"] == {"shop": [ONE]}


def test_an_image_by_its_tag_is_no_image_that_is_known():
    found = subject(context(), [{"name": "shop", "source": {"image": "registry.example/shop:1.4.0"}}])
    assert found == {"version": "1.4.0"}


def test_reports_have_to_be_newer_than_the_images():
    assert subject(context(), [], "2026-11-21T16:00:00Z")["newer_than"] == "2026-11-21T16:00:00Z"


def test_what_is_no_release_is_refused():
    with pytest.raises(AnsibleFilterError, match="not a release_context"):
        subject({}, [])
