# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reports of a release have to be about."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.release.plugins.module_utils.tor.subject import subject_of

DOCUMENTATION = r"""
name: subject
short_description: Say what the reports of a release have to be about
version_added: 0.1.0
description:
  - Takes the fact C(release_context) and returns O(runbook.release.tor_validate#module:subject).
  - The images of a component are those that its source, or the manifests made from it, name by their digests. The
    manifests are known when M(runbook.release.helm_bluegreen) was run with C(diff=true), as
    P(runbook.release.plan#role) does.
options:
  _input:
    description: The fact C(release_context).
    type: dict
    required: true
  components:
    description: The components, as O(runbook.release.plan#role:main:release_components).
    type: list
    elements: dict
    required: true
  built:
    description: When the images were built, in ISO 8601 with its time zone or in seconds since the epoch.
    type: str
    default: ""
author:
  - runbook.release contributors (@runbook-release)
"""

EXAMPLES = r"""
- name: Accept only reports on what is released
  runbook.release.tor_validate:
    subject: "{{ release_context | runbook.release.subject(release_components, '2026-11-21T16:00:00Z') }}"
    criteria:
      - name: no critical vulnerability
        source: {kind: trivy, path: build/trivy.json, component: shop}
        select: critical
        expect: == 0
"""

RETURN = r"""
_value:
  description: C(version), C(images) by component and C(newer_than), each if it is known.
  type: dict
  sample:
    version: "1.4.0"
    newer_than: "2026-11-21T16:00:00Z"
    images:
      shop: ["sha256:6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090"]
"""


def subject(context: dict[str, t.Any], components: t.Sequence[dict[str, t.Any]], built: t.Any = "") -> dict[str, t.Any]:
    """Return the option ``subject`` of tor_validate for the release that ``context`` is about."""
    try:
        return subject_of(str(context["version"]), components, context.get("components") or {}, str(built or ""))
    except (AttributeError, KeyError, TypeError) as error:
        raise AnsibleFilterError(f"subject: this is not a release_context and its components: {error!r}") from error


class FilterModule:
    """The filter ``runbook.release.subject``."""

    def filters(self) -> dict[str, t.Callable[..., dict[str, t.Any]]]:
        return {"subject": subject}
