# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a colour is made of; the twin of ``SOURCE`` in ``module_utils/helm/source.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  source:
    description: What to install. Required for O(state=staged).
    type: dict
    suboptions:
      kind:
        description:
          - V(helm) is a chart, which Helm installs as it is.
          - V(manifests) is a file of manifests, or a folder of them.
          - V(kustomize) is a kustomization, built with C(kustomize) or C(kubectl).
          - Of manifests and kustomizations, both colours get their own Deployments, StatefulSets, DaemonSets, Jobs,
            CronJobs, Services, ConfigMaps, Secrets, HorizontalPodAutoscalers and PodDisruptionBudgets. Every
            other object is shared, created when it is missing, and otherwise left alone.
        type: str
        choices: [helm, manifests, kustomize]
        required: true
      chart:
        description: Folder, archive, OCI reference or name of the chart. Required for V(helm).
        type: str
      repo:
        description: URL of the chart repository, when O(source.chart) is a name in one.
        type: str
      chart_version:
        description: Version of the chart, when it is not a folder or archive.
        type: str
      values:
        description:
          - Values for the chart. They reach Helm in a private file, not by its command line.
          - Secrets do not belong here, but in Secret objects that the chart refers to.
        type: dict
      values_files:
        description:
          - Files of values for the chart, on the machine the module runs on. Of two that set the same, the later one
            wins, and O(source.values) wins over all of them, as with C(helm upgrade -f one.yaml -f two.yaml --set).
          - Each has to be one mapping in YAML, or empty. The module reads them once and gives Helm copies of them.
        type: list
        elements: path
      path:
        description: File or folder of the manifests, or folder of the kustomization. Required for these.
        type: path
      image:
        description:
          - Repository of the image the version is about, without a tag.
          - Containers of manifests and kustomizations that run it get O(version) as their tag.
          - A chart has to render it with O(version) as its tag; set that in O(source.values).
        type: str
"""
