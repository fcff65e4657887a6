#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_images
short_description: Delete old images from a registry, and never one that a way back needs
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Deletes tagged images of one name, with all their tags, oldest first. What a deleted manifest list consists of goes
    with it, and so do its signatures and attestations where they are tagged as such, V(sha256-DIGEST.sig).
  - These stay - what O(keep) matches, the O(newest), what is not older than O(older_than) or has no known age, what a
    pod in O(namespace) runs or a workload there asks for, also one without pods and its former revisions, what is live
    of O(system) and what was before it by the index of its releases, and what O(live) names.
  - A digest that anything which stays has, consists of or is about, stays with all its tags.
  - Refuses, before anything is deleted, when nothing that runs or was released is among the tags, and when tags were
    written while it looked.
options:
  image:
    description: The image with its registry and without a tag, for example V(registry.example.com/shop/api).
    type: str
    required: true
  older_than:
    description: Age from which images may go, for example V(90d).
    type: str
    required: true
  newest:
    description: So many stay in any case.
    type: int
    default: 10
  keep:
    description: Patterns such as V(v*.0). An image with a tag that matches one stays.
    type: list
    elements: str
    default: []
  live:
    description:
      - Digests or tags that are in use elsewhere. What another cluster runs is not seen here.
    type: list
    elements: str
    default: []
  namespace:
    description: Namespace of the workloads and, with O(system), of the ledgers.
    type: str
    required: true
  system:
    description: The system whose index of releases is asked.
    type: str
  environment:
    description: The environment of O(system).
    type: str
  without_live:
    description: Delete although nothing that runs or was released is among the tags.
    type: bool
    default: false
  registry:
    description: How the registry is reached, and who signs in there.
    type: dict
    suboptions:
      url:
        description: Its address, if that is not C(https://) and the host of O(image).
        type: str
        default: ""
      username:
        description: Who signs in; may be missing where the password is a token.
        type: str
        default: ""
      password:
        description: The password or token, with the right to delete. Without one nobody signs in.
        type: str
        default: ""
      ca_cert:
        description: PEM file of an authority to trust, beside those of the machine.
        type: path
        default: ""
      packages:
        description:
          - Address of the package in the API of GitHub, for example
            V(https://api.github.com/orgs/example/packages/container/api). That deletes what C(ghcr.io) itself does not.
          - O(registry.password) has to be a token with the right to delete packages.
        type: str
        default: ""
  timeout:
    description: Seconds all of it may take.
    type: int
    default: 600
extends_documentation_fragment:
  - runbook.release.kube
  - runbook.release.run
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: runbook.release.release_live_info
  - module: runbook.release.release_info
notes:
  - Needs the RBAC verb C(list) for C(pods), C(deployments.apps), C(statefulsets.apps), C(daemonsets.apps),
    C(replicasets.apps), C(controllerrevisions.apps), C(jobs.batch) and C(cronjobs.batch) in O(namespace), and with
    O(system) also C(get) and C(list) for C(configmaps).
  - The registry has to let images be deleted. What it stores of them is freed when it collects its garbage.
  - Manifests without a tag cannot be listed, and stay unless they are a part of what is deleted.
"""

EXAMPLES = r"""
- name: Old images of the shop go
  runbook.release.registry_images:
    image: registry.example.com/shop/api
    older_than: 90d
    newest: 10
    keep: ["*.0.0"]
    namespace: shop
    system: shop
    environment: prod
    registry:
      username: cleaner
      password: "{{ lookup('ansible.builtin.env', 'REGISTRY_PASSWORD') }}"

- name: Those at GitHub as well
  runbook.release.registry_images:
    image: ghcr.io/example/api
    older_than: 90d
    namespace: shop
    registry:
      packages: https://api.github.com/orgs/example/packages/container/api
      password: "{{ lookup('ansible.builtin.env', 'GITHUB_TOKEN') }}"
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be.
  type: str
  returned: success
  sample: 2 images are deleted, 12 stay
deleted:
  description:
    - What was deleted, or would be, oldest first, and what these consisted of. After an error, what was deleted before.
  type: list
  elements: dict
  returned: success
  contains: &image
    digest: {description: Its digest., type: str}
    tags: {description: The tags it had; none of a part., type: list, elements: str}
    created: {description: When it was made; empty if nobody knows., type: str}
kept:
  description: What stays, each with the reason in C(why).
  type: list
  elements: dict
  returned: success
  contains:
    <<: *image
    why: {description: Why it stays., type: str, sample: it is one of the newest 10}
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.images.decide import Want
from ansible_collections.runbook.release.plugins.module_utils.images.live import in_index, in_namespace
from ansible_collections.runbook.release.plugins.module_utils.images.operate import (
    Delete,
    from_packages,
    operate,
    parts_of,
)
from ansible_collections.runbook.release.plugins.module_utils.images.registry import Login, Registry
from ansible_collections.runbook.release.plugins.module_utils.lock.holder import lease_name
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.pipeline.forge import Forge
from ansible_collections.runbook.release.plugins.module_utils.release.journal import Book, journal
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.window.spans import seconds

if t.TYPE_CHECKING:
    from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient

Given = t.Mapping[str, t.Any]

REGISTRY = {
    "url": {"type": "str", "default": ""},
    "username": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
    "ca_cert": {"type": "path", "default": ""},
    "packages": {"type": "str", "default": ""},
}


def argument_spec() -> ArgumentSpec:
    own = ArgumentSpec(
        {
            "image": {"type": "str", "required": True},
            "older_than": {"type": "str", "required": True},
            "newest": {"type": "int", "default": 10},
            "keep": {"type": "list", "elements": "str", "default": []},
            "live": {"type": "list", "elements": "str", "default": []},
            "namespace": {"type": "str", "required": True},
            "system": {"type": "str"},
            "environment": {"type": "str"},
            "without_live": {"type": "bool", "default": False},
            "registry": {"type": "dict", "options": REGISTRY, "apply_defaults": True},
            "timeout": {"type": "int", "default": 600},
        },
        required_together=[("system", "environment")],
    )
    return own.merge(ArgumentSpec(RUN_OPTIONS), kube_argument_spec())


def live_of(client: KubeClient, params: Given) -> dict[str, str]:
    """What must stay, with the reason of each."""
    found = {**in_namespace(client, params["namespace"], params["image"])}
    if params["system"]:
        found.update(in_index(client, params["namespace"], lease_name(params["system"], params["environment"])))
    return {**found, **dict.fromkeys(params["live"], "it is said to be live")}


def reached(params: Given) -> tuple[Registry, Delete]:
    """The registry, and what deletes from it."""
    given, deadline = params["registry"], time.monotonic() + params["timeout"]
    host, name = parts_of(params["image"])
    login = Login(given["username"], given["password"])
    registry = Registry(given["url"] or f"https://{host}", name, login, deadline, given["ca_cert"])
    if not given["packages"]:
        return registry, registry.delete
    return registry, from_packages(Forge(given["packages"], "", given["password"], deadline, given["ca_cert"]))


def looking_first(book: Book, delete: Delete) -> Delete:
    """Deletes only while the lock is ours."""

    def guarded(digest: str) -> None:
        book.look()
        delete(digest)

    return guarded


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    params = module.params
    with failing_cleanly(module):
        registry, delete = reached(params)
        age, client = seconds("older_than", params["older_than"]), kube_client(module)
        with journal(client, Run.of(params["run"]), module.warn) as book:
            live = live_of(client, params)
            want = Want(time.time(), age, params["newest"], params["keep"], live, params["without_live"])
            outcome = operate(registry, want, looking_first(book, delete), module.check_mode)
        diff = {"diff": outcome.plan.diff()} if module._diff else {}
        module.exit_json(**outcome.report(), **diff)


if __name__ == "__main__":
    main()
