"""Why no plan exists: the limits in conflict, and the smallest change of the scenario that would let one exist."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gigawatt.plan.algebra import Ints, Model
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.limits import HORIZON, Datum, data_of, span, spoken, stands_already
from gigawatt.plan.live import LivePlan, hand_off, integer_columns
from gigawatt.plan.metadata import Unit, Words
from gigawatt.plan.solver import Ending, Solver

Floats = npt.NDArray[np.float64]
Bounds = tuple[Floats, Floats]

NOTICED = 1e-5
"""Violation below which a limit holds, in its unit."""


TIE = 1e-4
"""By how much more a datum counts than one of the family before it, so that of relaxations equally small it is always
the same one that is named, whatever the solver meets first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a datum gives way by, in its unit, and the quarters that ask for it."""

    datum: Datum
    amount: float
    quarters: tuple[str, ...]


class Elastic:
    """A problem in which every datum of the scenario may give way by one slack, over all rows in which it stands.

    A slack counts as a share of its figure; of a limit that is no amount (a right, the length of a term) one unit
    counts as all of it, so that it gives way last. Costs are left out, lumps are taken as divisible. Bounds that were
    changed since the model was built (a system that is left out for a trial) are no data and stay.

    Args:
        model: the problem.
        d: what it was built from.
        bounds: (columns,) lower and upper; those of the model if None.
    """

    def __init__(self, model: Model, d: PlanInputs, bounds: Bounds | None = None) -> None:
        """Adds the slacks; none may be used yet."""
        self.model, self.inputs = model, d
        self.solver = _feasibility(model, bounds)
        built = np.concatenate(model.upper)
        self.lower = np.concatenate(model.lower) if bounds is None else bounds[0]
        upper = built if bounds is None else bounds[1]
        self.data = [
            datum for datum in data_of(model)
            if not datum.is_bound or bool((upper[datum.places] == built[datum.places]).all())
        ]  # fmt: skip
        self.rows = [self._eased(datum, built) for datum in self.data]
        self.share = np.array([1.0 / max(1.0, abs(datum.figure)) for datum in self.data])
        rank = np.array([self.families.index(datum.family) for datum in self.data], dtype=np.float64)
        none = np.zeros(len(self.data))
        self.solver.add_columns(self.share * (1.0 + TIE * rank), none, none, self._slacks())

    def _slacks(self) -> sp.csc_array:
        """(row, datum) where the slack of a datum stands, with its sign."""
        signs = [np.where(self._falls_short(d, rows), 1.0, -1.0) for d, rows in zip(self.data, self.rows, strict=True)]
        at = np.repeat(np.arange(len(self.rows)), [rows.size for rows in self.rows])
        rows, sign = (np.concatenate([np.empty(0), *parts]) for parts in (self.rows, signs))
        return sp.csc_array((sign, (rows.astype(np.int64), at)), shape=(self.solver.n_rows, len(self.data)))

    def _eased(self, datum: Datum, built: Floats) -> Ints:
        """Rows that a datum's slack stands in; of bounds, a row of its own for each."""
        if not datum.is_bound:
            return datum.places
        first, size = self.solver.n_rows, datum.places.size
        eye = sp.csr_array((np.ones(size), datum.places, np.arange(size + 1)), shape=(size, self.model.n_columns))
        self.solver.add_rows(eye, np.full(size, -np.inf), built[datum.places])
        self.solver.set_bounds(datum.places, self.lower[datum.places], np.full(size, np.inf))
        return np.arange(first, first + size)

    def _falls_short(self, datum: Datum, rows: Ints) -> npt.NDArray[np.bool_]:
        """True where the slack stands in for something that has to be there, False where it adds room."""
        if datum.is_bound or datum.family == "cash":
            return np.zeros(rows.size, dtype=bool)
        lower, _ = _sides(self.model)
        return np.isfinite(lower[rows])

    @property
    def families(self) -> list[str]:
        """Families of the data, in the order of the model: rows, then bounds."""
        return list(dict.fromkeys(datum.family for datum in self.data))

    def words(self, family: str) -> Words:
        """Words of a family."""
        return next(datum.words for datum in self.data if datum.family == family)

    def in_words(self, families: list[str]) -> str:
        """Families as a sentence lists them."""
        words = [self.words(name).text for name in families]
        return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]

    def allow(self, families: list[str]) -> None:
        """Only data of these families may give way."""
        size = len(self.data)
        slacks = np.arange(self.model.n_columns, self.model.n_columns + size)
        upper = np.where([datum.family in families for datum in self.data], np.inf, 0.0)
        self.solver.set_bounds(slacks, np.zeros(size), upper)

    def possible(self) -> bool:
        """True where a plan exists with what may give way."""
        return _possible(self.solver)

    def given(self) -> list[Given]:
        """What gives way in the last answer, the largest share of its figure first."""
        x, (low, high) = self.solver.found().x, self.solver.row_bounds
        values, slack = self.solver.matrix @ x, x[self.model.n_columns :]
        found = []
        for datum, rows, amount, share in zip(self.data, self.rows, slack, slack * self.share, strict=True):
            if amount <= NOTICED:
                continue
            bare = values[rows] - np.where(self._falls_short(datum, rows), amount, -amount)
            short = np.maximum(low[rows] - bare, bare - high[rows]) > NOTICED
            quarters = tuple(q for q, yes in zip(datum.quarters, short.tolist(), strict=True) if yes)
            found.append((-round(float(share), 9), Given(datum=datum, amount=float(amount), quarters=quarters)))
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def explain_infeasible(plan: LivePlan, most: int = 6) -> str:
    """Sentences: conflicting families, what would have to give way, and what it would take of each family alone.

    Minimises the sum over data of what gives way, each as a share of its own figure, with every other row and all other
    bounds kept. A figure that stands in several quarters gives way once, by the largest shortfall of any.
    """
    elastic = Elastic(plan.model, plan.inputs, plan.solver.bounds)
    elastic.allow(elastic.families)
    nothing = "no plan exists, and the solver found no relaxation of the scenario's own limits that would allow one."
    given = elastic.given() if elastic.possible() else []
    if not given:
        return nothing
    used = list(dict.fromkeys(one.datum.family for one in given))
    families = _conflict(elastic) or used
    words = f"{elastic.in_words(families)} cannot {'all hold' if len(families) > 1 else 'hold'}"
    lines = [f"no plan meets this scenario: {words}. The smallest relaxation that would let a plan exist:"]
    lines += [f"  {_sentence(one, plan.inputs)}" for one in given[:most]]
    if len(given) > most:
        lines.append(f"  and {len(given) - most} more of the same families")
    tried = [used]
    for family in families:
        if [family] in tried:
            continue
        elastic.allow([family])
        if elastic.possible():
            tried.append([family])
            lines.append(f"  or {_listed(elastic.given(), plan.inputs)}")
        else:
            much = "they give" if elastic.words(family).many else "it gives"
            lines.append(f"  not by {elastic.words(family).text} alone, however much {much} way")
    for family in used:
        elastic.allow([name for name in elastic.families if name != family])
        if not elastic.possible():
            continue
        others = elastic.given()
        if list(dict.fromkeys(one.datum.family for one in others)) not in tried:
            lines.append(f"  or with {elastic.words(family).text} kept: {_listed(others, plan.inputs)}")
    return "\n".join(lines)


def _listed(given: list[Given], d: PlanInputs, most: int = 3) -> str:
    more = f"; and {len(given) - most} more" if len(given) > most else ""
    return "; ".join(_sentence(one, d) for one in given[:most]) + more


def _sentence(one: Given, d: PlanInputs) -> str:
    datum = one.datum
    where = ", ".join(part for part in (spoken(datum.label), _when(one.quarters, d)) if part)
    largest = largest_place(d, datum.label) if datum.family == "gang" and datum.label in d.gang_workload else None
    if largest is not None and largest[1] < datum.figure - NOTICED:
        return f"{datum.words.text} ({where}): {_too_large(datum, largest)}"
    if datum.family == "gang_one" and (largest := largest_place(d, datum.label)) is not None:
        size = float(d.gang_mw.sel(gang=datum.label).max())
        if largest[0] and largest[1] < size - NOTICED:
            return f"{datum.words.text} ({where}): {datum.words.instead}. {_largest(largest, size)}"
    return f"{datum.words.text} ({where}): {gives_way(datum.words, datum.unit, one.amount, datum.figure)}"


def _too_large(datum: Datum, largest: tuple[str, float]) -> str:
    return f"no place can carry {datum.figure:,.4g} MW of IT. {_largest(largest, datum.figure)}"


def _largest(largest: tuple[str, float], size: float) -> str:
    site, most = largest
    if not site:
        return "No site has a system that can run it"
    return f"The largest site, {site}, carries {most:,.4g} MW of IT, {size - most:,.4g} too few"


def largest_place(d: PlanInputs, gang: str) -> tuple[str, float] | None:
    """(site, IT MW) of the single site that could carry most of a gang while its job runs; None where one is endless.

    Counts sites with an offer whose system runs the job; ("", 0) where there is none. Pairs that fibre links count as
    their sites do, one by one.
    """
    lanes = d.lane_workload.values == gang
    pools = set(d.lane_pool.values[lanes & (d.rate.transpose("lane", "quarter").values > 0).any(axis=1)].tolist())
    runs = d.gang_mw.sel(gang=gang).values > 0
    best = ("", 0.0)
    for site in d.sites:
        at = (d.offer_site.values == site) & np.isin(d.offer_pool.values, sorted(pools))
        if not at.any():
            continue
        power = float(d.connection_mw.sel(site=site).values[runs].max(initial=0.0))
        it_mw = power / float(d.facility_over_it.values[at].min())
        if not np.isfinite(it_mw):
            return None
        if it_mw > best[1] or not best[0]:
            best = (site, it_mw)
    return best


def gives_way(words: Words, unit: Unit, amount: float, figure: float) -> str:
    """By how much a datum gives way, and from what where that is not nothing."""
    if words.instead:
        return words.instead
    if words.whole:
        more = math.ceil(amount - 1e-6)
        return f"give way by {more} {unit.one if more == 1 else unit.text}, from {figure:,.4g}"
    return f"give way by {amount:,.4g} {unit.text}" + (f", from {figure:,.4g}" if figure > 0 else "")


def _when(quarters: tuple[str, ...], d: PlanInputs) -> str:
    named = tuple(quarter for quarter in quarters if quarter != HORIZON)
    return span(named, d.quarters) if named else ""


def conflicting_families(model: Model, d: PlanInputs, bounds: Bounds | None = None) -> list[str]:
    """Smallest set of families that cannot hold together: without any one of them the others can.

    Families are let go one after another; what stays impossible without one did not need it.

    Args:
        model: the problem.
        d: what it was built from.
        bounds: (columns,) lower and upper; those of the model if None.
    """
    return _conflict(Elastic(model, d, bounds))


def conflict(model: Model, d: PlanInputs, bounds: Bounds | None = None) -> str:
    """``conflicting_families`` as a sentence lists them."""
    elastic = Elastic(model, d, bounds)
    return elastic.in_words(_conflict(elastic))


def _conflict(elastic: Elastic) -> list[str]:
    kept, gone = elastic.families, list[str]()
    for family in elastic.families:
        elastic.allow([*gone, family])
        if not elastic.possible():
            kept.remove(family)
            gone.append(family)
    elastic.allow(gone)
    return [] if elastic.possible() else kept


def conflicting_rows(model: Model, d: PlanInputs, bounds: Bounds | None = None) -> list[str]:
    """Sentences: an irreducible set of limits that cannot hold together, by family; empty where a plan exists.

    Without any one of them the others, the bookkeeping and all other bounds can hold. Limits of the conflicting
    families are let go in chunks, halved where a chunk was needed. One of possibly several such sets.
    """
    elastic = Elastic(model, d, bounds)
    if elastic.possible():
        return []
    families = _conflict(elastic)
    elastic.allow([family for family in elastic.families if family not in families])
    kept: list[int] = []
    solver = elastic.solver
    low, high = solver.row_bounds
    waiting = [
        np.concatenate([rows for datum, rows in zip(elastic.data, elastic.rows, strict=True) if datum.family == family])
        for family in families
    ]
    while waiting:
        chunk = waiting.pop()
        solver.set_row_bounds(chunk, np.full(chunk.size, -np.inf), np.full(chunk.size, np.inf))
        if not _possible(solver):
            continue
        solver.set_row_bounds(chunk, low[chunk], high[chunk])
        if len(chunk) == 1:
            kept += chunk.tolist()
        else:
            waiting += [chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]]
    return [_limit(elastic, row) for row in sorted(kept)]


def _limit(elastic: Elastic, row: int) -> str:
    """One limit in the user's own figure: "energised connections (hall, 2027Q1): at most 10 MW of facility power"."""
    d = elastic.inputs
    datum, place = next(
        (datum, rows.tolist().index(row)) for datum, rows in zip(elastic.data, elastic.rows, strict=True) if row in rows
    )
    where = ", ".join(part for part in (spoken(datum.label), _when((datum.quarters[place],), d)) if part)
    return f"{datum.words.text} ({where}): {_bound(elastic, datum, row)}"


def _bound(elastic: Elastic, datum: Datum, row: int) -> str:
    d, unit = elastic.inputs, datum.unit.text
    if datum.is_bound:
        return f"at most {datum.figure:,.4g} {unit}"
    block = next(rows.block for rows in elastic.model.constraints.values() if (rows.index == row).any())
    lower, upper = _sides(elastic.model)
    if datum.family == "right":
        right = next(one for one in d.rights if block.labels == (one.id,))
        return f"at least {right.share:.0%} of what is added from {right.quarters[0]} on goes to who holds it"
    if datum.family in ("term", "vacate"):
        stood = f"; {datum.figure:,.4g} {unit} stood before" if datum.figure > 0 else ""
        return f"held for {block.part} {'quarter' if block.part == 1 else 'quarters'} from its start{stood}"
    if datum.family == "gang_one":
        return "all of it is of one system" if block.part == "system" else "all of it stands at one place"
    beyond = " beyond what stands already" if stands_already(d, datum) else ""
    if lower[row] == upper[row]:
        return f"exactly {datum.figure:,.4g} {unit}{beyond}"
    return f"{'at most' if np.isfinite(upper[row]) else 'at least'} {datum.figure:,.4g} {unit}{beyond}"


def _sides(model: Model) -> Bounds:
    blocks = list(model.constraints.values())
    return np.concatenate([rows.lower for rows in blocks]), np.concatenate([rows.upper for rows in blocks])


def _feasibility(model: Model, bounds: Bounds | None) -> Solver:
    """The problem without its objective, gigawatts taken as divisible."""
    solver, every = hand_off(model), np.arange(model.n_columns)
    solver.set_cost(every, np.zeros(model.n_columns))
    if bounds is not None:
        solver.set_bounds(every, *bounds)
    solver.set_integer(integer_columns(model), whole=False)
    return solver


def _possible(solver: Solver) -> bool:
    """True where a plan exists under the limits that are held."""
    return solver.run() is Ending.OPTIMAL


def explain_whole(model: Model, time_limit_s: float = 20.0) -> str:
    """Sentence for a plan that exists in fractions only: what of it cannot be whole.

    One kind of lump after another is relaxed, without an objective, to see whether the others can be whole then.
    """
    present = [variable for variable in model.variables.values() if _is_integer(model, variable.columns)]
    guilty = []
    for variable in present:
        solver, columns = hand_off(model), variable.columns.ravel()
        solver.set_cost(np.arange(model.n_columns), np.zeros(model.n_columns))
        solver.set_integer(columns[columns >= 0], whole=False)
        solver.run(time_limit_s=time_limit_s)
        if solver.found().is_feasible:
            guilty.append(variable)
    said = [variable.column.whole for variable in guilty or present if variable.column.whole is not None]
    look = "; 'policy.lumps: relaxed' shows by how much each lump is off"
    return (
        f"no plan of whole numbers meets this scenario, while one of fractions does: "
        f"{' and '.join(each.text for each in said)} cannot be had. "
        f"What would help: {'; '.join(each.hope for each in said)}{'' if all(each.always for each in said) else look}"
    )


def _is_integer(model: Model, columns: Ints) -> bool:
    live = columns[columns >= 0]
    return bool(live.size and np.concatenate(model.integer)[live].all())
