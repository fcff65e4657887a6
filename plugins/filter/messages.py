# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent to whom when something happens to a release."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.errors import ReleaseError
from ansible_collections.runbook.release.plugins.module_utils.notify.message import messages as worded

DOCUMENTATION = r"""
name: messages
short_description: Turn a text into one message for everybody who is told of an event
version_added: 0.1.0
description:
  - Takes who is told of what, and returns one message for each target of O(event), worded as its kind needs it.
  - A text may quote what a cluster or a server said. Control characters are taken out, so that no mail gets another
    header by it, and what Slack takes for mentions and links is escaped.
options:
  _input:
    description: Who is told of what, as O(runbook.release.plan#role:main:release_notify).
    type: list
    elements: dict
    required: true
  event:
    description: What happened.
    type: str
    required: true
  text:
    description: The text; its first line is the subject.
    type: str
    required: true
  facts:
    description: What is known of it, for a target that takes more than a text.
    type: dict
    required: true
  at:
    description: Epoch seconds, for targets that are told in their C(hours) only.
    type: float
    required: true
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Show what would be sent
  ansible.builtin.debug:
    msg: "{{ release_notify | runbook.release.messages('begins', text, {'system': 'shop'}, now(utc=true).timestamp())
         | map(attribute='subject', default='') }}"
  vars:
    text: "{{ lookup('ansible.builtin.template', 'begins.txt.j2') }}"
"""

RETURN = r"""
_value:
  description:
    - One message for each target, with the C(name) by which reports call it, all keys of its C(to), and what is sent.
    - It has the secrets of the target, so no task may show it.
  type: list
  elements: dict
  sample:
    - name: "slack #ops"
      kind: slack
      channel: "#ops"
      subject: shop 1.4.0 is live in prod
      body: "Requests: 5120, lost: 0."
      colour: good
"""


def messages(
    entries: list[dict[str, t.Any]], event: str, text: str, facts: dict[str, t.Any], at: float
) -> list[dict[str, t.Any]]:
    """One message for each target of ``event``."""
    try:
        return worded(entries, event, text, facts, float(at))
    except ReleaseError as error:
        raise AnsibleFilterError(f"messages: {error}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"messages: this does not say who is told of what: {type(error).__name__}") from None


class FilterModule:
    """The filter ``runbook.release.messages``."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"messages": messages}
