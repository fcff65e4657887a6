# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a change of a workload sets, by its state."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  replicas:
    description: Pods the workload is to have. Required with O(state=scaled).
    type: int
  contain:
    description:
      - With O(state=scaled), consent to V(0) replicas, which stops the workload. Its autoscaler rests meanwhile.
    type: bool
    default: false
  container:
    description: Container to configure or to pin. May be left out if there is only one.
    type: str
  version:
    description:
      - Tag or digest that the container is to run, such as V(v1.4.0). Required with O(state=pinned). The repository of
        the image stays.
    type: str
  revision:
    description:
      - Number of the ReplicaSet or ControllerRevision, as C(kubectl rollout history) tells it. Required with
        O(state=undone). Kubernetes gives the revision a new number then.
    type: int
  env:
    description:
      - Environment variables and their values. Secrets do not belong here, but in a Secret.
      - The result repeats the values neither of these nor of O(append) as arguments, and those of variables that are
        called like a secret nowhere.
    type: dict
  unset:
    description: Names of environment variables that are to be removed.
    type: list
    elements: str
  append:
    description:
      - Environment variables that are lists with commas, and what they have to contain. What they contain already is
        kept, in its order.
    type: dict
  resources:
    description: Requests and limits of the container. What is not named stays as it is.
    type: dict
    suboptions:
      requests:
        description: For example C(cpu) and C(memory).
        type: dict
      limits:
        description: For example C(cpu) and C(memory).
        type: dict
  autoscaler:
    description: Bounds of the autoscaler. Required with O(state=autoscaled).
    type: dict
    suboptions:
      min:
        description: Fewest pods.
        type: int
        required: true
      max:
        description: Most pods.
        type: int
        required: true
      cpu:
        description:
          - Use of the requested CPU in percent that it keeps. Required when there is no autoscaler yet. Other metrics
            of one that is there stay.
        type: int
  allow:
    description:
      - Who is let through with O(state=isolated). Without it nobody is; the kubelet of the node reaches its pods all
        the same.
    type: dict
    suboptions:
      from:
        description: Peers the pods still hear, as in the ingress of a NetworkPolicy.
        type: list
        elements: dict
      to:
        description: Peers the pods still reach, as in the egress of a NetworkPolicy.
        type: list
        elements: dict
"""
