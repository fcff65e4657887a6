# SPDX-License-Identifier: GPL-3.0-or-later
"""What the registry of Debian does not do, against a stand-in: pages of tags, other servers, and answers that lie.

The real registry is asked in ``tests/services_cases/test_registry_images.py``.
"""

from __future__ import annotations

import http.server
import json
import threading
import time

import pytest
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.images.observe import observe, tagged
from ansible_collections.runbook.release.plugins.module_utils.images.registry import Login, Registry, digest_of


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_args):
        """Quiet."""

    def do_GET(self):
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization")))
        status, headers, body = self.server.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_DELETE = do_GET


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as own:
        own.answers, own.asked, own.url = {}, [], f"http://127.0.0.1:{own.server_port}"
        threading.Thread(target=own.serve_forever, args=(0.01,), daemon=True).start()
        yield own
        own.shutdown()


def registry(server, password="", **more):
    return Registry(server.url, "a/b", Login("me" if password else "", password), time.monotonic() + 30, **more)


def put(server, document, *tags):
    body = json.dumps(document).encode()
    for reference in (digest_of(body), *tags):
        server.answers[f"/v2/a/b/manifests/{reference}"] = (200, {}, body)
    return digest_of(body)


def page(server, query, names, link=""):
    body = json.dumps({"name": "a/b", "tags": names}).encode()
    server.answers[f"/v2/a/b/tags/list?{query}"] = (200, {"Link": link} if link else {}, body)


def test_all_pages_of_the_list_of_tags_are_read(server):
    page(server, "n=2", ["1", "2"], '</v2/a/b/tags/list?last=2&n=2>; rel="next"')
    page(server, "last=2&n=2", ["3"], '<?last=3&n=2>; rel="next"')
    page(server, "last=3&n=2", None, '</v2/a/b/tags/list?n=2>; rel="first"')
    assert registry(server, page=2).tags() == ["1", "2", "3"]


def test_a_list_of_tags_that_goes_on_at_another_server_or_for_ever_is_not_followed(server, monkeypatch):
    page(server, "n=2", ["1"], '<http://127.0.0.2:1/v2/a/b/tags/list>; rel="next"')
    with pytest.raises(ReleaseError, match="goes on at another server"):
        registry(server, page=2).tags()
    monkeypatch.setattr("ansible_collections.runbook.release.plugins.module_utils.images.registry._MOST_PAGES", 3)
    page(server, "n=3", ["1"], '</v2/a/b/tags/list?n=3>; rel="next"')
    with pytest.raises(ReleaseError, match="more than 3 pages"):
        registry(server, page=3).tags()


def test_a_manifest_that_is_not_what_its_digest_says_is_not_believed(server):
    digest = put(server, {"schemaVersion": 2})
    server.answers[f"/v2/a/b/manifests/{digest}"] = (200, {}, b'{"schemaVersion": 3}')
    with pytest.raises(ReleaseError, match="The registry answered with sha256:"):
        registry(server).manifest(digest)


def test_a_digest_that_is_not_told_is_computed_and_a_tag_that_went_meanwhile_is_none(server):
    digest = put(server, {"schemaVersion": 2}, "1")
    page(server, "n=500", ["1", "gone"])
    assert tagged(registry(server)) == {"1": digest}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({"annotations": {"org.opencontainers.image.created": "2026-01-02T00:00:00Z"}}, 1767312000.0),
        ({"annotations": {"org.opencontainers.image.created": "1970-01-01T00:00:00Z"}}, None),
        ({"annotations": {"org.opencontainers.image.created": "yesterday"}}, None),
        ({"annotations": None, "config": None}, None),
    ],
)
def test_when_it_was_made_is_what_the_image_says_and_no_begin_of_time(server, made, expected):
    part = put(server, {"schemaVersion": 2, **made})
    whole = put(server, {"schemaVersion": 2, "manifests": [{"digest": part}, {"digest": f"sha256:{0:064}"}]}, "1")
    found = {one.digest: one for one in observe(registry(server), {"1": whole})}
    assert found[part].created == found[whole].created == expected
    assert found[whole].tags == ("1",)
    assert found[whole].parts[0] == part


def test_who_is_refused_sends_no_password_to_whoever_asks_for_another_way(server):
    server.answers["/v2/a/b/tags/list?n=500"] = (401, {"WWW-Authenticate": "Negotiate"}, b"")
    with pytest.raises(ReleaseError, match="answered with 401") as told:
        registry(server, "a-password").tags()
    assert "a-password" not in str(told.value)
    assert {login for *_rest, login in server.asked} == {None}


def test_nothing_is_sent_to_where_a_deletion_is_redirected(server):
    digest = put(server, {"schemaVersion": 2})
    server.answers[f"/v2/a/b/manifests/{digest}"] = (307, {"Location": "/elsewhere"}, b"")
    with pytest.raises(ReleaseError, match="DELETE was answered with 307"):
        registry(server).delete(digest)
    assert [path for _method, path, _login in server.asked] == [f"/v2/a/b/manifests/{digest}"]


def test_what_is_gone_already_is_deleted(server):
    registry(server).delete(f"sha256:{1:064}")
    assert [method for method, *_rest in server.asked] == ["DELETE"]
