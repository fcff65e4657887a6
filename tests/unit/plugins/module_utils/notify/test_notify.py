# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told of what and in which words, and what is shown of a message that was not delivered."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.runbook.release.plugins.module_utils.notify.message import local, messages, parts, slack
from ansible_collections.runbook.release.plugins.module_utils.notify.outcome import outcomes
from ansible_collections.runbook.release.plugins.module_utils.notify.targets import mistakes, name_of

MAIL = {"kind": "mail", "host": "mail", "sender": "a@example.com", "recipients": ["b@example.com"]}
SLACK = {"kind": "slack", "token": "xoxb-planted"}
HOOK = {"kind": "webhook", "url": "https://hook.example.com/services/planted?sig=planted"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            {"events": ["releasd"], "to": SLACK},
            "release_notify[0].events names releasd. Do: use notice, approval, begins",
        ),
        ({"events": ["failed"], "to": {"kind": "pigeon"}}, "release_notify[0].to.kind is pigeon. Do: use mail, slack"),
        ({"events": ["failed"], "to": {"kind": "slack"}}, "release_notify[0].to.token is missing, which slack needs."),
        ({"events": ["failed"], "to": {**SLACK, "url": "x"}}, "release_notify[0].to.url is nothing that slack reads."),
        (
            {"events": ["failed"], "to": {**MAIL, "tls": "never", "password": "p"}},
            "the password would be sent in clear",
        ),
        (
            {"events": ["failed"], "to": {**HOOK, "status": {"begins": "Maintenance"}}},
            "release_notify[0].to.status names begins, of which it is not told",
        ),
        (
            {"events": ["failed"], "to": SLACK, "hours": [{"rrule": "x"}]},
            "release_notify[0].hours is wrong: windows[0]",
        ),
    ],
)
def test_what_could_never_be_delivered_is_named_with_its_variable(entry: dict[str, Any], said: str) -> None:
    (sentence,) = mistakes([entry])
    assert said in sentence


def test_two_targets_of_an_event_cannot_have_the_same_name() -> None:
    both = [{"events": ["failed"], "to": SLACK}, {"events": ["begins", "failed"], "to": SLACK}]
    assert mistakes(both) == [
        "release_notify[1] tells slack of failed, and so does another one. Do: give one of them another to.name."
    ]
    assert mistakes([both[0], {"events": ["failed"], "to": {**SLACK, "name": "other"}}]) == []


def test_a_name_has_nothing_of_an_address_but_its_host() -> None:
    assert [name_of(one) for one in (HOOK, MAIL, SLACK)] == ["webhook hook.example.com", "mail b@example.com", "slack"]


def test_a_subject_is_one_line_whatever_is_in_it() -> None:
    subject, body = parts("shop\r\x0bBcc: all@example.com\u2028failed\nWhy\r\n\n\n\nnot\x1b[31m \u202ered")
    assert subject == "shop Bcc: all@example.com failed"
    assert body == "Why \n\nnot [31m  red"
    assert len(parts("x" * 999)[0]) == 200


def test_slack_finds_no_mention_and_no_link() -> None:
    assert slack("<!channel> <http://a|b> & c") == "&lt;!channel&gt; &lt;http://a|b&gt; &amp; c"


def test_only_who_asked_for_an_event_gets_it_and_facts_that_are_not_known_are_left_out() -> None:
    entries = [{"events": ["failed"], "to": HOOK}, {"events": ["begins"], "to": MAIL}]
    (message,) = messages(entries, "failed", "It failed\nbadly", {"system": "shop", "why": "a\nb", "plan": ""}, 0)
    assert message["body"] == {
        "event": "failed",
        "subject": "It failed",
        "text": "badly",
        "system": "shop",
        "why": "a b",
    }


def test_a_page_of_the_status_gets_what_it_says_of_an_event() -> None:
    entries = [{"events": ["notice", "released"], "to": {**HOOK, "status": {"notice": "Maintenance Scheduled"}}}]
    assert mistakes(entries) == []
    (notice,), (released,) = (messages(entries, event, "Soon", {}, 0) for event in ("notice", "released"))
    assert notice["body"] == {"event": "notice", "subject": "Soon", "text": "", "status": "Maintenance Scheduled"}
    assert "status" not in released["body"]


def test_what_is_shown_of_a_failure_has_its_cause_and_none_of_its_secrets() -> None:
    item = {**HOOK, "name": "hook", "body": {}}
    long = "x" * 500 + f" {HOOK['url']} /services/planted?sig=planted: HTTP Error 500"
    (shown,) = outcomes([{"item": item, "failed": True, "msg": long}])
    assert shown["delivered"] is False
    assert shown["why"].endswith("HTTP Error 500")
    assert "planted" not in shown["why"]
    assert len(shown["why"]) <= 202


def test_a_mail_that_some_recipients_do_not_get_is_not_delivered() -> None:
    item = {**MAIL, "name": "mail"}
    (shown,) = outcomes([{"item": item, "result": {"b@example.com": [550, "no"]}, "msg": "at least one"}])
    assert (shown["delivered"], shown["why"]) == (False, "refused for b@example.com")


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({"skipped": True}, "the time for telling was up"),
        ({"failed": True, "timedout": {"period": 10}}, "no answer in time"),
        ({"failed": True, "status": 404, "msg": "Not Found"}, "answered 404: Not Found"),
        ({"failed": True}, "it failed and did not say why"),
    ],
)
def test_every_way_to_fail_is_told_apart(result: dict[str, Any], why: str) -> None:
    (shown,) = outcomes([{"item": {**SLACK, "name": "slack"}, **result}])
    assert shown == {"name": "slack", "delivered": False, "why": why}


def test_a_moment_has_the_name_of_its_zone() -> None:
    assert local("2026-11-24T19:00:00Z", "Asia/Bangkok") == "2026-11-25 02:00 Asia/Bangkok (+07:00)"
    assert local(0, "UTC") == "1970-01-01 00:00 UTC"
