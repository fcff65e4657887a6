# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import threading
from dataclasses import replace

from ansible_collections.runbook.release.plugins.module_utils.postgres.store.claim import Holder, Renewal, gone

LONG = 1e9


def test_a_process_that_lives_here_is_not_gone_however_silent():
    assert not gone(Holder.parse(Holder.me().to_bytes()), LONG)


def test_a_process_that_died_here_is_gone_at_once():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert gone(replace(Holder.me(), pid=child), 0)


def test_another_process_with_the_number_of_a_dead_one_is_not_it():
    assert gone(replace(Holder.me(), began="1"), 0)


def test_a_process_elsewhere_is_gone_after_a_long_silence_alone():
    holder = replace(Holder.me(), world="another machine")
    assert not gone(holder, 60)
    assert gone(holder, LONG)


def test_a_claim_nobody_can_read_is_judged_by_its_silence():
    assert Holder.parse(b"{") is None
    assert Holder.parse(b'{"who": 1}') is None
    assert not gone(None, 60)
    assert gone(None, LONG)


def test_a_claim_is_renewed_until_it_is_stopped():
    renewed = threading.Semaphore(0)
    renewal = Renewal(renewed.release, every=0.001)
    assert renewed.acquire(timeout=10)
    assert renewed.acquire(timeout=10)
    renewal.stop()
    assert not renewal._thread.is_alive()
