# Private to the collection.
# SPDX-FileCopyrightText: runbook.release contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a criterion asks of Prometheus, turned round: PromQL that has a result when it does not hold. Pure."""

from __future__ import annotations

from ..errors import ReleaseError
from ..tor.aggregate import COUNT
from ..tor.criterion import Criterion
from ..tor.expect import Comparison, Expectation, Range, Within
from ..tor.sources.measure import split
from ..tor.sources.prometheus import Prometheus
from ..tor.units import NUMBER, Quantity

_FAILS = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_AGGREGATES = (COUNT, "sum", "avg", "min", "max")
_LEASE = '{namespace="%s",lease="%s"%s}'


def fires(criterion: Criterion) -> str:
    """Has a result for every series that breaks the expectation."""
    value, unit = measured(criterion)
    return " or ".join(f"{value} {bound}" for bound in _broken(criterion.expect, unit))


def silent(criterion: Criterion) -> str:
    """Has a result when `fires` cannot tell: no series, not a number, or samples that are too old."""
    source = _source(criterion)
    finite = f"abs({_inner(source.query)}) < Inf"
    enough = f"count({finite}) >= {criterion.samples}" if criterion.samples > 1 else finite
    age = f"max(time() - timestamp({_inner(source.fresh or source.query)}))"
    return f"absent({enough}) or absent({age} <= {source.max_age:g})"


def orphaned(namespace: str, lease: str, ttl: int) -> str:
    """Has a result when somebody holds the lock and has not renewed it for so long that others may take it."""
    renewed = "kube_lease_renew_time" + _LEASE % (namespace, lease, "")
    held = "kube_lease_owner" + _LEASE % (namespace, lease, ',lease_holder!=""')
    return f"time() - max({renewed}) > {ttl} and on() {held}"


def unseen() -> str:
    """Has a result when nobody tells Prometheus of Leases, of which every cluster has some."""
    return "absent(kube_lease_renew_time)"


def measured(criterion: Criterion) -> tuple[str, str]:
    """The expression that is compared, and the unit of what it yields."""
    source = _source(criterion)
    what, unit = split(criterion.select)
    if what == "series":
        return f"count({_inner(source.query)})", ""
    if what != "value":
        raise _unfit(f"{what} is not what a query yields", "compare its value, or how many series there are")
    if not criterion.aggregate:
        return f"({_inner(source.query)})", unit or ""
    if criterion.aggregate not in _AGGREGATES:
        raise _unfit(f"Prometheus has no {criterion.aggregate} by nearest rank", f"use {', '.join(_AGGREGATES)}")
    return f"{criterion.aggregate}({_inner(source.query)})", "" if criterion.aggregate == COUNT else unit or ""


def _source(criterion: Criterion) -> Prometheus:
    source = criterion.source
    if not isinstance(source, Prometheus):
        raise _unfit(f"{source.text} is not asked of Prometheus", "give the alert a query and what to expect of it")
    if source.range or source.since:
        raise _unfit("it looks back over a range", "write the range into a query, as in max_over_time(…[10m])")
    return source


def _broken(expect: Expectation, unit: str) -> list[str]:
    """The comparisons of which one holds when the expectation does not."""
    match expect:
        case Comparison():
            return [f"{_FAILS[expect.relation]} {_number(expect.threshold, unit)}"]
        case Range():
            return [f"< {_number(expect.low, unit)}", f"> {_number(expect.high, unit)}"]
        case Within() if Quantity(expect.limit.number, unit).dimension != NUMBER:
            return [f"> {_number(expect.limit, unit)}"]
    raise _unfit(
        f"{expect.text} is not about a number that Prometheus alone knows",
        "give the alert an expectation such as < 5 %",
    )


def number_in(threshold: Quantity, unit: str) -> float:
    """A threshold as a number in this unit."""
    return float(threshold.within(unit).number)


def _number(threshold: Quantity, unit: str) -> str:
    number = threshold.within(unit).number
    return str(number) if number.denominator == 1 else repr(float(number))


def _inner(query: str) -> str:
    """A comment in it must not reach what comes after."""
    return f"\n{query.strip()}\n" if "#" in query else query.strip()


def _unfit(what: str, remedy: str) -> ReleaseError:
    return ReleaseError(what, remedy=remedy)
