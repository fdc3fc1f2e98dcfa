"""The tree as one linear problem: a column for every decision and node, a row for every rule and node.

Every leaf is built as a plan of its own; then columns that are the same decision are one column, and rows that say the
same stand once. Nothing here knows what a row means, so a new family of constraints needs no change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gigawatt.plan.algebra import Model, Rows, Variable
from gigawatt.plan.inputs import PlanInputs
from gigawatt.plan.live import build
from gigawatt.plan.metadata import DECIDED, Decided
from gigawatt.plan.tree import Leaf, Tree

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MISSED_MUSD = 1e3
"""Price of a MW and quarter missed, discounted: above every price of a plan, so that it is paid only where it must.
It is a penalty that keeps a case possible, no loss of anybody's; figures are given without it too."""
MOST_CELLS = 10_000_000
"""Above the cells of any family of decisions or rows: its numbers begin at so many times its own."""
WORK_UNITS = {1e6: "Mtok/s", 1e18: "EFLOP/s"}
"""Unit of a Mwork/s by the base units in a Mwork."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensive:
    """The whole tree: min expected or risk-weighted cost, ``row_lower <= A x <= row_upper``, ``lower <= x <= upper``.

    ``leaf_cost`` (leaf, column) and ``leaf_constant`` (leaf) give the discounted cost of each leaf [MUSD], not
    weighted. ``stage`` (column) counts the branches that are known when it is decided; ``node`` numbers the node
    within its stage; columns from ``n_named`` on are what soft rows miss, of the kind ``kinds[missed_kind]``: what
    people call it and its unit. ``columns`` holds for each leaf the column of each of its model's decisions, -1 where
    an order of a late delivery cannot arrive, ``misses`` for each of its model's rows the column of what it misses,
    -1 where the row is hard.
    """

    tree: Tree
    leaves: tuple[Leaf, ...]
    models: tuple[Model, ...]
    columns: tuple[Ints, ...]
    lower: Floats
    upper: Floats
    matrix: sp.csr_array
    row_lower: Floats
    row_upper: Floats
    leaf_cost: sp.csr_array
    leaf_constant: Floats
    stage: Ints
    node: Ints
    n_named: int
    kinds: tuple[tuple[str, str], ...]
    missed_kind: Ints
    misses: tuple[Ints, ...]

    @property
    def probability(self) -> Floats:
        """(leaf)"""
        return np.array([leaf.probability for leaf in self.leaves])

    @property
    def lumps(self) -> Ints:
        """Columns decided before the first branch that are whole numbers; lumps of later ones are taken as amounts."""
        model, at = self.models[0], self.columns[0]
        whole = at[np.concatenate(model.integer) & (at >= 0)]
        return np.unique(whole[self.stage[whole] == 0])

    def costs(self, x: Floats) -> Floats:
        """(leaf) discounted cost of each leaf [MUSD]."""
        return np.asarray(self.leaf_cost @ x) + self.leaf_constant

    def violation(self, x: Floats) -> float:
        """Most by which a row or bound is missed, relative to 1 + the size of its bound; needs no solver."""
        value = self.matrix @ x

        def worst(amount: Floats, low: Floats, high: Floats) -> float:
            under = (low - amount) / (1.0 + np.abs(np.where(np.isfinite(low), low, 0.0)))
            over = (amount - high) / (1.0 + np.abs(np.where(np.isfinite(high), high, 0.0)))
            return float(max(under.max(initial=0.0), over.max(initial=0.0)))

        return max(worst(value, self.row_lower, self.row_upper), worst(x, self.lower, self.upper))

    def missed(self, x: Floats) -> Floats:
        """(leaf, kind) what soft rows miss on each leaf's path, summed over quarters [unit of the kind x quarter]."""
        on_path = self.leaf_cost[:, self.n_named :] > 0.0
        of_kind = self.missed_kind[:, None] == np.arange(len(self.kinds))
        return np.asarray(on_path @ (x[self.n_named :, None] * of_kind))

    def charged(self, x: Floats) -> Floats:
        """(leaf) part of the cost that is the price of what is missed [MUSD]."""
        return np.asarray(self.leaf_cost[:, self.n_named :] @ x[self.n_named :])

    def rules(self) -> dict[Decided, tuple[str, ...]]:
        """Families of decisions by how they are tied between cases."""
        every = {name: variable.column for model in self.models for name, variable in model.variables.items()}
        return {rule: tuple(name for name, column in every.items() if column.decided == rule) for rule in DECIDED}

    def plan(self, x: Floats, leaf: int) -> Floats:
        """Values of one leaf's decisions, in the columns of its own model."""
        at = self.columns[leaf]
        return np.where(at >= 0, x[np.maximum(at, 0)], 0.0)


def extensive(tree: Tree) -> Extensive:
    """The tree as one problem."""
    leaves = tree.leaves()
    models = [build(leaf.ordered)[0] for leaf in leaves]
    last, n_nodes = len(tree.branches), len(leaves) + 1
    keys, stages, labels = [], [], _labels(models)
    for leaf, model in zip(leaves, models, strict=True):
        cell, stage = _decisions(tree, leaf, model, labels)
        groups = np.array([tree.group(leaf.path, s) for s in range(last + 1)])
        keys.append(np.where(cell >= 0, (cell * (last + 1) + stage) * n_nodes + groups[stage], -1))
        stages.append(stage)
    known = np.unique(np.concatenate([key[key >= 0] for key in keys]))
    columns = [np.where(key >= 0, np.searchsorted(known, np.maximum(key, 0)), -1) for key in keys]
    n = known.size
    lower, upper = np.zeros(n), np.full(n, np.inf)
    stage, node = (known // n_nodes) % (last + 1), known % n_nodes
    place = []
    for model, at in zip(models, columns, strict=True):
        live = at >= 0
        np.maximum.at(lower, at[live], np.concatenate(model.lower)[live])
        np.minimum.at(upper, at[live], np.concatenate(model.upper)[live])
        here = np.flatnonzero(live)
        place.append(sp.csr_array((np.ones(here.size), (here, at[here])), shape=(at.size, n)))
    matrix, low, high, merged, kind_of_row, kinds = _rows(tree, leaves, models, place, stage)
    soft = np.flatnonzero(kind_of_row >= 0)
    cost = sp.csr_array(np.vstack([model.cost @ p for model, p in zip(models, place, strict=True)]))
    slack = sp.csr_array((np.ones(soft.size), (soft, np.arange(soft.size))), shape=(matrix.shape[0], soft.size))
    of_row = _deepest(matrix[soft], stage, node)
    through = np.array([[tree.group(leaf.path, s) for s in range(last + 1)] for leaf in leaves])
    missed = np.full(kind_of_row.size, -1, dtype=np.int64)
    missed[soft] = n + np.arange(soft.size)
    paid = np.vstack([MISSED_MUSD * (through[i][of_row[0]] == of_row[1]) for i in range(len(leaves))])
    return Extensive(
        tree=tree, leaves=leaves, models=tuple(models), columns=tuple(columns), n_named=n,
        lower=np.concatenate([lower, np.zeros(soft.size)]), upper=np.concatenate([upper, np.full(soft.size, np.inf)]),
        matrix=sp.csr_array(sp.hstack([matrix, slack])), row_lower=low, row_upper=high,
        leaf_cost=sp.csr_array(sp.hstack([cost, sp.csr_array(paid)])),
        leaf_constant=np.array([model.constant for model in models]),
        stage=np.concatenate([stage, of_row[0]]), node=np.concatenate([node, of_row[1]]),
        kinds=kinds, missed_kind=kind_of_row[soft], misses=tuple(missed[rows] for rows in merged),
    )  # fmt: skip


def _labels(models: Sequence[Model]) -> dict[str, dict[str, list[str | int]]]:
    """Labels of every axis of each family in any leaf: a leaf may have some that others have not."""
    found: dict[str, dict[str, dict[str | int, None]]] = {}
    for model in models:
        for name, variable in model.variables.items():
            for dim, labels in variable.axes.items():
                found.setdefault(name, {}).setdefault(dim, {}).update(dict.fromkeys(labels))
    return {name: {dim: list(labels) for dim, labels in axes.items()} for name, axes in found.items()}


def _decisions(tree: Tree, leaf: Leaf, model: Model, every: dict[str, dict[str, list[str | int]]]) -> tuple[Ints, Ints]:
    """For each column of a leaf's model: (number of the cell it is, -1 for none; branches known when it is decided).

    Cells are numbered over ``every`` label of their family in any leaf.
    """
    cell = np.full(model.n_columns, -1, dtype=np.int64)
    stage = np.zeros(model.n_columns, dtype=np.int64)
    family = {name: number for number, name in enumerate(every)}
    for name, variable in model.variables.items():
        live, axes = variable.columns >= 0, every[name]
        at, when = decided(tree, leaf.path, variable)
        places = np.ix_(*([axes[dim].index(label) for label in labels] for dim, labels in variable.axes.items()))
        numbers = np.ravel_multi_index(places, [len(labels) for labels in axes.values()]).ravel()
        cell[variable.columns[live]] = np.where(at[live] >= 0, family[name] * MOST_CELLS + numbers[at[live]], -1)
        stage[variable.columns[live]] = when[live]
    return cell, stage


def decided(tree: Tree, path: Sequence[int], variable: Variable) -> tuple[Ints, Ints]:
    """On one path, in the shape of the axes: (cell an order was meant for, -1 for none; branches known when decided).

    Cells are numbered as in the flat array.
    """
    at: Ints = np.reshape(np.arange(variable.columns.size), variable.columns.shape)
    if variable.column.decided != "order":
        return at, _known(tree, variable)
    meant, when = tree.order_of(variable.column.lead, path)
    if variable.column.lead != variable.name:
        rows = [tree.inputs.sites.index(site) for site in variable.axes["site"]]
        meant, when = meant[rows], when[rows]
    return np.where(meant >= 0, at - np.arange(at.shape[1]) + meant, -1), when


def _known(tree: Tree, variable: Variable) -> Ints:
    """Branches known when a decision that has no lead is taken, in the shape of its axes."""
    last, rule = len(tree.branches), variable.column.decided
    if rule == "start":
        return np.zeros(variable.columns.shape, dtype=np.int64)
    if rule == "end":
        return np.full(variable.columns.shape, last, dtype=np.int64)
    axis = list(variable.axes).index("quarter")
    steps = tree.known()
    after = variable.columns.ndim - axis - 1
    spread = np.expand_dims(steps, tuple(range(1, 1 + after)))
    return np.broadcast_to(spread, variable.columns.shape)


def _rows(
    tree: Tree, leaves: tuple[Leaf, ...], models: list[Model], place: list[sp.csr_array], stage: Ints
) -> tuple[sp.csr_array, Floats, Floats, list[Ints], Ints, tuple[tuple[str, str], ...]]:
    """Rows of the tree; those of one node that say the same in several leaves stand once.

    (matrix, lower, upper, for each leaf the row of each of its model's rows, kind of each row that may be missed or -1,
    kinds)
    """
    last, n_nodes = len(tree.branches), len(leaves) + 1
    step = tree.known()
    families: dict[str, int] = {}
    kinds: dict[tuple[str, str], int] = {}
    for model in models:
        for rows in model.constraints.values():
            families.setdefault(rows.name, len(families))
    mark = np.random.default_rng(0).random(place[0].shape[1])
    blocks, keys, marks, lows, highs, softs = [], [], [], [], [], []
    for leaf, model, at in zip(leaves, models, place, strict=True):
        groups = np.array([tree.group(leaf.path, s) for s in range(last + 1)])
        for rows in model.constraints.values():
            live = np.flatnonzero(rows.index.ravel() >= 0)
            block = sp.csr_array(rows.matrix @ at)
            block.eliminate_zeros()
            block.sort_indices()
            deepest, _ = _deepest(block, stage, None)
            if "quarter" in rows.axes:
                position = list(rows.axes).index("quarter")
                quarter = np.unravel_index(live, rows.index.shape)[position]
                deepest = np.maximum(deepest, step[quarter])
            keys.append(((families[rows.name] * MOST_CELLS + live) * (last + 1) + deepest) * n_nodes + groups[deepest])
            marks.append(block @ mark)
            blocks.append(block)
            lows.append(rows.lower)
            highs.append(rows.upper)
            softs.append(_kind(rows, leaf.inputs, live, kinds))
            if rows.family.missed_if_early:
                row = np.repeat(np.arange(live.size), np.diff(block.indptr))
                early = np.full(live.size, last)
                np.minimum.at(early, row, stage[block.indices])
                softs[-1] = np.where(early < deepest, softs[-1], -1)
    first, inverse = _once(np.concatenate(keys), np.concatenate(marks))
    low, high = np.full(first.size, -np.inf), np.full(first.size, np.inf)
    np.maximum.at(low, inverse, np.concatenate(lows))
    np.minimum.at(high, inverse, np.concatenate(highs))
    matrix = sp.csr_array(sp.csr_array(sp.vstack(blocks))[first])
    merged = np.split(inverse, np.cumsum([model.n_rows for model in models])[:-1])
    return matrix, low, high, merged, np.concatenate(softs)[first], tuple(kinds)


def _once(key: Ints, mark: Floats) -> tuple[Ints, Ints]:
    """(first row of each kind, kind of each row): rows are of one kind where key and mark agree.

    A mark is the row times one random vector, so rows of one key that hold other decisions stay apart.
    """
    order = np.lexsort((mark, key))
    new = np.append(True, (np.diff(key[order]) != 0) | (np.diff(mark[order]) != 0.0))
    inverse = np.empty(key.size, dtype=np.int64)
    inverse[order] = np.cumsum(new) - 1
    first = np.full(int(new.sum()), key.size, dtype=np.int64)
    np.minimum.at(first, inverse, np.arange(key.size))
    return first, inverse


def _kind(rows: Rows, d: PlanInputs, live: Ints, kinds: dict[tuple[str, str], int]) -> Ints:
    """Kind of what each row may miss, -1 where it is hard; ``kinds`` grows by those it meets."""
    name = rows.family.missed
    if not name:
        return np.full(live.size, -1, dtype=np.int64)
    units = ["MW"] * live.size
    if "workload" in rows.axes:
        row = np.unravel_index(live, rows.index.shape)[list(rows.axes).index("workload")]
        scale = d.work_scale.sel(workload=list(rows.axes["workload"])).values
        units = [WORK_UNITS.get(float(scale[i]), "Mwork/s") for i in row]
    return np.array([kinds.setdefault((name, unit), len(kinds)) for unit in units], dtype=np.int64)


def _deepest(matrix: sp.csr_array, stage: Ints, node: Ints | None) -> tuple[Ints, Ints]:
    """Stage of each row's latest decision, and its node."""
    deepest = np.zeros(matrix.shape[0], dtype=np.int64)
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    np.maximum.at(deepest, row, stage[matrix.indices])
    at = np.zeros_like(deepest)
    if node is not None:
        is_last = stage[matrix.indices] == deepest[row]
        at[row[is_last]] = node[matrix.indices[is_last]]
    return deepest, at
