# SPDX-License-Identifier: GPL-3.0-or-later
"""The windows of real runbooks, nights in which clocks change, freezes, and everything one can write wrongly."""

from __future__ import annotations

import builtins
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.filter.in_window import in_window
from ansible_collections.runbook.release.plugins.filter.next_window import next_window
from hypothesis import given, settings
from hypothesis import strategies as st

BANGKOK = {"rrule": "FREQ=WEEKLY;BYDAY=TU,WE;BYHOUR=2", "timezone": "Asia/Bangkok", "duration": "2h", "notice": "24h"}
WORKDAY = {"rrule": "FREQ=WEEKLY;BYDAY=TU,WE;BYHOUR=10", "timezone": "UTC", "duration": "4h"}
SUNDAY = {"rrule": "RRULE:FREQ=WEEKLY;BYDAY=SU;BYHOUR=2", "timezone": "UTC", "duration": 7200, "notice": "7d"}
BERLIN = {"rrule": "FREQ=WEEKLY;BYDAY=SU;BYHOUR=2;BYMINUTE=30", "timezone": "Europe/Berlin", "duration": "2h"}
MIDNIGHT = {"rrule": "FREQ=WEEKLY;BYDAY=FR;BYHOUR=23", "timezone": "America/New_York", "duration": "3h"}


@pytest.mark.parametrize(
    ("window", "at", "remaining"),
    [
        (BANGKOK, "2026-11-24T02:00:00+07:00", 7200),
        (BANGKOK, "2026-11-23T20:59:59Z", 1),
        (BANGKOK, "2026-11-23T21:00:00Z", 0),
        (BANGKOK, "2026-11-24T01:59:59+07:00", 0),
        (BANGKOK, "2026-11-25T03:00:00+07:00", 3600),
        (BANGKOK, "2026-11-27T03:00:00+07:00", 0),
        (BANGKOK, "2026-11-24T02:30:00Z", 0),
        (WORKDAY, "2026-11-24T13:59:00Z", 60),
        (WORKDAY, "2026-11-25T10:00:00Z", 14400),
        (WORKDAY, "2026-11-26T12:00:00Z", 0),
        (SUNDAY, "2026-11-22T02:00:00Z", 7200),
        (SUNDAY, "2026-11-22T04:00:00Z", 0),
        (SUNDAY, "2026-11-23T02:00:00Z", 0),
        (MIDNIGHT, "2026-11-27T23:30:00-05:00", 9000),
        (MIDNIGHT, "2026-11-28T01:59:00-05:00", 60),
        (MIDNIGHT, "2026-11-28T02:00:00-05:00", 0),
        (MIDNIGHT, "2026-11-27T01:00:00-05:00", 0),
    ],
)
def test_inside_or_not(window, at, remaining):
    answer = in_window([window], at)
    assert (answer["open"], answer["remaining"]) == (remaining > 0, remaining)
    assert bool(answer["reason"]) is (remaining == 0)


def test_all_that_a_refusal_says():
    answer = in_window([BANGKOK], "2026-11-22T14:00:00Z")
    assert answer == {
        "open": False,
        "remaining": 0,
        "ends": "",
        "freeze": {},
        "next": {
            "begins": "2026-11-23T19:00:00Z",
            "ends": "2026-11-23T21:00:00Z",
            "local": "2026-11-24T02:00:00+07:00",
            "timezone": "Asia/Bangkok",
            "wait": 29 * 3600,
            "window": 0,
            "notice_by": "2026-11-22T19:00:00Z",
        },
        "reason": "No window is open. The next one opens at 2026-11-23T19:00:00Z "
        "(2026-11-24T02:00:00+07:00 Asia/Bangkok).",
    }


def test_the_next_window_is_that_of_another_day():
    assert next_window([BANGKOK], "2026-11-24T02:00:00+07:00")["local"] == "2026-11-25T02:00:00+07:00"
    assert next_window([SUNDAY, WORKDAY], "2026-11-22T03:00:00Z")["window"] == 1
    assert next_window([SUNDAY], "2026-11-21T14:00:00Z")["notice_by"] == "2026-11-15T02:00:00Z"


def test_what_does_not_last_long_enough():
    answer = in_window([WORKDAY], "2026-11-24T13:30:00Z", need="45m")
    assert (answer["open"], answer["remaining"]) == (False, 1800)
    assert answer["reason"].startswith(
        "The window ends in 1800 s, and 2700 s are needed. The next one opens at 2026-11"
    )
    assert in_window([WORKDAY], "2026-11-24T13:15:00Z", need="45m")["open"]
    assert next_window([WORKDAY, {**SUNDAY, "duration": "6h"}], "2026-11-21T00:00:00Z", need="5h")["window"] == 1
    assert next_window([WORKDAY], "2026-11-21T00:00:00Z", need="5h") == {}


@pytest.mark.parametrize(
    ("day", "begins", "ends"),
    [
        ("2027-03-21", "2027-03-21T01:30:00Z", "2027-03-21T03:30:00Z"),
        ("2027-03-28", "2027-04-04T00:30:00Z", "2027-04-04T02:30:00Z"),
        ("2027-10-24", "2027-10-24T00:30:00Z", "2027-10-24T02:30:00Z"),
        ("2027-10-31", "2027-10-31T00:30:00Z", "2027-10-31T02:30:00Z"),
        ("2027-11-07", "2027-11-07T01:30:00Z", "2027-11-07T03:30:00Z"),
    ],
)
def test_when_the_clocks_change(day, begins, ends):
    """In spring 02:30 does not exist and nothing opens; in autumn it comes twice and opens once, for two real hours."""
    found = next_window([BERLIN], f"{day}T00:00:00+00:00")
    assert (found["begins"], found["ends"]) == (begins, ends)


def test_a_window_over_the_change_lasts_real_hours():
    before = {**BERLIN, "rrule": "FREQ=WEEKLY;BYDAY=SU;BYHOUR=1"}
    spring, autumn = (next_window([before], f"{day}T12:00:00Z") for day in ("2027-03-27", "2027-10-30"))
    assert (spring["begins"], spring["ends"]) == ("2027-03-28T00:00:00Z", "2027-03-28T02:00:00Z")
    assert (autumn["begins"], autumn["ends"]) == ("2027-10-30T23:00:00Z", "2027-10-31T01:00:00Z")


def test_windows_that_touch_are_one():
    later = {**WORKDAY, "rrule": "FREQ=WEEKLY;BYDAY=TU;BYHOUR=14", "duration": "1h"}
    answer = in_window([WORKDAY, later], "2026-11-24T13:00:00Z")
    assert (answer["remaining"], answer["ends"]) == (7200, "2026-11-24T15:00:00Z")
    assert answer["next"]["begins"] == "2026-11-25T10:00:00Z"


FREEZE = {"from": "2026-12-21", "to": "2027-01-03", "timezone": "Asia/Bangkok", "reason": "end of the year"}


@pytest.mark.parametrize(
    ("at", "frozen"),
    [
        ("2026-12-20T23:59:59+07:00", False),
        ("2026-12-21T00:00:00+07:00", True),
        ("2027-01-03T23:59:59+07:00", True),
        ("2027-01-04T00:00:00+07:00", False),
    ],
)
def test_the_days_of_a_freeze(at, frozen):
    answer = in_window([], at, [FREEZE])
    assert (answer["open"], bool(answer["freeze"])) == (not frozen, frozen)


def test_a_freeze_beats_a_window_and_is_named():
    answer = in_window([BANGKOK], "2026-12-22T02:30:00+07:00", [FREEZE])
    assert not answer["open"]
    assert answer["freeze"] == {
        "from": "2026-12-20T17:00:00Z",
        "to": "2027-01-03T17:00:00Z",
        "reason": FREEZE["reason"],
    }
    assert answer["next"]["local"] == "2027-01-05T02:00:00+07:00"
    assert answer["reason"].startswith(
        "A freeze forbids releases until 2027-01-03T17:00:00Z: end of the year. The next"
    )


def test_a_freeze_cuts_a_window():
    cut = {"from": "2026-11-24T11:00:00Z", "to": "2026-11-24T12:00:00Z", "reason": "an exam"}
    assert in_window([WORKDAY], "2026-11-24T10:30:00Z", [cut])["remaining"] == 1800
    assert next_window([WORKDAY], "2026-11-24T10:30:00Z", [cut])["begins"] == "2026-11-24T12:00:00Z"
    assert in_window([WORKDAY], "2026-11-24T12:00:00Z", [cut])["remaining"] == 7200


def test_of_two_freezes_the_longer_one_is_named():
    short = {"from": date(2026, 12, 22), "to": date(2026, 12, 22), "reason": "a holiday"}
    assert in_window([], "2026-12-22T12:00:00Z", [short, FREEZE])["freeze"]["reason"] == "end of the year"


def test_without_windows_a_freeze_to_come_is_the_end():
    answer = in_window([], "2026-12-20T00:00:00Z", [FREEZE])
    assert (answer["open"], answer["remaining"], answer["ends"]) == (True, 61200, "2026-12-20T17:00:00Z")
    assert (answer["next"]["window"], answer["next"]["ends"]) == (-1, "")


def test_without_anything_it_is_always_open():
    answer = in_window([], 1795546800)
    assert (answer["open"], answer["remaining"], answer["ends"], answer["next"]) == (True, None, "", {})


def test_a_rule_that_ended_opens_no_more():
    ended = {**WORKDAY, "rrule": "FREQ=WEEKLY;BYDAY=TU;BYHOUR=10;UNTIL=20261124T100000Z"}
    assert in_window([ended], "2026-11-24T10:00:00Z")["open"]
    answer = in_window([ended], "2026-12-01T10:00:00Z")
    assert answer["reason"] == "No window is open. None opens within 400 days."


@pytest.mark.parametrize(
    ("rrule", "begins"),
    [
        ("FREQ=MONTHLY;BYDAY=1TU,3TU;BYHOUR=10", "2026-12-01T10:00:00Z"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=22;BYMINUTE=15", "2026-11-30T22:15:00Z"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "2028-02-29T00:00:00Z"),
        ("FREQ=DAILY", "2026-11-25T00:00:00Z"),
    ],
)
def test_other_rules(rrule, begins):
    at = "2027-06-01T00:00:00Z" if begins.startswith("2028") else "2026-11-24T19:00:00Z"
    assert next_window([{"rrule": rrule, "timezone": "UTC", "duration": "1h"}], at)["begins"] == begins


def test_a_rule_that_never_holds_opens_nothing():
    never = {"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "timezone": "UTC", "duration": "1h"}
    assert next_window([never], 1795546800) == {}


@pytest.mark.parametrize("at", [1795546800, "1795546800", 1795546800.9, datetime(2026, 11, 24, 19, tzinfo=UTC)])
def test_ways_to_name_a_moment(at):
    assert next_window([WORKDAY], at)["begins"] == "2026-11-25T10:00:00Z"


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ({**BANGKOK, "rrule": "FREQ=WEEKLY;BYDAY=XX"}, "windows[0].rrule is 'FREQ=WEEKLY;BYDAY=XX', not a rule"),
        ({**BANGKOK, "rrule": "every tuesday"}, "windows[0].rrule is 'every tuesday', not a rule"),
        ({**BANGKOK, "rrule": "FREQ=WEEKLY;BYDAY=TU;BYDAY=WE"}, "windows[0].rrule"),
        ({**BANGKOK, "rrule": "BYDAY=TU"}, "windows[0].rrule has FREQ="),
        ({**BANGKOK, "rrule": "FREQ=MINUTELY"}, "windows[0].rrule has FREQ=MINUTELY"),
        ({**BANGKOK, "rrule": "FREQ=HOURLY"}, "windows[0].rrule has FREQ=HOURLY"),
        ({**BANGKOK, "rrule": "FREQ=WEEKLY;BYHOUR=2"}, "does not say on which day"),
        ({**BANGKOK, "rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"}, "INTERVAL above 1"),
        ({**BANGKOK, "rrule": "FREQ=DAILY;COUNT=3"}, "COUNT"),
        ({**BANGKOK, "rrule": "FREQ=DAILY;UNTIL=2026Z"}, "windows[0].rrule has UNTIL=2026Z"),
        ({**BANGKOK, "timezone": "Asia/Bangkokk"}, "windows[0].timezone is 'Asia/Bangkokk', not a known time zone"),
        ({**BANGKOK, "timezone": "../etc/passwd"}, "windows[0].timezone"),
        ({**BANGKOK, "duration": "two hours"}, "windows[0].duration is 'two hours', not a duration"),
        ({**BANGKOK, "duration": 0}, "windows[0].duration is 0"),
        ({**BANGKOK, "duration": "32d"}, "windows[0].duration is 32d"),
        ({**BANGKOK, "duration": True}, "windows[0].duration is True"),
        ({**BANGKOK, "notice": "soon"}, "windows[0].notice is 'soon'"),
        ({**BANGKOK, "notise": "1h"}, "windows[0].notise is not a known key"),
        ({"rrule": BANGKOK["rrule"], "duration": "2h"}, "windows[0].timezone is missing"),
        ("FREQ=DAILY", "windows[0] is 'FREQ=DAILY', not a mapping"),
    ],
)
def test_a_wrong_window_names_its_field(window, said):
    with pytest.raises(AnsibleFilterError) as error:
        in_window([window], 1795546800)
    assert said in str(error.value)
    assert "Do:" in str(error.value)


@pytest.mark.parametrize(
    ("freeze", "said"),
    [
        ({**FREEZE, "from": "christmas"}, "freezes[0].from is 'christmas', not a moment"),
        ({**FREEZE, "to": "2026-12-01"}, "freezes[0].to is 2026-12-01, not after freezes[0].from"),
        ({**FREEZE, "timezone": "Mars"}, "freezes[0].timezone"),
        ({**FREEZE, "reason": ""}, "freezes[0].reason is missing"),
    ],
)
def test_a_wrong_freeze_names_its_field(freeze, said):
    with pytest.raises(AnsibleFilterError) as error:
        next_window([], 1795546800, [freeze])
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("windows", "at", "said"),
    [
        ({}, 1795546800, "windows is {}, not a list"),
        ([], "2026-11-24T02:00:00", "add Z or an offset"),
        ([], "tomorrow", "at is 'tomorrow', not a moment"),
        ([], True, "at is True"),
    ],
)
def test_other_wrong_input(windows, at, said):
    with pytest.raises(AnsibleFilterError, match="Do:") as error:
        in_window(windows, at)
    assert said in str(error.value)


@pytest.mark.parametrize("filter_of", [in_window, next_window])
def test_a_missing_library_is_named(monkeypatch, filter_of):
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("dateutil"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(AnsibleFilterError, match="install it"):
        filter_of([BANGKOK], 1795546800)


ZONES = ("Asia/Bangkok", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC")


@settings(max_examples=80, deadline=None)
@given(
    at=st.integers(1_767_225_600, 1_830_297_600),
    zone=st.sampled_from(ZONES),
    hour=st.integers(0, 23),
    hours=st.integers(1, 30),
)
def test_a_daily_window_agrees_with_plain_counting(at, zone, hour, hours):
    """Oracle: of the local days around the moment, does one begin at that hour less than its duration ago?"""
    place, now = ZoneInfo(zone), datetime.fromtimestamp(at, UTC)
    begins = [
        datetime(day.year, day.month, day.day, hour, tzinfo=place)
        for day in (now.astimezone(place).date() + timedelta(days=shift) for shift in range(-3, 2))
    ]
    real = [one.astimezone(UTC) for one in begins if one.astimezone(UTC).astimezone(place).hour == hour]
    expected = any(one <= now < one + timedelta(hours=hours) for one in real)
    window = {"rrule": f"FREQ=DAILY;BYHOUR={hour}", "timezone": zone, "duration": f"{hours}h"}
    answer = in_window([window], at)
    assert answer["open"] == expected
    assert answer["remaining"] > 0 if expected else answer["next"]["wait"] > 0
