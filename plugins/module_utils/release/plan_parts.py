# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the collection.
"""What a plan says about each thing it was given: nothing secret, no place of this machine, no time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..colours import COLOURS
from ..errors import Refused, ReleaseError
from ..ledger.canonical import digest
from .order import after_of, waves
from .rolling import keys

Given = Mapping[str, Any]

LOCAL = ("path", "ca_cert")
CONFIDENCE_LEFT = 0.05


def hashed(value: Any) -> str:
    """The digest of a value, as approvals write it."""
    return f"sha256:{digest(value)}"


def line(text: Any) -> str:
    """One line, whatever was written: a page must not grow headings out of somebody's description."""
    return " ".join(str("" if text is None else text).split())


def component(given: Given, staged: Given) -> dict[str, Any]:
    """A component with what helm_bluegreen or rollout would do to it; the values of its chart only as a digest."""
    values = given["source"].get("values") or {}
    files = [{"name": line(one["name"]), "digest": one["digest"]} for one in staged.get("values_files") or []]
    placed = {"workloads": [" ".join(key) for key in keys(given)]} if given.get("workloads") else {}
    return {
        "name": line(given["name"]),
        "source": source(given["source"]),
        "values": {"digest": hashed(values), "keys": sorted(keys_of(values)), **({"files": files} if files else {})},
        "entry": {key: line(value) for key, value in (given.get("entry") or {}).items() if value},
        **placed,
        "replicas": given.get("replicas"),
        "smoke": [criterion(one) for one in given.get("smoke") or []],
        "changes": bool(staged["awaits_traffic"]),
        "first": bool(staged["first"]),
        "live": live(staged),
        "target": staged["target"],
        "manifests": staged["digest"],
        "capacity": dict(staged.get("capacity") or {}),
        "steps": [line(sentence) for sentence in staged.get("plan") or []],
        "colours": {colour: colour_of(staged["colours"][colour]) for colour in COLOURS if colour in staged["colours"]},
        "differs": differing(staged.get("diff") or []),
    }


def checked(components: Sequence[Given], staged: Given) -> None:
    """Refuse components that say too little, or of which neither helm_bluegreen nor rollout was asked."""
    for place, one in enumerate(components):
        where = f"components[{place}]"
        placed: tuple[str, type] = ("workloads", list) if one.get("workloads") else ("entry", Mapping)
        for field, kind in (("name", str), ("source", Mapping), placed):
            if not one.get(field) or not isinstance(one[field], kind):
                raise Refused(f"{where}.{field} is missing or of another type", where=where, remedy=f"set {field}")
        said = staged.get(one["name"])
        wanted = ("awaits_traffic", "first", "target", "digest", "colours", "live")
        if not isinstance(said, Mapping) or any(field not in said for field in wanted):
            raise Refused(
                f"staged.{one['name']} is not a result of helm_bluegreen, nor of rollout",
                where="staged",
                remedy="run helm_bluegreen with state=staged in check mode for each component and give its results, or "
                "what the filter rolled makes of the result of rollout",
            )
        if len(one["source"].get("values_files") or []) != len(said.get("values_files") or []):
            raise Refused(
                f"staged.{one['name']} does not say what was in the values files of its source",
                where="staged",
                remedy="run helm_bluegreen with state=staged in check mode with the same source",
            )


def rolling(given: Given, components: Sequence[Given], shift: Given) -> dict[str, Any]:
    """How components roll: wave by wave."""
    order = [[line(name) for name in wave] for wave in waves(after_of(components))]
    limits = {key: line(given[key]) for key in ("surge", "unavailable") if given.get(key) is not None}
    return {"waves": order, **limits, "hold": shift["hold"], "way": line(given["way"])}


def source(given: Given) -> dict[str, str]:
    """What is installed, without values and without where it lies on this machine; its content is in the manifests."""
    said = {key: line(given.get(key)) for key in ("kind", "chart", "repo", "chart_version", "image")}
    if said["chart"] and not said["repo"] and "://" not in said["chart"]:
        said["chart"] = said["chart"].rstrip("/").rpartition("/")[2]
    said["repo"] = without_user(said["repo"])
    return {key: value for key, value in said.items() if value}


def without_user(url: str) -> str:
    """A URL without the user and password that may stand in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if url else ""


def keys_of(values: Any, above: str = "") -> Iterable[str]:
    """Dotted keys of the values that are set; never what they are set to."""
    for key, value in values.items():
        name = f"{above}{line(key)}"
        if isinstance(value, Mapping) and value:
            yield from keys_of(value, f"{name}.")
        else:
            yield name


def colour_of(said: Given) -> dict[str, Any]:
    return {"version": line(said.get("version")), "weight": int(said.get("weight") or 0)}


def live(staged: Given) -> str:
    """Who carries the traffic: ``blue 1.5``, or ``blue 1.5 75 %, green 1.6 25 %``, or of what rolls the versions alone.

    Empty before a first release.
    """
    if staged["first"]:
        return ""
    colours = {colour: colour_of(said) for colour, said in sorted(staged["colours"].items())}
    serving = {colour: said for colour, said in colours.items() if said["weight"]}
    texts = {colour: f"{colour} {said['version'] or '(version unknown)'}" for colour, said in serving.items()}
    if len(serving) == 1:
        return next(iter(texts.values()))
    return ", ".join(f"{texts[colour]} {said['weight']} %" for colour, said in serving.items()) or line(staged["live"])


def criterion(given: Any) -> dict[str, str]:
    """A criterion by name and threshold; where it is measured, only as a digest."""
    if not isinstance(given, Mapping):
        return {"name": line(given)}
    said = {key: line(given.get(key)) for key in ("name", "clause", "aggregate", "select", "expect", "severity")}
    measured = {key: value for key, value in (given.get("source") or {}).items() if key not in LOCAL}
    if (given.get("source") or {}).get("kind") == "service":
        measured["path"] = given["source"].get("path")
    said["digest"] = hashed({**measured, "samples": given.get("samples"), "timeout": given.get("timeout")})
    return {key: value for key, value in said.items() if value}


def sight(weight: int, hold: float, rate: int) -> dict[str, Any]:
    """The smallest share of errors a step sees with 95 % certainty, when it tolerates none in all it hears."""
    answers = int(rate * hold * weight / 100)
    share = 1 - CONFIDENCE_LEFT ** (1 / answers) if answers else None
    return {"weight": weight, "answers": answers, "sees": "" if share is None else f"{percent(share)} %"}


def readable(components: Sequence[Given], gates: Mapping[str, Sequence[Any]], witnessed: bool = True) -> None:
    """Raise one error that lists every mistake in the criteria of the release, long before the gates that ask them.

    Not ``witnessed`` nobody hears what the judge would be asked about.
    """
    from ..tor.criterion import parse_criteria
    from ..tor.judge.asked import Gate, asked

    gate = Gate("new", "old", witness="witness", since=1.0)
    asks = {f"release_gates.{name}": asked(criteria, gate) for name, criteria in gates.items()}
    asks |= {f"smoke of {one['name']}": _smoke(one) for one in components}
    mistakes: list[str] = []
    for called, criteria in asks.items():
        try:
            parse_criteria(criteria, called)
        except ReleaseError as error:
            mistakes += error.details["mistakes"]
    mistakes += [] if witnessed else _unheard(gates)
    if mistakes:
        raise Refused("; ".join(mistakes), where="the criteria", remedy="correct them in the inventory")


def _unheard(gates: Mapping[str, Sequence[Any]]) -> list[str]:
    from ..tor.judge.asked import is_witnessed

    why = "release_witness.rate is 0, or no component that runs already has urls and identity"
    return [
        f"release_gates.{gate}[{place}]: {line(one.get('name'))} judges what a witness hears, and there is none: {why}"
        for gate, criteria in gates.items()
        for place, one in enumerate(criteria)
        if is_witnessed(one)
    ]


def is_heard(components: Sequence[Given], staged: Given, rate: float) -> bool:
    """Whether a witness starts: of what is new beside something that runs nobody has heard anything yet."""
    new = [one["name"] for one in components if staged[one["name"]]["first"]]
    reached = [one["name"] for one in components if one.get("urls")]
    return rate > 0 and any(name not in new or len(new) == len(components) for name in reached)


def _smoke(given: Given) -> list[Any]:
    """As it is asked: of a component with colours the Service is only known once its colour is, what rolls names it."""
    smoke = given.get("smoke") or []
    return list(smoke) if given.get("workloads") else [_served(ask) for ask in smoke]


def _served(criterion: Any) -> Any:
    if not isinstance(criterion, Mapping) or (criterion.get("source") or {}).get("kind") != "service":
        return criterion
    return {**criterion, "source": {**criterion["source"], "service": "service"}}


def foretold(criteria: Sequence[Any], shift: Given, rate: float, components: int = 1) -> list[dict[str, Any]]:
    """What the judge will be able to see at each step, of every criterion that asks it; in sentences.

    A gate that stays open over several steps and components is asked as often, and all of it shares one alpha. How much
    the judge hears is known of the witness alone, whose `rate` it is.
    """
    from ..tor.criterion import parse_criteria
    from ..tor.judge.asked import Gate, asked, is_judged

    steps = [weight for weight in shift["steps"] if weight < 100]
    gate = Gate("new", "old", witness="witness", since=1.0, times=components * len(steps))
    judged = parse_criteria([one for one in asked(criteria, gate) if is_judged(one)])
    return [{"name": line(one.name), "steps": _foretold(one, steps, shift["hold"], rate)} for one in judged]


def _foretold(criterion: Any, steps: Sequence[int], hold: float, rate: float) -> list[str]:
    from ..tor.judge.power import foresee
    from ..tor.sources.judge import SHIFT

    if not criterion.source.path:
        return ["not foretold, as how many answers its counters will hear is not known"]
    if criterion.select == SHIFT:
        return ["not foretold, as how much the values vary is not known"]
    terms = criterion.source.terms(criterion.select)
    return [foresee(rate, weight, hold, terms)["sentence"] for weight in steps]


def percent(share: float) -> str:
    """Two digits that count: 5.8, 0.3, 0.042."""
    return f"{Decimal(f'{share * 100:.2g}'):f}"


def differing(diffs: Sequence[Given]) -> list[str]:
    """Which objects differ from the live ones, or from none on a first release: names only, values may be secret."""
    chosen = next((one for one in diffs if str(one.get("before_header", "")).startswith("live ")), None)
    chosen = chosen or next((one for one in diffs if "before" in one), None)
    if not chosen:
        return []
    before, after = objects_of(chosen["before"]), objects_of(chosen["after"])
    titles = [(title, before.get(title), after.get(title)) for title in sorted({**before, **after})]
    return [sentence for title, old, new in titles if (sentence := _difference(title, old, new))]


def objects_of(text: str) -> dict[str, Given]:
    """The objects of a manifest by kind and name."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = [obj for obj in yaml.load_all(text, Loader=loader) if isinstance(obj, dict)]
    return {f"{obj.get('kind')}/{(obj.get('metadata') or {}).get('name')}": obj for obj in found}


def _difference(title: str, old: Given | None, new: Given | None) -> str:
    if old is None or new is None:
        return f"{title} is {'new' if old is None else 'gone'}"
    changed = sorted(set(fields_changed(old, new)))
    return f"{title} changes: {', '.join(changed)}" if changed else ""


def fields_changed(old: Any, new: Any, above: str = "") -> Iterable[str]:
    """Dotted fields whose values differ, list items by their number."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            yield from fields_changed(old.get(key), new.get(key), f"{above}.{line(key)}" if above else line(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (one, two) in enumerate(zip(old, new, strict=True)):
            yield from fields_changed(one, two, f"{above}[{place}]")
    elif old != new:
        yield above
