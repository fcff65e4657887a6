# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines on the screen: what became of each release, and why."""

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
type: aggregate
short_description: Print the outcome of each release as the last lines on the screen
version_added: 0.1.0
description:
  - Prints, after the recap, one line for each host that ran a release, taken from the statistic C(release_outcome)
    which the role P(runbook.release.report#role) sets.
  - Prints the message of the failure for hosts that stopped before a release began, and after the outcome for those
    where something else failed than what the outcome tells.
requirements:
  - Enable it with C(callbacks_enabled = runbook.release.summary) in C(ansible.cfg) or E(ANSIBLE_CALLBACKS_ENABLED).
author:
  - runbook.release contributors (@runbook-release)
"""

import typing as t

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Remembers each host's last failure; prints outcomes when the play book ends."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "runbook.release.summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._failures: dict[str, str] = {}

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._remember(result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._remember(result)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        outcomes = {
            host: custom["release_outcome"] for host, custom in stats.custom.items() if "release_outcome" in custom
        }
        failed = {*stats.failures, *stats.dark}
        for host in sorted({*outcomes, *failed}):
            self._print(host, outcomes.get(host), self._failures.get(host, "failed") if host in failed else "")

    def _remember(self, result: t.Any) -> None:
        items = [item for item in result._result.get("results", []) if item.get("failed")] or [result._result]
        messages = [" ".join(str(item["msg"]).split()) for item in items if item.get("msg")]
        if messages:
            self._failures[result._host.get_name()] = " ".join(messages)

    def _print(self, host: str, outcome: dict[str, t.Any] | None, failure: str) -> None:
        if outcome is None:
            self._display.display(f"{host}: {failure}", color="red")
            return
        sentence = outcome["sentence"]
        if failure not in " ".join(sentence.split()):
            sentence = f"{sentence} {failure}"
        self._display.display(f"{host}: {sentence}", color="red" if failure else "green")
