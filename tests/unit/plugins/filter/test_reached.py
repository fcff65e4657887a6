# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.filter.reached import reached

COMPONENTS = {"web": {"target": "green"}, "api": {"target": "blue"}}


def test_each_component_has_come_as_far_as_its_own_new_colour():
    seen = [
        {"item": "web", "weights": {"blue": 75, "green": 25}},
        {"item": "api", "weights": {"blue": 0, "green": 100}},
    ]
    assert reached(seen, COMPONENTS) == {"web": 25, "api": 0}


def test_a_release_that_moved_nothing_was_not_looked_at():
    assert reached([{"item": "web", "skipped": True}], COMPONENTS) == {}


def test_what_is_no_entry_is_refused():
    with pytest.raises(AnsibleFilterError, match="not entries of the components"):
        reached([{"item": "web", "weights": {}}], COMPONENTS)
