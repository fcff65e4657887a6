# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""Files of values for a chart: read once, so that what is planned, compared and installed is the same."""

from __future__ import annotations

import hashlib
import os
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ..errors import Refused
from .access import write_private

_NOTHING = "tag:yaml.org,2002:null"


@dataclass(frozen=True)
class ValuesFile:
    """One file as it was read; ``copy`` is what Helm gets."""

    name: str
    digest: str
    copy: str

    def report(self) -> dict[str, str]:
        return {"name": self.name, "digest": self.digest}


def read(paths: t.Sequence[str], folder: str) -> tuple[ValuesFile, ...]:
    """The files in their order, copied to the private ``folder``; ``Refused`` names the one that is of no use."""
    return tuple(_read(path, number, folder) for number, path in enumerate(paths))


def _read(path: str, number: int, folder: str) -> ValuesFile:
    where = f"source.values_files[{number}]"
    try:
        content = Path(path).read_bytes()
        text = content.decode()
    except FileNotFoundError as error:
        raise Refused(f"The values file {path} does not exist", where=where, remedy="correct its path") from error
    except OSError as error:
        what = f"The values file {path} cannot be read: {error.strerror}"
        raise Refused(what, where=where, remedy="correct its path or its permissions") from error
    except UnicodeDecodeError as error:
        raise Refused(f"The values file {path} is not in UTF-8", where=where, remedy="save it in UTF-8") from error
    if mistake := _mistake(text):
        what = f"The values file {path} {mistake}"
        raise Refused(what, where=where, remedy="let it have one mapping, as the values.yaml of the chart does")
    copy = write_private(os.path.join(folder, f"values-{number}.yaml"), text)
    return ValuesFile(os.path.basename(path), f"sha256:{hashlib.sha256(content).hexdigest()}", copy)


def _mistake(text: str) -> str:
    """What Helm could not take, without a word of the content; what the values mean is Helm's alone to say."""
    import yaml

    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        return f"is not one document of YAML{line}: {error.problem}"
    except yaml.YAMLError:
        return "is not YAML"
    return "" if node is None or isinstance(node, yaml.MappingNode) or node.tag == _NOTHING else "is no mapping"
