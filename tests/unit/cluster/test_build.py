# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from cluster.build import Build, Pace
from cluster.plan import Part, Places
from cluster.say import Problem

GO = """#!/bin/sh
while [ "$1" != "-o" ]; do shift; done
[ -e "$PWD/broken" ] && { echo "main.go:1: broken" >&2; exit 1; }
case "$2" in */) echo program > "$2/tool";; *) echo program > "$2";; esac
"""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A compiler that only writes down that it was called."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {"go": GO, "setpriv": '#!/bin/sh\nshift 2\nexec "$@"\n'}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return Places(77, tmp_path / "cache")


def part(tmp_path: Path, name: str, **options: object) -> Part:
    (tmp_path / name).mkdir()
    (tmp_path / name / "go.mod").write_text(f"module {name}\n")
    return Part(name, 1, home=tmp_path, **options)  # type: ignore[arg-type]


def test_parts_are_built_once(tmp_path: Path, places: Places) -> None:
    one = part(tmp_path, "one", package=".", links=("kubectl",))
    build = Build(places, [one])
    build.start()
    build.wait(one)
    assert (places.programs(one) / "kubectl").read_text() == "program\n"
    assert Build(places, [one]).missing == []


def test_editions_have_folders_of_their_own(tmp_path: Path, places: Places) -> None:
    one = part(tmp_path, "one", ldflags="-X main.version={}", editions=("1", "2"))
    build = Build(places, [one])
    build.start()
    build.wait(one)
    assert all((places.programs(one, edition) / "tool").exists() for edition in ("1", "2"))


def test_a_failed_build_is_told_to_all_who_wait(tmp_path: Path, places: Places) -> None:
    good, broken, never = (part(tmp_path, name) for name in ("good", "broken", "never"))
    (broken.source / "broken").touch()
    build = Build(places, [good, broken, never])
    build.start()
    with pytest.raises(Problem, match=r"broken does not build: main\.go:1: broken"):
        build.wait(never)
    assert not places.programs(broken).exists()
    assert not (places.cache / "parts" / ".building").exists()


def test_the_pace_of_the_machine_corrects_the_estimate() -> None:
    pace = Pace()
    assert pace.expected(100) == 100
    pace.add(60, 180)
    assert pace.expected(100) == 200
