"""What CloudWatch makes of an alarm's definition, in miniature.

The local cloud's own alarms know neither metric math nor dimensions, so the arithmetic is here:
statistics over periods, the part of metric math that our alarms use, M out of N, missing data.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import ast
import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Key = tuple[str, str, frozenset[tuple[str, str]]]
Series = dict[int, float]
"""Start of a period, in seconds → value; a period without data is not there."""

OK, ALARM = "OK", "ALARM"

LOOK_BACK = 2
"""Periods beyond ``EvaluationPeriods`` that are looked at where data is missing; as in the examples
of CloudWatch's manual, which retrieves five for three."""


@dataclass
class Metrics:
    """Samples as they were put; times in seconds."""

    samples: dict[Key, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))

    def put(
        self, namespace: str, name: str, dimensions: Mapping[str, str], at: int, *values: float
    ) -> None:
        key = namespace, name, frozenset(dimensions.items())
        self.samples[key] += [(at, value) for value in values]

    def put_emf(self, line: Mapping[str, Any], at: int) -> None:
        """What CloudWatch reads from a line of a function's output."""
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: line[name] for name in names}
                for metric in directive["Metrics"]:
                    told = line[metric["Name"]]
                    values = told if isinstance(told, list) else [told]
                    self.put(directive["Namespace"], metric["Name"], dimensions, at, *values)

    def statistic(self, metric: Mapping[str, Any], stat: str, period: int) -> Series:
        dimensions = frozenset((one["Name"], one["Value"]) for one in metric.get("Dimensions", ()))
        by: dict[int, list[float]] = defaultdict(list)
        for at, value in self.samples.get(
            (metric["Namespace"], metric["MetricName"], dimensions), ()
        ):
            by[at // period * period].append(value)
        return {start: _statistic(stat, values) for start, values in by.items()}


def state(alarm: Mapping[str, Any], metrics: Metrics, now: int) -> str:
    """The alarm's state at ``now``, which ends its latest period.

    ``alarm`` are the properties of an ``AWS::CloudWatch::Alarm``, without intrinsic functions.
    """
    periods, series = _watched(alarm, metrics)
    count, wanted = alarm["EvaluationPeriods"], alarm.get("DatapointsToAlarm")
    wanted = count if wanted is None else wanted
    latest = now // periods * periods
    seen = [series.get(latest - n * periods) for n in range(1, count + LOOK_BACK + 1)]
    points = _evaluated(seen, count, alarm["TreatMissingData"])
    breaches = _COMPARED[alarm["ComparisonOperator"]]
    over = [point for point in points if breaches(point, float(alarm["Threshold"]))]
    return ALARM if len(over) >= wanted else OK


def _evaluated(seen: Sequence[float | None], count: int, missing: str) -> Sequence[float]:
    """The points that count, newest first: real ones if there are enough, else filled up."""
    real = [point for point in seen if point is not None]
    lacking = max(0, count - len(real))
    return [*real[:count], *[math.nan] * (lacking if _BREACHING[missing] else 0)]


_BREACHING = {"breaching": True, "notBreaching": False}
"""The two treatments that our alarms use; the others keep a state, or have none."""

_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, limit: math.isnan(value) or value > limit,
    "GreaterThanOrEqualToThreshold": lambda value, limit: math.isnan(value) or value >= limit,
    "LessThanThreshold": lambda value, limit: math.isnan(value) or value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit: math.isnan(value) or value <= limit,
}
"""NaN stands for a missing point that is treated as breaching."""


def _watched(alarm: Mapping[str, Any], metrics: Metrics) -> tuple[int, Series]:
    """The period and the series that the threshold is for."""
    if "Metrics" not in alarm:
        stat = alarm.get("Statistic") or alarm["ExtendedStatistic"]
        return alarm["Period"], metrics.statistic(alarm, stat, alarm["Period"])
    queries = {one["Id"]: one for one in alarm["Metrics"]}
    series = {
        name: metrics.statistic(one["MetricStat"]["Metric"], one["MetricStat"]["Stat"], period)
        for name, one in queries.items()
        if "MetricStat" in one and (period := one["MetricStat"]["Period"])
    }
    (period,) = {one["MetricStat"]["Period"] for one in queries.values() if "MetricStat" in one}
    (told,) = [one for one in queries.values() if one.get("ReturnData", True)]
    return period, calculate(told["Expression"], series)


def calculate(expression: str, series: Mapping[str, Series]) -> Series:
    """A metric math expression; raises KeyError for a name or function that is not known.

    An operation between series gives a value where both have one; SUM and MAX over a list take at
    each time what is there.
    """
    text = expression.replace(" AND ", " and ").replace(" OR ", " or ")
    result = _value(ast.parse(text, mode="eval").body, series)
    assert isinstance(result, dict), "an alarm watches a time series"
    return result


_OPERATORS: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.And: lambda one, other: bool(one) and bool(other),
    ast.Or: lambda one, other: bool(one) or bool(other),
}


def _value(node: ast.expr, series: Mapping[str, Series]) -> Any:
    match node:
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return series[name]
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _each(_divided, _value(left, series), _value(right, series))
        case ast.BinOp(left=left, op=op, right=right):
            return _each(_OPERATORS[type(op)], _value(left, series), _value(right, series))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _each(_OPERATORS[type(op)], _value(left, series), _value(right, series))
        case ast.BoolOp(op=op, values=[left, right]):
            return _each(_OPERATORS[type(op)], _value(left, series), _value(right, series))
        case ast.Call(func=ast.Name(id="IF"), args=[test, then, other]):
            tested, yes, no = (_value(one, series) for one in (test, then, other))
            taken = _each(lambda flag, value: (bool(flag), value), tested, yes)
            both = _each(lambda pair, value: pair[1] if pair[0] else value, taken, no)
            return {at: value for at, value in both.items() if value is not None}
        case ast.Call(func=ast.Name(id="SUM" | "MAX" as name), args=[ast.List(elts=some)]):
            lists = [_value(one, series) for one in some]
            return _joined(sum if name == "SUM" else max, lists)
    raise KeyError(ast.unparse(node))


def _each(do: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        both = {at: do(one[at], other[at]) for at in one.keys() & other.keys()}
    elif isinstance(one, dict):
        both = {at: do(value, other) for at, value in one.items()}
    elif isinstance(other, dict):
        both = {at: do(one, value) for at, value in other.items()}
    else:
        return do(one, other)
    return {at: value for at, value in both.items() if value is not None}


def _divided(one: float, other: float) -> float | None:
    """By zero there is no data point."""
    return one / other if other else None


def _joined(do: Callable[[Iterable[float]], float], some: Sequence[Series]) -> Series:
    times = {at for one in some for at in one}
    return {at: do([one[at] for one in some if at in one]) for at in times}


def _statistic(stat: str, values: Sequence[float]) -> float:
    if stat.startswith("p"):
        ordered, place = sorted(values), float(stat[1:]) / 100 * (len(values) - 1)
        low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
        return low + (high - low) * (place - math.floor(place))
    return {
        "Sum": sum(values),
        "Average": sum(values) / len(values),
        "Minimum": min(values),
        "Maximum": max(values),
        "SampleCount": float(len(values)),
    }[stat]
