"""Figures of a run: what they are, how they are kept, and set against an earlier run's."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from state.errors import InvalidField

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing that was measured, a value a repeat. `setting` is under what: '10 users'; `name` holds its unit."""

    workload: str
    setting: str
    name: str
    values: tuple[float, ...]

    @property
    def key(self) -> Key:
        return self.workload, self.setting, self.name

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the figures depend on besides the code; `load` is the load average of a minute when the run began."""

    cores: int
    model: str
    system: str
    python: str
    ray: str
    load: float

    @classmethod
    def this(cls) -> Self:
        return cls(
            cores=os.cpu_count() or 1,
            model=_model(),
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            ray=version("ray"),
            load=round(os.getloadavg()[0], 2),
        )

    def __str__(self) -> str:
        known = f"{self.cores} cores ({self.model}), {self.system}, Python {self.python}, Ray {self.ray}"
        return f"{known}, load {self.load:.1f} at the start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of the bench; `at` is when it began, in UTC."""

    at: str
    machine: Machine
    figures: tuple[Figure, ...] = ()

    @classmethod
    def begun(cls) -> Self:
        return cls(at=datetime.now(UTC).isoformat(timespec="seconds"), machine=Machine.this())

    def to_json(self) -> str:
        """With each figure's median, for whoever reads the file."""
        rows = [asdict(figure) | {"median": round(figure.median, 4)} for figure in self.figures]
        return json.dumps(asdict(self) | {"figures": rows}, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Report:
        """Raises `InvalidField` where the file cannot be read or holds something else."""
        try:
            return _REPORT.validate_json(path.read_bytes())
        except OSError as error:
            raise InvalidField(field="--against", fix=f"{path} cannot be read: {error.strerror}") from None
        except ValidationError:
            raise InvalidField(field="--against", fix=f"{path} is not what --output has written") from None


_REPORT = TypeAdapter(Report)


def figures(workload: str, setting: str, rounds: Sequence[Mapping[str, float]]) -> tuple[Figure, ...]:
    """A figure for each name, in the order of their first mention; a round without it counts as 0."""
    names = dict.fromkeys(name for measured in rounds for name in measured)
    return tuple(
        Figure(
            workload=workload,
            setting=setting,
            name=name,
            values=tuple(round(measured.get(name, 0.0), 4) for measured in rounds),
        )
        for name in names
    )


def ratios(now: Report, before: Report) -> dict[Key, float]:
    """Each figure's median by that of the earlier run; only those that both have, and not where it was 0."""
    earlier = {figure.key: figure.median for figure in before.figures}
    return {figure.key: figure.median / earlier[figure.key] for figure in now.figures if earlier.get(figure.key)}


def percentile(values: Sequence[float], percent: float) -> float:
    """Between the two nearest values, in proportion. Raises `ValueError` where there is none."""
    if not values:
        raise ValueError("no values to take a percentile of")
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _model() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())
