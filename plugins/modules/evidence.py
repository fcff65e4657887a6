#!/usr/bin/python
# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence
short_description: Keep what a version left behind before it is scaled down or replaced
version_added: 0.1.0
author: runbook.release contributors (@runbook-release)
description:
  - Reads current and previous logs, events and conditions of the pods and workloads of one colour, or of a component
    that rolls, all at the same time, and writes them to a folder only the owner can read.
  - Secrets and environment variables are not read. What the application itself writes to its log is kept as it is.
options:
  name:
    description: Name of the component.
    type: str
    required: true
  namespace:
    description: Namespace of the component.
    type: str
    required: true
  colour:
    description:
      - Which colour the evidence is of.
      - For V(idle) while nothing is live yet, it is the colour the entry points at.
    type: str
    choices: [idle, live, blue, green]
    default: idle
  entry:
    description:
      - The object that decides where traffic goes. It has to exist and to name both colours already.
      - Required, unless O(workloads) are given.
    type: dict
    required: false
    suboptions:
      kind:
        description: V(service) is a Service, V(httproute) an HTTPRoute of the Gateway API.
        type: str
        required: true
        choices: [service, httproute]
      name:
        description: Name of the object.
        type: str
        required: true
      namespace:
        description: Namespace of the object and of the colour Services; that of the module if not set.
        type: str
  workloads:
    description: The workloads of a component that rolls, instead of O(entry).
    type: list
    elements: dict
    suboptions:
      kind:
        description: Kind of the workload.
        type: str
        choices: [Deployment, StatefulSet, DaemonSet]
        default: Deployment
      name:
        description: Name of the workload.
        type: str
        required: true
      container:
        description: Not looked at.
        type: str
  everything:
    description:
      - Keep every pod with up to 10 MiB of each log, instead of the five pods in most trouble with their last lines.
    type: bool
    default: false
  lines:
    description:
      - How many of the last lines of each log are kept; of those that match, with O(matching).
      - What was read if not set, which is 500 lines of at most 16 KiB, or all of it with O(everything) or O(matching).
    type: int
  matching:
    description: A regular expression. Only lines are kept in which it is found, and O(everything) is read for them.
    type: str
  follow:
    description:
      - Then follow the logs of all containers that run, all at the same time, for at most so many seconds, from their
        last O(lines) on, or from the next line on. Those that match O(matching) are appended to C(followed.log) in
        O(path), each as soon as it has come, behind the names of its pod and container.
      - Pods that start later are not followed. It ends after 10 MiB.
    type: int
  until:
    description: With O(follow), a regular expression. It ends with the first line in which it is found.
    type: str
  path:
    description: Folder to write to. It is made if it does not exist; files of the same name are overwritten.
    type: path
    required: true
extends_documentation_fragment:
  - runbook.release.entry
  - runbook.release.kube
  - runbook.release.run
  - runbook.release.attributes
attributes:
  check_mode:
    support: full
    details:
      - Reads everything, writes nothing, and does not wait for what O(follow) would see. It is a change if a file would
        be new or another one, and with O(follow) always.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Logs and events move on.
seealso:
  - module: runbook.release.helm_bluegreen
"""

EXAMPLES = r"""
- name: Keep what the failed version left behind
  runbook.release.evidence:
    name: shop
    namespace: shop
    entry: {kind: httproute, name: shop}
    path: /var/lib/releases/shop/2026-11-21/evidence
  register: kept

- name: Follow the logs for five minutes, until the migration has ended
  runbook.release.evidence:
    name: shop
    namespace: shop
    workloads: [{name: shop}, {name: shop-worker}]
    follow: 300
    until: migration (done|failed)
    path: /var/lib/releases/shop/2026-11-21/evidence
  register: followed

- name: Say why it failed
  ansible.builtin.debug:
    msg: "{{ kept.summary }}"
"""

RETURN = r"""
colour:
  description: The colour the evidence is of; empty for workloads that roll.
  type: str
  returned: success
  sample: green
summary:
  description: What a person reads first, with the reasons and the last log lines of containers that are not ready.
  type: list
  elements: str
  returned: success
  sample:
    - "Deployment shop-green: 0 of 3 pods ready (0 of 3 pods ready)"
    - "container shop of pod shop-green-7c9b-9kq2m: CrashLoopBackOff (exit code 1, 2 restarts)"
    - "shop-green-7c9b-9kq2m shop: fatal: no such table: settings"
whole:
  description: Whether there was anything, no pod was left out, and everything could be read.
  type: bool
  returned: success
followed:
  description:
    - The C(lines) that were followed and kept, and C(why) it ended. That is V(time), V(until), V(size), or V(ended)
      where no container runs any more or can be read.
  type: dict
  returned: with O(follow), not in check mode
  sample: {lines: ["shop-7c9b-9kq2m shop: migration done"], why: until}
files:
  description: Paths of the files that were written, the summary first; none in check mode.
  type: list
  elements: str
  returned: success
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.runbook.release.plugins.module_utils.helm.bundle import (
    LOG_LINES,
    contents,
    follow_into,
    gather,
    is_kept,
    keep,
    summary,
)
from ansible_collections.runbook.release.plugins.module_utils.helm.observe import Target, observe
from ansible_collections.runbook.release.plugins.module_utils.kube.excerpt import excerpt, found
from ansible_collections.runbook.release.plugins.module_utils.kube.follow import Wanted
from ansible_collections.runbook.release.plugins.module_utils.module import (
    ArgumentSpec,
    failing_cleanly,
    kube_argument_spec,
    kube_client,
)
from ansible_collections.runbook.release.plugins.module_utils.release.in_place import observe as observe_in_place
from ansible_collections.runbook.release.plugins.module_utils.release.journal import journal
from ansible_collections.runbook.release.plugins.module_utils.release.rolling import keys
from ansible_collections.runbook.release.plugins.module_utils.release.run import RUN_OPTIONS, Run
from ansible_collections.runbook.release.plugins.module_utils.traffic.entry import ENTRY_OPTIONS

if t.TYPE_CHECKING:
    from ansible_collections.runbook.release.plugins.module_utils.helm.objects import Obj
    from ansible_collections.runbook.release.plugins.module_utils.kube.client import KubeClient

WORKLOAD = {
    "kind": {"type": "str", "choices": ["Deployment", "StatefulSet", "DaemonSet"], "default": "Deployment"},
    "name": {"type": "str", "required": True},
    "container": {"type": "str"},
}


def argument_spec() -> ArgumentSpec:
    entry = {**ENTRY_OPTIONS, "entry": {**ENTRY_OPTIONS["entry"], "required": False}}
    own = ArgumentSpec(
        {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "colour": {"type": "str", "choices": ["idle", "live", "blue", "green"], "default": "idle"},
            "workloads": {"type": "list", "elements": "dict", "options": WORKLOAD},
            "everything": {"type": "bool", "default": False},
            "lines": {"type": "int"},
            "matching": {"type": "str"},
            "follow": {"type": "int"},
            "until": {"type": "str"},
            "path": {"type": "path", "required": True},
        },
        required_one_of=[("entry", "workloads")],
        mutually_exclusive=[("entry", "workloads")],
        required_by={"until": ["follow"]},
    )
    return own.merge(ArgumentSpec(entry | RUN_OPTIONS), kube_argument_spec())


def whose(client: KubeClient, params: dict[str, t.Any]) -> tuple[str, tuple[Obj, ...]]:
    """The colour, empty for workloads that roll, and the workloads."""
    if params["workloads"]:
        there = observe_in_place(client, params["namespace"], [params]).workloads
        return "", tuple(there[key] for key in keys(params) if key in there)
    have = observe(client, Target.of(params))
    named = {"idle": have.idle or have.pointed, "live": have.pointed}
    colour = have.colours[named.get(params["colour"], params["colour"])]
    return colour.colour, colour.workloads


def reads_all(params: t.Mapping[str, t.Any]) -> bool:
    """Whether what is asked for may be in any line of a log."""
    return bool(params["everything"] or params["matching"] or (params["lines"] or 0) > LOG_LINES)


def wanted_of(params: t.Mapping[str, t.Any]) -> Wanted:
    """What is to be followed; what is no regular expression is refused before anything is read."""
    wanted = Wanted(params["follow"] or 0, params["lines"] or 0, params["matching"] or "", params["until"] or "")
    wanted.patterns()
    return wanted


def followed(client: KubeClient, params: t.Mapping[str, t.Any], workloads: tuple[Obj, ...]) -> dict[str, t.Any]:
    path, seen = follow_into(client, params["namespace"], workloads, wanted_of(params), params["path"])
    return {"path": path, "unreadable": seen.unreadable, "told": {"lines": seen.lines, "why": seen.why}}


def kept(client: KubeClient, params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, once everything is written."""
    colour, workloads = whose(client, params)
    gathered = excerpt(
        gather(client, params["namespace"], workloads, reads_all(params)),
        params["lines"] or 0,
        params["matching"] or "",
    )
    lines = summary(colour or params["name"], workloads, gathered)
    if params["matching"]:
        lines.append(f"{found(gathered)} lines match {params['matching']}")
    files, more, unreadable = [], {}, list(gathered["unreadable"])
    if params["follow"] and not check:
        seen = followed(client, params, workloads)
        more, unreadable, files = {"followed": seen["told"]}, [*unreadable, *seen["unreadable"]], [seen["path"]]
        lines += [f"could not be followed: {text}" for text in seen["unreadable"]]
        lines.append(f"{len(seen['told']['lines'])} lines were followed, until: {seen['told']['why']}")
    bundle = contents(lines, gathered)
    changed = bool(params["follow"]) or not is_kept(params["path"], bundle)
    if not check:
        files = keep(params["path"], bundle) + files
    whole = bool(workloads) and not unreadable and not gathered["pods_left_out"]
    return {"changed": changed, "colour": colour, "summary": lines, "files": files, "whole": whole, **more}


def main() -> None:
    module = AnsibleModule(supports_check_mode=True, **argument_spec().to_kwargs())
    with failing_cleanly(module):
        params, client = module.params, kube_client(module)
        wanted_of(params)
        with journal(client, Run.of(params["run"]), module.warn):
            result = kept(client, params, module.check_mode)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
