# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure releases on the real cluster into build/bench.jsonl, one JSON object a line. Never pass or fail.

Usage: build/venv/bin/python tests/bench [MEASURE ...]     all measures when none is named
"""

from __future__ import annotations

import json
import sys

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader()  # before anything imports from the collection: what is imported without it is never found by it

from measures import MEASURES  # noqa: E402
from runner import ROOT, commit  # noqa: E402


def main(names: list[str]) -> int:
    if unknown := sorted(set(names) - set(MEASURES)):
        sys.exit(f"unknown measure {', '.join(unknown)}. Do: name some of {', '.join(MEASURES)}")
    target = ROOT / "build" / "bench.jsonl"
    target.parent.mkdir(exist_ok=True)
    with target.open("a") as stream:
        for name in names or MEASURES:
            for line in MEASURES[name]():
                record = line.record(commit())
                stream.write(json.dumps(record) + "\n")
                stream.flush()
                print(json.dumps(record), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
