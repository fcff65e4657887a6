# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""A program of its own, which Helm starts on what it has rendered: change some objects of a YAML stream, and no other.

Its argument is a file with a JSON object: kind and name, as `Deployment/shop`, to a merge patch. What has to be changed
and is not in the stream ends it, and Helm with it, before anything is installed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

Obj = dict[str, Any]
Patches = Mapping[str, Obj]

_SEPARATOR = re.compile(r"(?m)^---[ \t]*\n")


def merged(obj: Any, patch: Mapping[str, Any]) -> Obj:
    """The object with a merge patch applied, as the API server does it."""
    found: Obj = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value) if isinstance(value, Mapping) else value
    return found


def patched(text: str, patches: Patches) -> str:
    """The stream with these objects changed; documents without any stay as they were written."""
    found: set[str] = set()
    documents = [_document(part, patches, found) for part in _SEPARATOR.split(text)]
    if missing := sorted(set(patches) - found):
        raise LookupError(f"nothing renders {', '.join(missing)}, which has to rest until it is live")
    return "---\n".join(part if part.endswith("\n") or not part else f"{part}\n" for part in documents)


def _document(text: str, patches: Patches, found: set[str]) -> str:
    if not any(key.partition("/")[2] in text for key in patches):
        return text
    import yaml

    objects = [obj for obj in yaml.safe_load_all(text) if obj]
    names = [_name(obj) for obj in objects]
    if not any(name in patches for name in names):
        return text
    found.update(names)
    changed = [merged(obj, patches.get(name, {})) for obj, name in zip(objects, names, strict=True)]
    return str(yaml.safe_dump_all(changed, sort_keys=False, allow_unicode=True))


def _name(obj: Any) -> str:
    if not isinstance(obj, dict):
        return ""
    return f"{obj.get('kind', '')}/{(obj.get('metadata') or {}).get('name', '')}"


def main(arguments: list[str]) -> int:
    with open(arguments[0], encoding="utf-8") as file:
        patches = json.load(file)
    try:
        sys.stdout.write(patched(sys.stdin.read(), patches))
    except LookupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
