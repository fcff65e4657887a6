# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kubernetes for tests and the demo: `python3 tests/cluster up|down|status|kubeconfig|env|images`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from cluster.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
