"""Cells as plain lists, numbers and bytes, and back.

An operation, a variant or a kind of error that this version does not know is read as 'other', so that processes of
two versions can tell each other. A sketch's bins are checked where they are added up (`state.metrics.latencies`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeVar

from state.metrics.cells import (
    CacheLabels,
    Cells,
    Health,
    Lookups,
    Performance,
    Quality,
    Verdict,
    merged_performance,
    merged_quality,
)
from state.metrics.labels import ERROR_KINDS, OTHER, CacheLevel, Component, Labels, Operation, Status, Variant
from state.metrics.latencies import Bins, Latencies
from state.metrics.spend import NO_SIZES, Cost, Spend, TopSpenders, merged_costs
from state.model import Priority

T = TypeVar("T")
K = TypeVar("K", bound=str)

_LABELS = len(Labels._fields)
_LATENCIES = 6
_OPERATIONS = {operation.value: operation for operation in Operation}
_PRIORITIES = {priority.value: priority for priority in Priority}
_VARIANTS = {variant.value: variant for variant in Variant}


class Strings:
    """Gives every string a place, the first time it is met."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def __call__(self, text: str | None) -> int:
        return self.places.setdefault(text or "", len(self.places))


def written_cells(cells: Cells, place: Strings) -> list[Any]:
    """What `CellReader.cells` reads."""
    return [
        [[*map(place, labels), *_performance(cell, place)] for labels, cell in cells.performance.items()],
        [[*map(place, labels), *_cost(cell)] for labels, cell in cells.costs.items()],
        [[*map(place, labels), *_quality(cell, place)] for labels, cell in cells.quality.items()],
        [[place(level), place(operation), *lookups] for (level, operation), lookups in cells.caches.items()],
        [[place(component), *_health(cell, place)] for component, cell in cells.health.items()],
        _spenders(cells.tenants),
        _spenders(cells.sessions),
    ]


def _performance(cell: Performance, place: Strings) -> list[Any]:
    return [*_latencies(cell.latencies), _placed(cell.errors, place)]


def _latencies(latencies: Latencies) -> list[Any]:
    bins = latencies.bins
    return [latencies.count, latencies.sum_ns, latencies.min_ns, latencies.max_ns, bins.keys, bins.counts]


def _cost(cell: Cost) -> list[Any]:
    return [cell.spend, cell.input_sizes, cell.output_sizes]


def _quality(cell: Quality, place: Strings) -> list[Any]:
    return [cell.scores, _placed(cell.verdicts, place), cell.first, cell.first_accepted]


def _health(cell: Health, place: Strings) -> list[Any]:
    return [
        *_latencies(cell.latencies),
        _placed(cell.checks, place),
        _placed(cell.errors, place),
        _placed(cell.first_ms, place),
        _placed(cell.last_ms, place),
        None if cell.last_error is None else [cell.last_error[0], place(cell.last_error[1])],
    ]


def _spenders(spenders: TopSpenders) -> list[Any]:
    return [spenders.by_name, spenders.rest, spenders.missing_pico_usd]


def _placed(counts: Mapping[K, int], place: Strings) -> dict[int, int]:
    return {place(key): count for key, count in counts.items()}


class CellReader:
    """Reads the cells of one record. Raises `LookupError`, `TypeError`, `ValueError` or `AttributeError` for what is
    none, at the latest in `finish`: its numbers are put aside and checked together there, because checking each
    where it is met would take longer than all the rest."""

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings
        self._numbers: list[Iterable[int]] = []
        self._held: dict[tuple[int, ...], Labels] = {}

    def check(self, *numbers: int) -> None:
        """They have to be whole numbers, and not negative."""
        self._numbers.append(numbers)

    def finish(self) -> None:
        """Check what was put aside, and the strings."""
        numbers = list(chain.from_iterable(self._numbers))
        if numbers and (set(map(type, numbers)) != {int} or min(numbers) < 0):
            raise ValueError
        if self._strings and set(map(type, self._strings)) != {str}:
            raise TypeError

    def cells(self, fields: Sequence[Any]) -> Cells:
        performance, costs, quality, caches, health, tenants, sessions = fields
        return Cells(
            performance=self._by_labels(performance, self._performance, merged_performance),
            costs=self._by_labels(costs, self._cost, merged_costs),
            quality=self._by_labels(quality, self._quality, merged_quality),
            caches=dict(map(self._lookups, caches)),
            health={Component(self._strings[cell[0]]): self._health(cell[1:]) for cell in health},
            tenants=self._spenders(tenants),
            sessions=self._spenders(sessions),
        )

    def _by_labels(
        self,
        cells: Sequence[Sequence[Any]],
        read: Callable[[Sequence[Any]], T],
        merge: Callable[[Iterable[T]], T],
    ) -> dict[Labels, T]:
        """Cells that differ in labels which are not known here are one."""
        held: dict[Labels, T] = {}
        for cell in cells:
            labels, value = self._labels(cell), read(cell[_LABELS:])
            held[labels] = merge([held[labels], value]) if labels in held else value
        return held

    def _labels(self, cell: Sequence[Any]) -> Labels:
        places = tuple(cell[:_LABELS])
        held = self._held.get(places)
        if held is None:
            self._numbers.append(places)
            operation, priority, provider, model, prompt, variant = [self._strings[place] for place in places]
            held = self._held[places] = Labels(
                _OPERATIONS.get(operation, Operation.OTHER),
                _PRIORITIES.get(priority),
                provider,
                model,
                prompt,
                _VARIANTS.get(variant, Variant.OTHER),
            )
        return held

    def _performance(self, fields: Sequence[Any]) -> Performance:
        return Performance(latencies=self._latencies(fields), errors=self._errors(fields[_LATENCIES]))

    def _latencies(self, fields: Sequence[Any]) -> Latencies:
        count, sum_ns, min_ns, max_ns, keys, counts = fields[:_LATENCIES]
        if type(keys) is not bytes or type(counts) is not bytes:
            raise TypeError
        self._numbers.append(fields[: _LATENCIES - 2])
        return Latencies(count=count, sum_ns=sum_ns, min_ns=min_ns, max_ns=max_ns, bins=Bins(keys, counts))

    def _errors(self, counts: Mapping[int, int]) -> dict[str, int]:
        errors: dict[str, int] = {}
        for place, count in counts.items():
            kind = self._strings[place] if self._strings[place] in ERROR_KINDS else OTHER
            errors[kind] = errors.get(kind, 0) + count
        self._numbers += (counts, counts.values())
        return errors

    def _cost(self, fields: Sequence[Any]) -> Cost:
        spend, input_sizes, output_sizes = fields
        if not len(input_sizes) == len(output_sizes) == len(NO_SIZES):
            raise ValueError
        self._numbers += (spend, input_sizes, output_sizes)
        return Cost(spend=Spend(*spend), input_sizes=tuple(input_sizes), output_sizes=tuple(output_sizes))

    def _quality(self, fields: Sequence[Any]) -> Quality:
        scores, verdicts, first, first_accepted = fields
        self._numbers += (scores, scores.values(), verdicts.values(), (first, first_accepted))
        return Quality(
            scores=scores,
            verdicts={Verdict(self._strings[place]): count for place, count in verdicts.items()},
            first=first,
            first_accepted=first_accepted,
        )

    def _lookups(self, fields: Sequence[Any]) -> tuple[CacheLabels, Lookups]:
        level, operation, *lookups = fields
        self._numbers.append(lookups)
        known = _OPERATIONS.get(self._strings[operation], Operation.OTHER)
        return CacheLabels(CacheLevel(self._strings[level]), known), Lookups(*lookups)

    def _health(self, fields: Sequence[Any]) -> Health:
        checks, errors, first_ms, last_ms, error = fields[_LATENCIES:]
        last_error = None
        if error is not None:
            at_ms, kind = error
            self.check(at_ms)
            last_error = (at_ms, self._strings[kind])
        return Health(
            latencies=self._latencies(fields),
            checks=self._by_status(checks),
            errors=self._errors(errors),
            first_ms=self._by_status(first_ms),
            last_ms=self._by_status(last_ms),
            last_error=last_error,
        )

    def _by_status(self, counts: Mapping[int, int]) -> dict[Status, int]:
        self._numbers += (counts, counts.values())
        return {Status(self._strings[place]): count for place, count in counts.items()}

    def _spenders(self, fields: Sequence[Any]) -> TopSpenders:
        by_name, rest, missing = fields
        self._numbers += (rest, (missing,), *by_name.values())
        return TopSpenders(
            by_name={name: Spend(*spend) for name, spend in by_name.items()},
            rest=Spend(*rest),
            missing_pico_usd=missing,
        )
