# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The newest analysis of a project by SonarQube, once the server is done with it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...errors import ReleaseError
from ...web import basic
from ..expect import NothingMeasured
from ..moments import moment
from ..subject import Subject
from .api import Api
from .base import Ask, Readings, World
from .reports.base import contents

_LOOK_EVERY = 1.0
_WAITING = ("PENDING", "IN_PROGRESS")

Task = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sonarqube(Api):
    """Options, besides those of `Api`: `project`, its key; `branch`; `task`, path of the `report-task.txt` that the
    scanner wrote, so that this analysis is meant and no earlier one; `revision`, the commit it has to be of; `version`
    and `newer_than` as for reports; `token_as_user` for servers before 10, which take the token as a user name.

    Selects: `status` of the quality gate, as in `== "OK"`; `hotspots` that nobody reviewed; or any metric of SonarQube,
    such as `coverage` or `bugs`. Waits for the server to be done. A quality gate without conditions, as in a first
    analysis, says nothing.
    """

    project: str
    branch: str = ""
    task: str = ""
    revision: str = ""
    version: str = ""
    newer_than: str = ""
    token_as_user: bool = False

    selects: ClassVar[Mapping[str, str | None]] = {"status": None, "hotspots": ""}

    def check_options(self) -> list[str]:
        mistakes = super().check_options()
        try:
            if self.newer_than:
                moment(self.newer_than)
        except ValueError as exc:
            mistakes.append(f".newer_than: {exc}")
        if self.token_as_user and not self._token.given:
            mistakes.append(".token_as_user: there is no token")
        return mistakes

    @property
    def text(self) -> str:
        on = f", branch {self.branch}" if self.branch else ""
        return f"SonarQube project {self.project}{on} at {self.where}"

    def login(self, world: World) -> tuple[dict[str, str], tuple[str, ...]]:
        if not self.token_as_user:
            return super().login(world)
        token = self._token.value(world)
        headers = {"Authorization": basic(token, "")}
        return headers, (token, *headers.values())

    def read(self, ask: Ask, world: World) -> Readings:
        task = self._processed(ask, world)
        analysis = self._newest(ask, world)
        if analysis["key"] != task.get("analysisId"):
            raise NothingMeasured("the newest analysis is another one than the one that is asked about")
        self._check(analysis, world.subject)
        values, evidence = self._values(ask, world, analysis)
        return Readings(values, len(values), {"analysis": analysis["key"], "date": analysis["date"], **evidence})

    def _check(self, analysis: Mapping[str, Any], everybodys: Subject) -> None:
        own = Subject(self.version, newer_than=self.newer_than)
        subject = own.over(everybodys)
        versions = [analysis["projectVersion"]] if analysis.get("projectVersion") else []
        subject.check_time(moment(analysis["date"]), time.time())
        subject.named_by(versions, []).over(own).check_what(versions, [])
        if self.revision and analysis.get("revision") != self.revision:
            raise NothingMeasured(f"the analysis is of revision {analysis.get('revision')}, not of {self.revision}")

    def _processed(self, ask: Ask, world: World) -> Task:
        """The server's task of the analysis, when it has succeeded."""
        while (task := self._task(ask, world)).get("status") in _WAITING:
            if not ask.wait(_LOOK_EVERY):
                raise NothingMeasured("the server is still working on the analysis")
        if task.get("status") != "SUCCESS":
            raise ReleaseError(
                f"the analysis ended as {task.get('status')}: {task.get('errorMessage') or 'no reason given'}"
            )
        return task

    def _task(self, ask: Ask, world: World) -> Task:
        if self.task:
            found: Task = self.ask_json(ask, world, "/api/ce/task", {"id": _task_id(self.task)})["task"]
            return found
        found = self.ask_json(ask, world, "/api/ce/component", {"component": self.project})
        queue: list[Task] = found.get("queue") or []
        if not queue and not found.get("current"):
            raise NothingMeasured("the project was never analysed")
        return queue[0] if queue else dict(found["current"])

    def _newest(self, ask: Ask, world: World) -> dict[str, Any]:
        found = self.ask_json(ask, world, "/api/project_analyses/search", self._asked("project", ps=1))
        analyses: list[dict[str, Any]] = found["analyses"]
        if not analyses:
            raise NothingMeasured("the project was never analysed")
        return analyses[0]

    def _values(self, ask: Ask, world: World, analysis: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        if ask.select == "status":
            found = self.ask_json(ask, world, "/api/qualitygates/project_status", {"analysisId": analysis["key"]})
            return _gate(found["projectStatus"])
        if ask.select == "hotspots":
            query = self._asked("projectKey", status="TO_REVIEW", ps=1)
            return [self.ask_json(ask, world, "/api/hotspots/search", query)["paging"]["total"]], {}
        query = self._asked("component", metricKeys=ask.select)
        found = self.ask_json(ask, world, "/api/measures/component", query)
        measures = found["component"]["measures"]
        return [one.get("value") or (one.get("period") or {}).get("value") for one in measures], {}

    def _asked(self, project: str, **more: str | int) -> dict[str, str | int]:
        return {project: self.project, **({"branch": self.branch} if self.branch else {}), **more}


def _gate(found: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    conditions = found.get("conditions") or []
    if found["status"] == "NONE" or not conditions:
        raise NothingMeasured("the quality gate looked at no condition")
    failed = [one["metricKey"] for one in conditions if one["status"] != "OK"]
    return [found["status"]], {
        "conditions": len(conditions),
        "failed": failed,
        "ignored": found.get("ignoredConditions"),
    }


def _task_id(path: str) -> str:
    lines = contents(path)[0].splitlines()
    found = [line.partition("=")[2] for line in lines if line.startswith("ceTaskId=")]
    if not found:
        raise ReleaseError(f"{path} has no ceTaskId", remedy="give the report-task.txt that the scanner wrote")
    return found[0]
