# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a module reaches the cluster; the twin of ``kube_argument_spec`` in ``module_utils/module.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of the kubeconfig file.
      - Without it, E(KUBECONFIG) and then C(~/.kube/config) are used; in a pod without either, its service account.
    type: path
  context:
    description:
      - Name of the context in the kubeconfig. Without it, the current context is used.
    type: str
  host:
    description:
      - URL of the API server, instead of the one in the kubeconfig.
      - Together with O(api_key), O(username) or O(client_cert) no kubeconfig is read.
    type: str
  api_key:
    description:
      - Bearer token.
    type: str
  username:
    description:
      - User name for basic authentication; needs O(password).
    type: str
  password:
    description:
      - Password for basic authentication; needs O(username).
    type: str
  client_cert:
    description:
      - Path of the client certificate; needs O(client_key).
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - Path of the key of the client certificate; needs O(client_cert).
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - Path of the CA certificate that signed the certificate of the API server.
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description:
      - Whether to verify the certificate of the API server. Without it, the kubeconfig decides.
    type: bool
    aliases: [verify_ssl]
  proxy:
    description:
      - URL of the HTTP proxy to reach the API server through.
      - Without it, the usual environment variables apply.
    type: str
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
notes:
  - The connection options have the names that M(kubernetes.core.k8s) uses.
  - Each of them can also be set by an environment variable of the machine the module runs on.
    E(K8S_AUTH_KUBECONFIG), E(K8S_AUTH_CONTEXT), E(K8S_AUTH_HOST), E(K8S_AUTH_API_KEY), E(K8S_AUTH_USERNAME),
    E(K8S_AUTH_PASSWORD), E(K8S_AUTH_CERT_FILE), E(K8S_AUTH_KEY_FILE), E(K8S_AUTH_SSL_CA_CERT), E(K8S_AUTH_VERIFY_SSL)
    and E(K8S_AUTH_PROXY).
  - All changes are made with the field manager C(runbook.release).
  - In check mode the API server validates every change in a dry run and keeps none.
"""
