# Copyright: runbook.release contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Where M(runbook.release.pg_migrate) runs what migrates."""

    DOCUMENTATION = r"""
options:
  job:
    description:
      - The Job that runs the command with O(image). One that a killed run left is waited for and not started again.
    type: dict
    suboptions:
      namespace:
        description: Namespace of the Job.
        type: str
        required: true
      like:
        description: The workload whose pods have the environment, the volumes and the service account it needs.
        type: dict
        suboptions:
          kind:
            description: Kind of the workload.
            type: str
            choices: [Deployment, StatefulSet]
            default: Deployment
          name:
            description: Name of the workload.
            type: str
            required: true
      spec:
        description: The spec of its pod, instead of O(job.like).
        type: dict
      container:
        description: The container to run the command in; the first one if not set. No other is started.
        type: str
  pod:
    description:
      - The running pod. Only a container that runs O(image) is used, and it has to have the program C(env).
      - A command that does not end in time cannot be ended from outside, so it may still run in the pod.
    type: dict
    suboptions:
      namespace:
        description: Namespace of the pod.
        type: str
        required: true
      name:
        description: Name of the pod.
        type: str
      selector:
        description: Labels of the pod, instead of O(pod.name).
        type: str
      container:
        description: The container; any that runs O(image) if not set.
        type: str
"""
