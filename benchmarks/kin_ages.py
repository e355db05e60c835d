"""Ages of households of two to five persons under what is believed of relatives, in a second instead of a run.

A household is a chain: its first member, and each further one given the first and the one before. Under log-weights for these the
population of maximum entropy that meets the margins which the specs of households have (ages of persons, of householders, kinds
by whether there are children, sizes) has one factor for each of their cells, and its tables are sums along chains.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]

GROUPS = np.array([0, 16, 25, 35, 45, 55, 65, 75, 100])
"""Ages of householders as the specs' table has them."""

GROWN, OLD, LEAST_HEAD = 18, 65, 15
SIZES = range(2, 6)
ROLES = ("spouse", "further in couples", "further elsewhere")
INSIDE = 5
"""Ages are even within a cell: so many stand for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What there is per household: margins, which a spec gives, and what no table says: ages by role, shape (first, member),
    and the share of `several` generations (somebody under 18, somebody of 65 or more)."""

    cuts: Floats
    ages: Floats
    firsts: Floats
    kinds: Floats
    sizes: Floats
    tables: Mapping[str, Floats]
    several: float

    @property
    def low(self) -> Floats:
        return self.cuts[:-1]

    @property
    def group(self) -> NDArray[np.int64]:
        return np.searchsorted(GROUPS, self.low, side="right") - 1

    @property
    def margins(self) -> Floats:
        return np.concatenate([self.ages, self.firsts, self.kinds.ravel(), self.sizes])


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWeights:
    """Log-weights on the cells of ages: of the first, shape (cells,), of members given the first and of one given the one before,
    shape (cells, cells)."""

    first: Floats
    members: Mapping[str, Floats]
    before: Floats


def count(reference: Path, ends: Floats) -> Counted:
    """Count the records of a state, ages cut at `ends` and where the specs' tables cut them."""
    cuts = np.unique(np.concatenate([ends, GROUPS, [LEAST_HEAD, GROWN, OLD]])).astype(float)
    homes = pl.read_parquet(reference / "household.parquet").select("household_id", "householder_type")
    persons = pl.read_parquet(reference / "person.parquet").sort("household_id", "person_num")
    persons = persons.join(homes, on="household_id", maintain_order="left")
    place = persons.select(pl.int_range(pl.len()).over("household_id"))["literal"].to_numpy()
    cell = np.searchsorted(cuts, persons["age"].to_numpy(), side="right") - 1
    home = np.cumsum(place == 0) - 1
    number = home[-1] + 1
    first = cell[place == 0]
    couple = (persons["householder_type"] == "Couple").to_numpy()
    age = persons["age"].to_numpy()
    children, old = (np.bincount(home, own, number) > 0 for own in (age < GROWN, age >= OLD))
    roles = (couple & (place == 1), couple & (place > 1), ~couple & (place > 0))
    size = len(cuts) - 1

    def table(rows: NDArray[np.bool_]) -> Floats:
        return np.bincount(first[home[rows]] * size + cell[rows], minlength=size * size).reshape(size, size) / number

    return Counted(
        cuts=cuts,
        ages=np.bincount(cell, minlength=size) / number,
        firsts=np.bincount(np.searchsorted(GROUPS, cuts[first], side="right") - 1, minlength=len(GROUPS) - 1) / number,
        kinds=np.bincount(2 * ~couple[place == 0] + children, minlength=4).reshape(2, 2) / number,
        sizes=np.bincount(np.bincount(home), minlength=6)[2:6] / number,
        tables=dict(zip(ROLES, map(table, roles), strict=True)),
        several=float((children & old).mean()),
    )


@dataclass(slots=True, kw_only=True)
class Chains:
    """The population of maximum entropy under log-weights; `meet` finds its factors, one for each cell of the margins."""

    counted: Counted
    weights: LogWeights
    factors: Floats = field(default_factory=lambda: np.zeros(0))

    def meet(self, start: Floats | None = None) -> None:
        """Minimize the dual of maximum entropy, whose gradient is what the margins are off."""
        aim = self.counted.margins
        if start is None:
            start = np.zeros(len(aim))
            start[-len(SIZES) :] = -np.log(self._margins(start)[-len(SIZES) :].sum())

        def dual(factors: Floats) -> tuple[float, Floats]:
            found = self._margins(factors)
            return float(found[-len(SIZES) :].sum() - aim @ factors), found - aim

        options = {"maxiter": 400, "maxcor": 30, "ftol": 1e-13, "gtol": 3e-5}
        self.factors = minimize(dual, start, jac=True, method="L-BFGS-B", options=options).x

    def tables(self) -> dict[str, Floats]:
        """First by member ages of each role, per household."""
        found = {role: np.zeros((len(self.counted.low),) * 2) for role in ROLES}
        self._add(
            self.factors,
            lambda kind, place, own, _: found.update({_role(kind, place): found[_role(kind, place)] + own}),
        )
        return found

    def several(self) -> float:
        """Share of households with somebody under 18 and somebody of 65 or more."""
        grown, young = self.counted.low >= GROWN, self.counted.low < OLD
        return 1.0 - self._share(grown) - self._share(young) + self._share(grown & young)

    def _share(self, allowed: NDArray[np.bool_]) -> float:
        found = [0.0]

        def add(kind: int, place: int, own: Floats, _: Floats) -> None:
            found[0] += own.sum() if place == 1 else 0.0

        self._add(self.factors, add, allowed=allowed.astype(float))
        return found[0]

    def _margins(self, factors: Floats) -> Floats:
        size = len(self.counted.low)
        ages, first, kinds, sizes = np.zeros(size), np.zeros(size), np.zeros((2, 2)), np.zeros(len(SIZES))

        def add(kind: int, place: int, own: Floats, adults: Floats) -> None:
            ages[:] += own.sum(axis=0)
            if place == 1:
                first[:] += own.sum(axis=1)
                kinds[kind] += adults.sum(), own.sum() - adults.sum()
                sizes[self._size - SIZES[0]] += own.sum()

        self._add(factors, add)
        groups = np.bincount(self.counted.group, first, len(GROUPS) - 1)
        return np.concatenate([ages + first, groups, kinds.ravel(), sizes])

    _size: int = 0

    def _add(
        self, factors: Floats, add: Callable[[int, int, Floats, Floats], None], allowed: Floats | float = 1.0
    ) -> None:
        """Hand each place of each kind and size its table (first, member): of all, and of households without children."""
        size = len(self.counted.low)
        of_age, of_group, of_kind, of_size = np.split(np.exp(factors), [size, size + len(GROUPS) - 1, -len(SIZES)])
        own = self.counted.ages / self.counted.ages.sum() * of_age * allowed
        first = own * of_group[self.counted.group] * np.exp(self.weights.first) * (self.counted.low >= LEAST_HEAD)
        grown = (self.counted.low >= GROWN).astype(float)
        for kind, (without, with_children) in enumerate(of_kind.reshape(2, 2)):
            for number in SIZES:
                self._size = number
                every, adults = self._chain(kind, number, own), self._chain(kind, number, own * grown)
                for place, (one, other) in enumerate(zip(every, adults, strict=True), 1):
                    whole, none = first[:, None] * one, (first * grown)[:, None] * other
                    scale = of_size[number - SIZES[0]]
                    childless = scale * without * none
                    add(kind, place, scale * with_children * (whole - none) + childless, childless)

    def _chain(self, kind: int, number: int, own: Floats) -> list[Floats]:
        """Sums over all other members of households of a kind and size, for the first and each further member."""
        link = np.exp(self.weights.before)
        grown = self.counted.low >= LEAST_HEAD
        steps = [np.exp(self.weights.members[_role(kind, place)]) * own for place in range(1, number)]
        if kind == 0:
            steps[0] = steps[0] * grown
        linked = [place > 2 - (kind == 1) for place in range(1, number)]
        forth = [steps[0]]
        for step, tied in zip(steps[1:], linked[1:], strict=True):
            forth.append(step * (forth[-1] @ link if tied else forth[-1].sum(axis=1, keepdims=True)))
        back = [np.ones_like(steps[0])]
        for step, tied in zip(steps[:0:-1], linked[:0:-1], strict=True):
            behind = step * back[0]
            back.insert(0, behind @ link.T if tied else np.repeat(behind.sum(axis=1, keepdims=True), len(own), axis=1))
        return [one * other for one, other in zip(forth, back, strict=True)]


def _role(kind: int, place: int) -> str:
    return ROLES[2] if kind else ROLES[min(place, 2) - 1]


def apart(counted: Counted, one: Floats, other: Floats) -> float:
    """Wasserstein distance, in years, between the age gaps of two tables of couples."""
    quantiles = [_gaps(counted, table) for table in (one, other)]
    return float(np.abs(quantiles[0] - quantiles[1]).mean())


def _gaps(counted: Counted, table: Floats) -> Floats:
    part = (np.arange(INSIDE) + 0.5) / INSIDE
    ages = counted.low[:, None] + np.diff(counted.cuts)[:, None] * part
    gaps = np.abs(ages[:, None, :, None] - ages[None, :, None, :]).ravel()
    shares = np.repeat(table.ravel() / table.sum(), INSIDE**2) / INSIDE**2
    order = np.argsort(gaps, kind="stable")
    return np.interp(np.linspace(0.005, 0.995, 100), np.cumsum(shares[order]), gaps[order])
