"""Values for what is made up: figures, dates, firms, roles and tools that the sources do not hold."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

FIRMS = (
    "Deloitte",
    "Meridian Logistics Ltd",
    "Barclays",
    "Fairview General Hospital",
    "Northwind Technologies",
    "IBM",
    "Ashworth & Lane",
    "the University of Leeds",
    "Siemens",
    "Holloway Partners LLP",
    "Unilever",
    "Greenfield Academy",
)
ROLES = (
    "senior analyst",
    "operations manager",
    "a team leader",
    "principal engineer",
    "the deputy head",
    "programme director",
    "a product manager",
    "the head of service",
    "senior consultant",
    "the regional coordinator",
)
TOOLS = (
    "Terraform",
    "Kafka",
    "Tableau",
    "Salesforce",
    "Kubernetes",
    "PostgreSQL",
    "Jenkins",
    "SharePoint",
    "Trello",
    "MATLAB",
    "QuickBooks",
    "Docker",
    "Photoshop",
    "ServiceNow",
    "Snowflake",
    "AutoCAD",
)
MONTHS = ("February", "March", "April", "June", "July", "October", "November", "December")
ORDINALS = ("second", "third", "3rd", "fourth", "5th", "sixth")
SMALL = {
    word: n
    for n, word in enumerate(["four", "five", "six", "seven", "eight", "nine", "eleven", "thirteen", "fifteen"], 4)
}
SMALL |= {"eleven": 11, "thirteen": 13, "fifteen": 15}

_SPELLED = {str(n): word for word, n in SMALL.items()} | {"2": "two", "3": "three", "10": "ten", "12": "twelve"}


class Slots:
    """Fills the slots of a phrase (`str.format_map`); no value it gives stands in `told`, in figures or in words."""

    def __init__(self, rng: random.Random, told: str) -> None:
        self._rng = rng
        self.told = told
        self._given: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self._given:
            self._given[name] = self._fresh(_VALUES[name])
        return self._given[name]

    def _fresh(self, value: Callable[[random.Random], str]) -> str:
        for _ in range(200):
            found = value(self._rng)
            if found not in self._given.values() and not self.tells(found):
                return found
        raise ValueError("The sources hold every value of this slot.")

    def tells(self, value: str) -> bool:
        """Whether the sources hold it, its figure in digits or in words, or the first of its words."""
        bare = value.casefold().removeprefix("the ").removeprefix("a ").split()[0].rstrip("%,").replace(",", "")
        figure = str(SMALL.get(bare, bare))
        ways = (bare, figure, _SPELLED.get(figure, figure))
        told = self.told.replace(",", "")
        return any(re.search(rf"\b{re.escape(way)}\b", told) for way in ways)


def _percentage(rng: random.Random) -> str:
    n = rng.randrange(13, 97)
    return rng.choice((f"{n}%", f"{n} percent", f"{n} per cent", f"{n}%", "two-thirds", "three quarters"))


_VALUES: Mapping[str, Callable[[random.Random], str]] = {
    "pct": _percentage,
    "n": lambda rng: str(rng.choice((7, 9, 13, 16, 17, 19, 26, 27, 28, 33, 37))),
    "n2": lambda rng: str(rng.choice((41, 43, 47, 51, 53, 57, 59))),
    "w": lambda rng: rng.choice(tuple(SMALL)),
    "ord": lambda rng: rng.choice(ORDINALS),
    "big": lambda rng: rng.choice(("250", "1,300", "2,750", "10,000", "15k", "40,500")),
    "money": lambda rng: rng.choice(("25,000", "75,000", "130k", "240,000", "1.7 million")),
    "m": lambda rng: rng.choice(("1.3", "2.7", "5.5")),
    "k": lambda rng: rng.choice(("45", "95", "175", "260")),
    "year": lambda rng: str(rng.choice((2009, 2011, 2013, 2014))),
    "year2": lambda rng: str(rng.choice((2015, 2016))),
    "yy": lambda rng: rng.choice(("08", "07", "06")),
    "month": lambda rng: rng.choice(MONTHS),
    "month2": lambda rng: rng.choice(MONTHS),
    "firm": lambda rng: rng.choice(FIRMS),
    "role": lambda rng: rng.choice(ROLES),
    "Role": lambda rng: re.sub(r"^(?:a|the) ", "", rng.choice(ROLES)).title(),
    "tool": lambda rng: rng.choice(TOOLS),
    "tool2": lambda rng: rng.choice(TOOLS),
    "tool_lower": lambda rng: rng.choice(TOOLS).lower(),
    "tool2_lower": lambda rng: rng.choice(TOOLS).lower(),
}
