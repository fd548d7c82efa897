"""All sequences of members that lead to a group, enumerated in plain Python."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elsa_groups.groups.family import Family, Linkage, Rule

Subgroups = tuple[tuple[int, ...], ...]


@dataclass
class PlainGroups:
    """Who may join whom, by a matrix of similarities."""

    similarities: Any
    family: Family
    sizes: tuple[int, ...]
    similar: float
    divergent: float
    band: tuple[float, float] = (0.0, 1.0)

    def meets(self, user: int, subgroup: tuple[int, ...], rule: Rule) -> bool:
        if rule == Rule.any or not subgroup:
            return True
        values = [float(self.similarities[user, member]) for member in subgroup]
        if self.family.linkage == Linkage.mean:
            values = [sum(values) / len(values)]
        low, high = {
            Rule.similar: (self.similar, 1.0),
            Rule.divergent: (0.0, self.divergent),
            Rule.band: self.band,
        }[rule]
        met = [low <= v <= high for v in values]
        return any(met) if self.family.linkage == Linkage.any else all(met)

    def welcome(self, subgroups: Subgroups, turn: int) -> list[int]:
        """Who may join one subgroup."""
        family, taken = self.family, set(sum(subgroups, ()))
        return [
            user
            for user in range(len(self.similarities))
            if user not in taken
            and all(
                self.meets(user, part, family.within if s == turn else family.across)
                for s, part in enumerate(subgroups)
            )
        ]

    def open_ones(self, subgroups: Subgroups) -> list[int]:
        return [s for s, part in enumerate(subgroups) if len(part) < self.sizes[s]]

    def sequences(self) -> Counter[frozenset[int]]:
        """How many sequences lead to each set of members."""
        nobody: Subgroups = ((),) * (len(self.sizes) - 1)
        starts = [((user,), *nobody) for user in range(len(self.similarities))]
        return Counter(group for start in starts for group in self._ends(start))

    def _ends(self, subgroups: Subgroups) -> Iterator[frozenset[int]]:
        turns = self.open_ones(subgroups)
        if not turns:
            yield frozenset(sum(subgroups, ()))
        for s in turns:
            for user in self.welcome(subgroups, s):
                yield from self._ends((*subgroups[:s], (*subgroups[s], user), *subgroups[s + 1 :]))
