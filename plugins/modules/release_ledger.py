#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_ledger
short_description: Record what a release did, and prove later that nobody changed the record
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Keeps the ledger of a release in the cluster. Entries are only ever added. Each one carries the SHA-256 of the one
    before, of its canonical JSON by RFC 8785.
  - Entries lie in ConfigMaps named C(ledger-<release>-<n>) with the label C(runbook.release/ledger). A full one becomes
    immutable; sealing makes the last one immutable too. However many add at the same time, each entry gets its own
    number.
  - Verification names every entry that was altered, reordered, repeated or removed.
  - Who may write ConfigMaps can cut the newest entries off, or write the whole ledger anew, and nothing in the cluster
    tells. A head that is kept outside does, which is what O(mirror), O(signing_key) and O(pinned) are for.
options:
  namespace:
    description: Namespace the ledger is kept in.
    type: str
    required: true
  release:
    description: Id of the release. Lower-case letters, digits, dots and hyphens, at most 63.
    type: str
    required: true
  state:
    description:
      - V(appended) adds O(entry).
      - V(verified) fails when anything is wrong with the ledger or its mirror, and names it.
      - V(sealed) adds a last entry that says V(sealed). Nothing can be added afterwards.
      - V(exported) verifies the ledger and writes it to O(target), together with O(files) and a signed statement.
    type: str
    choices: [appended, verified, sealed, exported]
    default: appended
  entry:
    description:
      - What happened. Required with O(state=appended).
      - It may have 32 KiB. Record the SHA-256 of what is larger.
    type: dict
    suboptions:
      what:
        description: What was done, or is about to be done.
        type: str
        required: true
      before:
        description: How things were before, any value JSON can hold.
        type: raw
      after:
        description: How things are now, or how they will be.
        type: raw
  secret:
    description:
      - Keys, at any depth of O(entry.before) and O(entry.after), whose values are hashed before anything is recorded.
        The same value under the same key has the same hash within a release.
      - Where such a value of eight or more characters stands elsewhere in the entry, it is masked.
    type: list
    elements: str
    default: []
  fence:
    description:
      - Fencing token of the lock the release is under. An entry with a lower one than the newest entry is refused.
    type: int
    default: 0
  who:
    description: Who does it. User and host of the machine the module runs on if not set.
    type: str
  mirror:
    description:
      - Folder for a copy of the ledger on the machine the module runs on, readable for its owner only. Give each
        release its own.
      - An entry is in the cluster before it is mirrored. The mirror also gets what others added meanwhile.
      - With O(state=verified) and O(state=exported) it is verified too, and the ledger has to agree with it.
    type: path
  pinned:
    description: A head of this ledger that was kept elsewhere. The ledger has to contain it.
    type: dict
    suboptions:
      number:
        description: Number of the entry.
        type: int
        required: true
      sha256:
        description: Its SHA-256.
        type: str
        required: true
      signature:
        description: Signature of the head. Required with O(allowed_signers).
        type: str
  signing_key:
    description:
      - File with an SSH private key. Required with O(state=exported), which takes ed25519, ecdsa (nistp256) and rsa
        keys without a passphrase.
      - With O(state=appended) and O(state=sealed) it signs the new head, by C(ssh-keygen -Y) in the namespace
        C(runbook.release), and O(mirror) keeps the signed head. For a key in an SSH agent give its public key.
    type: path
  allowed_signers:
    description:
      - File that says whose signatures count, in the format of C(ssh-keygen). With O(state=verified) and
        O(state=exported), every signed head has to be by one of them.
    type: path
  files:
    description: Files and folders to put into the archive.
    type: list
    elements: path
    default: []
  target:
    description: Path of the archive, a C(.tar.gz). Required with O(state=exported).
    type: path
  timestamp:
    description: An RFC 3161 authority that says when the statement was signed. C(openssl ts -verify) checks it.
    type: dict
    suboptions:
      url:
        description: Where it answers.
        type: str
        required: true
      ca_cert:
        description: Certificate that its time stamps are proven by, in PEM.
        type: path
        required: true
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - The entry is sent as a server-side dry run and returned. Nothing is mirrored, signed or exported.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - O(state=appended) adds an entry every time. The other states change nothing the second time.
requirements:
  - rfc8785
  - OpenSSH 8.2 or newer, to sign and to verify heads
  - cryptography, to export
  - OpenSSL, for O(timestamp)
notes:
  - Ansible logs the options of a module and shows them in its most verbose output before this module can hash
    anything. Set C(no_log) on a task with O(secret).
"""

EXAMPLES = r"""
- name: Record that traffic is about to move
  runbook.release.release_ledger:
    namespace: shop
    release: shop-1.4.0-20261121
    entry:
      what: shift shop
      before: {blue: 100, green: 0}
      after: {blue: 75, green: 25}
    fence: 7
    mirror: /var/lib/releases/shop-1.4.0-20261121/ledger

- name: Record new settings, with the password hashed
  runbook.release.release_ledger:
    namespace: shop
    release: shop-1.4.0-20261121
    entry:
      what: settings of shop
      before: "{{ old_settings }}"
      after: "{{ new_settings }}"
    secret: [password]
  no_log: true

- name: Seal the ledger, and sign its head
  runbook.release.release_ledger:
    namespace: shop
    release: shop-1.4.0-20261121
    state: sealed
    signing_key: ~/.ssh/id_ed25519
  register: sealed

- name: Verify it, against the head that was kept
  runbook.release.release_ledger:
    namespace: shop
    release: shop-1.4.0-20261121
    state: verified
    pinned: "{{ sealed.head }}"
    allowed_signers: /etc/releases/allowed_signers

- name: Hand it to the auditor
  runbook.release.release_ledger:
    namespace: shop
    release: shop-1.4.0-20261121
    state: exported
    signing_key: ~/.ssh/id_ed25519
    files: [/var/lib/releases/shop-1.4.0-20261121]
    target: /srv/audit/shop-1.4.0-20261121.tar.gz
"""

RETURN = r"""
entry:
  description: The entry as it is recorded, with secrets hashed.
  type: dict
  returned: with O(state=appended) and O(state=sealed), also when only the mirror failed
  contains:
    number:
      description: Its number, from 1 on without gaps.
      type: int
    what:
      description: What was done.
      type: str
    before:
      description: How things were before.
      type: raw
    after:
      description: How things are now.
      type: raw
    who:
      description: Who did it.
      type: str
    when:
      description: When, in UTC by the clock of the machine the module ran on.
      type: str
    fence:
      description: Fencing token.
      type: int
    previous:
      description: SHA-256 of the entry before; of the release's id for the first entry.
      type: str
    sha256:
      description: SHA-256 of the canonical JSON of all the other fields.
      type: str
  sample:
    number: 3
    what: shift shop
    before: {blue: 100, green: 0}
    after: {blue: 75, green: 25}
    who: ops@deploy-1
    when: "2026-11-21T02:10:44.120935Z"
    fence: 7
    previous: 0f343b0931126a20f133d67c2b018a3b5d1f2a1d6c6a4f6b0c9d5e1b8e0f2a77
    sha256: 6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090
head:
  description: Number and SHA-256 of the newest entry. Keep it elsewhere, and give it as O(pinned) later.
  type: dict
  returned: success, also when only the mirror failed
  contains:
    number:
      description: Its number.
      type: int
    sha256:
      description: Its SHA-256.
      type: str
    signature:
      description: Signature by O(signing_key), as C(ssh-keygen -Y sign) writes it.
      type: str
      returned: with O(signing_key) and O(state=appended) or O(state=sealed), not in check mode
  sample:
    number: 3
    sha256: 6ca13d52ca70c883e0f0bb101e425a89e8624de51db2d2392593af6a84118090
entries:
  description: How many entries there are.
  type: int
  returned: success with O(state=verified) and O(state=exported)
  sample: 42
sealed:
  description: Whether the ledger is sealed.
  type: bool
  returned: success with O(state=verified) and O(state=exported)
  sample: true
signers:
  description: Who signed the heads that are signed; empty without O(allowed_signers).
  type: list
  elements: str
  returned: success with O(state=verified) and O(state=exported)
  sample: [ops@example.com]
findings:
  description: What is wrong with the ledger.
  type: list
  elements: dict
  returned: with O(state=verified), and when O(state=exported) found something
  contains:
    source:
      description: Which copy it is about, V(cluster) or V(mirror).
      type: str
    kind:
      description: One of V(altered), V(missing), V(reordered), V(repeated) and V(cut).
      type: str
    number:
      description: The entry, or the first one.
      type: int
    until:
      description: The last entry it is about.
      type: int
    sentence:
      description: The same for people.
      type: str
  sample:
    - source: cluster
      kind: cut
      number: 41
      until: 42
      sentence: "entries 41 to 42 are cut off: the ledger once had 42"
archive:
  description: The archive.
  type: dict
  returned: success with O(state=exported)
  contains:
    path:
      description: Where it is.
      type: str
    sha256:
      description: Its SHA-256.
      type: str
      returned: when it is there
    keyid:
      description: Fingerprint of the key that signed it.
      type: str
    files:
      description: Name, size and SHA-256 of each file the signed statement names.
      type: list
      elements: dict
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.ledger.chain import Draft
from ansible_collections.runbook.release.plugins.module_utils.ledger.hide import clear_texts
from ansible_collections.runbook.release.plugins.module_utils.ledger.operate import (
    Outside,
    append,
    hand_out,
    seal,
    verified,
)
from ansible_collections.runbook.release.plugins.module_utils.ledger.store import Store
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import holder_of
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)


def ledger_argument_spec() -> ArgumentSpec:
    number, text = {"type": "int", "required": True}, {"type": "str", "required": True}
    entry = {"what": text, "before": {"type": "raw"}, "after": {"type": "raw"}}
    pinned = {"number": number, "sha256": text, "signature": {"type": "str"}}
    stamp = {"url": text, "ca_cert": {"type": "path", "required": True}}
    return ArgumentSpec(
        {
            "namespace": text,
            "release": text,
            "state": {"type": "str", "choices": ["appended", "verified", "sealed", "exported"], "default": "appended"},
            "entry": {"type": "dict", "options": entry},
            "secret": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "fence": {"type": "int", "default": 0},
            "who": {"type": "str"},
            "mirror": {"type": "path"},
            "pinned": {"type": "dict", "options": pinned},
            "signing_key": {"type": "path", "no_log": False},
            "allowed_signers": {"type": "path"},
            "files": {"type": "list", "elements": "path", "default": []},
            "target": {"type": "path"},
            "timestamp": {"type": "dict", "options": stamp},
        },
        required_if=[("state", "appended", ["entry"]), ("state", "exported", ["signing_key", "target"])],
    )


def act(module: AnsibleModule) -> dict[str, Any]:
    params, outside = module.params, Outside.of(module.params)
    store = Store(kube_client(module), params["namespace"], params["release"])
    who = params["who"] or holder_of(os.environ)
    if params["state"] == "appended":
        return append(store, outside, Draft(**params["entry"], who=who, fence=params["fence"]), params["secret"])
    if params["state"] == "sealed":
        return seal(store, outside, who, params["fence"])
    if params["state"] == "exported":
        return hand_out(store, outside, params["target"], params["files"])
    return verified(store, outside)


def main() -> None:
    spec = ledger_argument_spec().merge(kube_argument_spec())
    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    module.no_log_values.update(clear_texts(module.params["entry"], module.params["secret"]))
    with failing_cleanly(module):
        result = act(module)
        if module._diff:
            added = result.get("entry") or result.get("archive", {})
            result["diff"] = {"before": {}, "after": added if result["changed"] else {}}
        module.exit_json(**result)


if __name__ == "__main__":
    main()
