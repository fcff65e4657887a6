# SPDX-License-Identifier: GPL-3.0-or-later
"""What runbooks call on the command line: `python3 -m app.cli VERB`.

validate-model --model NAME [--last-days DAYS], migrate, back (one revision), connect (is the database there).
The programs of an image call it by the command lines of the real application, see `commands` in a system's file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.audit import connect
from app.settings import Settings, mine

HOME = Path(__file__).resolve().parent.parent


def main(argv: Sequence[str]) -> int:
    settings = mine()
    given = parser().parse_args(argv)
    if given.verb == "validate-model":
        return validate_model(settings, given.model)
    if not settings.database:
        print("fatal: DATABASE_URL is not set", file=sys.stderr)
        return 1
    verbs = {"migrate": migrate, "back": back, "connect": reach}
    return verbs[given.verb](settings)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="app.cli")
    verbs = made.add_subparsers(dest="verb", required=True)
    validate = verbs.add_parser("validate-model")
    validate.add_argument("--model", required=True)
    validate.add_argument("--last-days", type=int, default=7)
    for verb in ("migrate", "back", "connect"):
        verbs.add_parser(verb)
    return made


def as_program(name: str, arguments: Sequence[str]) -> int:
    """Called by the name and with the words of a program of the real application."""
    if name == "python":
        os.execv(sys.executable, [sys.executable, *arguments])
    said = " ".join([name, *arguments])
    verb = mine().commands.get(said)
    if verb is None:
        print(f"{name}: {said} does not stand for anything here", file=sys.stderr)
        return 127
    return main([verb])


def validate_model(settings: Settings, model: str) -> int:
    """Print each measure beside its bound; 1 if one of them is not kept."""
    if model not in settings.models:
        print(f"fatal: model {model} is none of {', '.join(settings.models) or 'none'}", file=sys.stderr)
        return 2
    print(f"{model.capitalize()} Model Validation Results:")
    kept = [_measured(one, settings.fault.inaccurate) for one in settings.models[model]]
    return 0 if all(kept) else 1


def _measured(one: Mapping[str, Any], inaccurate: bool) -> bool:
    """`{name, value, unit, most}`, or `least` instead of `most`."""
    upper = "most" in one
    bound = one["most"] if upper else one["least"]
    value = (bound * (1.5 if upper else 0.9)) if inaccurate else one["value"]
    kept = bool(value < bound if upper else value > bound)
    unit = one.get("unit", "")
    print(f"{one['name']}: {value:g}{unit} {'✓' if kept else '✗'} ({'<' if upper else '>'} {bound:g}{unit})")
    return kept


def migrate(settings: Settings) -> int:
    from app.revisions import upgrade  # Alembic is in images, and only needed here

    return upgrade(settings, HOME)


def back(settings: Settings) -> int:
    from app.revisions import downgrade

    return downgrade(settings, HOME)


def reach(settings: Settings) -> int:
    connect(settings.database).close()
    print("the database answers")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
