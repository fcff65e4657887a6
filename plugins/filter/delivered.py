# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of messages, without their secrets."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.notify.outcome import outcomes

DOCUMENTATION = r"""
name: delivered
short_description: Tell which messages were delivered, and why the others were not
version_added: 0.1.0
description:
  - Takes the results of a loop over messages, and returns what may be shown and recorded of them.
  - Everything in a message that could be a secret is masked where a server or a module repeats it.
options:
  _input:
    description: The results, each with its message as C(item).
    type: list
    elements: dict
    required: true
author:
  - runbook.release contributors (@runbook-release)
seealso:
  - plugin: runbook.release.messages
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say what could not be delivered
  ansible.builtin.debug:
    msg: "{{ sent.results | runbook.release.delivered | rejectattr('delivered') }}"
"""

RETURN = r"""
_value:
  description: For each message whom it was for, whether it was taken, and C(why) not.
  type: list
  elements: dict
  sample:
    - {name: "slack #ops", delivered: false, why: "answered 500: Internal Server Error"}
"""


def delivered(results: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """What became of each message."""
    try:
        return outcomes(results)
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(
            f"delivered: these are no results of a loop over messages: {type(error).__name__}"
        ) from None


class FilterModule:
    """The filter ``runbook.release.delivered``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"delivered": delivered}
