"""Plan of a scenario's tree, and the questions put to it: what it is worth, and the regret of other first orders."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from gigawatt.core.errors import InfeasibleError, SolverError
from gigawatt.finance.ledger import ledger
from gigawatt.plan.decompose import Decomposition
from gigawatt.plan.extensive import Extensive, extensive
from gigawatt.plan.extract import extract
from gigawatt.plan.foresight import (
    Followed,
    first_stage,
    follow_orders,
    mean_orders,
    never_less,
    orders_of,
    regrets,
)
from gigawatt.plan.found import Say, TreePlan, quiet
from gigawatt.plan.live import LivePlan, known_plan
from gigawatt.plan.recourse import Executor, Processes, Serial
from gigawatt.plan.solve import open_plan, solve
from gigawatt.plan.tail import Tail, cvar
from gigawatt.plan.tree_check import Checked, check
from gigawatt.plan.whole import solve_whole
from gigawatt.study.cash import flows
from gigawatt.study.outcomes import notes_of, tree_of
from gigawatt.study.resolve import Case

__all__ = ["TreeResults", "plan_tree", "serial_or_processes", "tree_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeResults:
    """A plan of the whole tree and what it is worth [MUSD]. None where it was not asked for or not reached.

    ``central`` is the plan of the scenario as it stands, ``mean`` the tree's cost if the first orders of the plan for
    the mean case are placed, ``of_central`` and ``regrets`` the same for the central plan and that of each case.
    ``notes`` are sentences on what is left out. ``is_stopped`` after Ctrl-C: what is None was not asked any more.
    """

    case: Case
    whole: Extensive
    tail: Tail
    found: TreePlan
    central: LivePlan
    foresight_musd: float | None = None
    mean: Followed | None = None
    of_central: Followed | None = None
    regrets: tuple[Followed, ...] = ()
    notes: tuple[str, ...] = ()
    is_stopped: bool = False

    def orders(self, family: str) -> tuple[xr.DataArray, xr.DataArray]:
        """((row, quarter) MW of the first orders in the tree, the same cells of the central plan).

        Buildings are those the buyer rents or owns: what a provider opens is the provider's.
        """
        columns, values = orders_of(self.whole, self.central)
        central = np.zeros(self.whole.lower.size)
        central[columns] = values
        here, there = first_stage(self.whole, self.found.x, family), first_stage(self.whole, central, family)
        if family != "energise":
            return here, there
        mine = [site.id for site in self.case.sites if site.use.tenure != "provider"]
        return here.sel(site=mine), there.sel(site=mine)

    @property
    def expected_musd(self) -> float:
        """Expected cost of the plan [MUSD]."""
        return float(self.whole.probability @ self.found.leaf_cost)

    def cvar_musd(self, level: float) -> float:
        """Mean cost of the worst ``1 - level`` of the cases [MUSD]."""
        return cvar(self.found.leaf_cost, self.whole.probability, level)

    @property
    def charged_musd(self) -> float:
        """Part of the expected cost that is the price of what is missed [MUSD]."""
        return float(self.whole.probability @ self.whole.charged(self.found.x))

    def book(self, leaf: int) -> pd.DataFrame:
        """Ledger of one case: who pays whom what in the plan, at the prices of that case."""
        live = self.plan_of(leaf)
        return ledger(flows(self.case, live, extract(live)))

    def plan_of(self, leaf: int) -> LivePlan:
        """The plan as it is carried out in one case."""
        whole = self.whole
        return known_plan(whole.leaves[leaf].inputs, whole.models[leaf], whole.plan(self.found.x, leaf))

    def expected_book(self) -> pd.DataFrame:
        """Who pays whom for what, expected over the cases: payer, payee, kind, usd; the most first."""
        books = [self.book(leaf).assign(p=weight) for leaf, weight in enumerate(self.whole.probability)]
        whole = pd.concat(books)
        paid = (whole["usd"] * whole["p"]).groupby([whole[key] for key in ("payer", "payee", "kind")]).sum()
        return paid.rename("usd").sort_values(ascending=False).reset_index()

    def check(self) -> Checked:
        """The plan in the model of every case, without a solver."""
        return check(self.whole, self.found.x)

    def violation(self) -> float:
        """Most by which a row or bound of any case is missed, relative; see ``check``."""
        return self.check().violation

    def evpi_musd(self) -> tuple[float, float] | None:
        """Least and most that foresight saves: RP - WS. Raises SolverError where the bounds contradict each other."""
        if self.foresight_musd is None:
            return None
        return never_less(
            self.found.lower - self.foresight_musd, self.found.upper - self.foresight_musd,
            what="the value of perfect information", scale=self.found.upper,
        )  # fmt: skip

    def more_musd(self, row: Followed) -> tuple[float, float]:
        """Least and most that other first orders cost more than the plan. Raises SolverError likewise.

        Where the plan's lumps are whole these may be negative: other orders take theirs as amounts.
        """
        if self.found.is_whole and self.whole.lumps.size:
            return row.lower - self.found.upper, row.upper - self.found.lower
        return never_less(
            row.lower - self.found.upper, row.upper - self.found.lower,
            what=f"what the orders of '{row.name}' cost more", scale=self.found.upper,
        )  # fmt: skip


def plan_tree(
    case: Case,
    *,
    branches: Sequence[str] = (),
    tail: Tail | None = None,
    gap: float = 5e-3,
    time_limit_s: float = 180.0,
    as_one: bool = False,
    worth: bool = True,
    regret_gap: float = 1e-2,
    regret_limit_s: float = 0.0,
    executor: Executor | None = None,
    say: Say = quiet,
) -> TreeResults:
    """Plan of a case's tree.

    Args:
        case: what is planned.
        branches: quarters, in place of the scenario's.
        tail: how bad leaves weigh.
        gap: relative distance of the bounds at which the search ends.
        time_limit_s: of the search with the foresight it begins from; what it has by then is kept. As long again
            for each of the two plans that are followed for the value of the stochastic solution.
        as_one: solve the tree as one problem instead; where time brings no plan of it, search in parts with the rest.
        worth: ask for the value of the plan over the plan for the mean, and for the value of foresight.
        regret_gap: of each plan with given first orders.
        regret_limit_s: of each leaf whose orders are followed; 0 leaves that out.
        executor: where leaves are solved; two processes if not given.
        say: called with a line at each step and round.

    Raises ScenarioError, InfeasibleError, SolverError.
    """
    tail = tail or Tail()
    say("planning the central case")
    tree = tree_of(case, branches)
    central = solve(open_plan(tree.inputs), say=say)
    say(f"building {math.prod(len(branch.outcomes) for branch in tree.branches)} cases")
    whole = extensive(tree)
    say(f"{whole.lower.size:,} decisions under {whole.row_lower.size:,} constraints")
    start, found, notes = time.perf_counter(), None, notes_of(case, tree)
    if whole.lumps.size:
        notes = (*notes, "orders of other plans are followed with their lumps as amounts")
    if as_one:
        alone_s = central.solve_s * len(whole.leaves)  # foresight after it, at worst
        limit_s = max(time_limit_s / 2.0, time_limit_s - alone_s) if worth else time_limit_s
        try:
            found = solve_whole(whole, tail=tail, time_limit_s=limit_s)
        except SolverError as error:
            notes = (*notes, f"{error}; plan and bound are those of the search in parts")
    with Decomposition(whole, tail=tail, executor=executor or Processes(2)) as search:
        if found is None:
            say("planning each case alone, with foresight")
            left_s = max(0.0, time_limit_s - (time.perf_counter() - start))
            found = search.run(gap=gap, time_limit_s=left_s, say=say)
        results = TreeResults(case=case, whole=whole, tail=tail, central=central, found=found, notes=notes)
        if as_one and (not worth or time.perf_counter() - start > time_limit_s):
            note = f"the time limit of {time_limit_s:g} s left no room for foresight and what the plan is worth"
            return replace(results, notes=(*notes, note)) if worth else results
        search.foresee()
        results = replace(results, foresight_musd=search.lower_bound)
        if found.ended == "interrupted" or not worth:
            return replace(results, is_stopped=found.ended == "interrupted")
        try:
            for known in _worth(results, search, gap, time_limit_s, say):
                results = known
            if regret_limit_s > 0.0:
                for row in regrets(search, gap=regret_gap, time_limit_s=regret_limit_s, say=say):
                    results = replace(results, regrets=(*results.regrets, row))
        except KeyboardInterrupt:
            results = replace(results, is_stopped=True)
    return results


def _worth(
    results: TreeResults, search: Decomposition, gap: float, time_limit_s: float, say: Say
) -> Iterator[TreeResults]:
    """The results with the orders of the plan for the mean case followed, then with those of the central plan too."""
    say("planning the mean case and following its orders")
    try:
        musd, orders = mean_orders(results.whole, time_limit_s=time_limit_s)
        mean = follow_orders(search, "mean case", orders, gap=gap, time_limit_s=time_limit_s, order_musd=musd, say=say)
        results = replace(results, mean=mean)
    except (InfeasibleError, SolverError) as error:
        note = f"the value of the stochastic solution is not known, as the mean case has no plan: {error}"
        results = replace(results, notes=(*results.notes, note))
    yield results
    say("following the orders of the central plan")
    followed = follow_orders(
        search, "central plan", orders_of(results.whole, results.central), gap=gap, time_limit_s=time_limit_s,
        order_musd=results.central.objective_musd, say=say,
    )  # fmt: skip
    yield replace(results, of_central=followed)


def serial_or_processes(count: int) -> Executor:
    """One process for every leaf in turn, or several."""
    return Serial() if count <= 1 else Processes(count)
