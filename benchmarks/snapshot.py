"""What every shipped scenario says, in full: stored before a change of the code's shape and compared after each step.

python benchmarks/snapshot.py store FOLDER            solutions, books, summaries, replays and trees of all of them
python benchmarks/snapshot.py compare FOLDER          made again; what differs by more than 1e-9 is printed, and exit 1
python benchmarks/snapshot.py compare FOLDER neocloud starter      of these only

Figures count as equal within 1e-9 of the largest of their array. Two files beside this one count where they exist:
``snapshot_names.json``, what was renamed since figures were stored, old name to new, whole or as the beginning of a
name up to its first "[", "." or "/"; and ``snapshot_added.json``, what is said besides since then.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gigawatt.catalog.load import load_catalog
from gigawatt.plan.decompose import Decomposition
from gigawatt.plan.extensive import extensive
from gigawatt.plan.live import open_plan
from gigawatt.plan.recourse import Serial
from gigawatt.plan.solve import solve
from gigawatt.study.delays import delayed
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import Case, resolve
from gigawatt.study.run import run
from gigawatt.study.scenario import bundled, load_scenario
from gigawatt.study.tree import tree_of

Array = npt.NDArray[Any]
Named = Iterator[tuple[str, Array]]

SAME = 1e-9
N_DRAWS = 100
LARGE = ("announcement", "renegotiated")
"""Scenarios whose tree is built and not solved: minutes each."""
TREE_GAP, TREE_LIMIT_S = 1e-2, 600.0
MEASURED = re.compile(r"(_s|\bhash)$")
"""Figures of a summary that are measured anew each time."""


def of_plan(case: Case) -> Named:
    """Columns by name, and the cost."""
    live = solve(open_plan(plan_inputs(case)))
    for name, value in zip(live.model.column_names(), live.primal, strict=True):
        yield f"column/{name}", np.array([value])
    yield "objective_musd", np.array([live.objective_musd])
    yield "rows", np.array([live.model.n_rows])


def of_run(case: Case) -> Named:
    """Plan as extracted, ledger and summary of ``gigawatt run``."""
    results = run(case.scenario, catalog=case.catalog, events=case.events_on)
    for name, array in results.plan.variables.items():
        yield f"plan/{name}", np.asarray(array.values)
    book = results.book
    keys = [name for name in book.columns if book[name].dtype.kind not in "fiu"]
    for key, rows in book.groupby(keys, sort=False, dropna=False, observed=True):
        label = "/".join(str(part) for part in key)
        for name in book.columns.difference(keys):
            yield f"book/{label}/{name}", rows[name].to_numpy(dtype=float)
    for name, value in _leaves(results.summary):
        if not MEASURED.search(name.split("/")[0]):
            yield f"summary/{name}", np.array([value])


def of_delays(case: Case) -> Named:
    """A replay of the plan in draws of lateness, and what each site and system alone costs by being late."""
    found = delayed(case, n_draws=N_DRAWS)
    for name, array in found.draws.data_vars.items():
        yield f"delays/{name}", np.asarray(array.values)
    yield from ((f"one-late/{name}", np.array([usd])) for name, usd in found.one_late_usd.items())


def of_tree(case: Case) -> Named:
    """The tree's problem in full, and its solution where that is a matter of seconds."""
    whole = extensive(tree_of(case, ()))
    for name in ("lower", "upper", "row_lower", "row_upper", "leaf_cost", "leaf_constant", "probability"):
        value = getattr(whole, name)
        yield f"tree/{name}", np.asarray(value.toarray() if hasattr(value, "toarray") else value, dtype=float)
    yield "tree/matrix", np.asarray(whole.matrix.tocsr().data)
    if case.scenario.name in LARGE:
        return
    with Decomposition(whole, executor=Serial()) as search:
        found = search.run(gap=TREE_GAP, time_limit_s=TREE_LIMIT_S, say=lambda _: None)
    yield "tree/x", found.x
    yield "tree/costs", found.leaf_cost


PARTS = {"plan": of_plan, "run": of_run, "delays": of_delays, "tree": of_tree}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Figures and texts of nested data by path."""
    if isinstance(value, dict | list | tuple):
        rows = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in rows:
            yield from _leaves(inner, f"{path}/{key}" if path else str(key))
    else:
        yield path, np.nan if value is None else value


def _plain(value: Array) -> Array:
    """Figures as they are, anything else as text."""
    return value if value.dtype.kind in "fiub" else value.astype(str)


def figures(name: str) -> dict[str, Array]:
    """Everything a scenario says, by name; what cannot be had is said by its sentence."""
    case = resolve(load_scenario(name), load_catalog())
    found: dict[str, Array] = {}
    for part, of in PARTS.items():
        print(f"{name}: {part}", file=sys.stderr, flush=True)
        try:
            found |= {key: _plain(value) for key, value in of(case)}
        except Exception as error:
            found[f"{part}/refused"] = np.array([str(error)])
    return found


def differences(old: dict[str, Array], new: dict[str, Array], names: dict[str, str], added: list[str]) -> Iterator[str]:
    """A sentence for each figure that is not what it was."""
    old = {_renamed(key, names): value for key, value in old.items()}
    yield from (f"{key} is gone" for key in old.keys() - new.keys())
    yield from (f"{key} is new" for key in new.keys() - old.keys() - set(added))
    for key in old.keys() & new.keys():
        if old[key].shape != new[key].shape:
            yield f"{key} had the shape {old[key].shape} and has {new[key].shape}"
        elif old[key].dtype.kind in "fiub" and new[key].dtype.kind in "fiub":
            was, now = old[key].astype(float), new[key].astype(float)
            size = np.abs(was[np.isfinite(was)]).max(initial=1.0)
            off = np.where((was == now) | (np.isnan(was) & np.isnan(now)), 0.0, np.abs(now - was))
            if not off.max(initial=0.0) <= SAME * size:
                yield f"{key} is off by {off.max():.3e} of {size:.6g}"
        elif (old[key].astype(str) != new[key].astype(str)).any():
            yield f"{key} was {old[key].ravel()[:1]} and is {new[key].ravel()[:1]}"


def _renamed(key: str, names: dict[str, str]) -> str:
    part, _, name = key.partition("/")
    if name in names:
        return f"{part}/{names[name]}"
    head = re.match(r"[^\[./]*", name)
    return f"{part}/{names[head[0]]}{name[head.end() :]}" if head and head[0] in names else key


def _beside(name: str) -> Any:
    path = Path(__file__).with_name(name)
    return json.loads(path.read_text()) if path.exists() else None


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("verb", choices=["store", "compare"])
    words.add_argument("folder", type=Path)
    words.add_argument("scenarios", nargs="*")
    asked = words.parse_args()
    names: dict[str, str] = _beside("snapshot_names.json") or {}
    added: list[str] = _beside("snapshot_added.json") or []
    n_off = 0
    for scenario in asked.scenarios or ["starter", *bundled()]:
        new, path = figures(scenario), asked.folder / f"{scenario}.npz"
        if asked.verb == "store":
            asked.folder.mkdir(parents=True, exist_ok=True)
            held: Any = {f"v{i}": value for i, value in enumerate(new.values())}
            np.savez_compressed(path, keys=np.array(list(new)), **held)
            continue
        with np.load(path) as file:
            old = {str(key): file[f"v{i}"] for i, key in enumerate(file["keys"])}
        off = sorted(differences(old, new, names, added))
        n_off += len(off)
        print(f"{scenario}: {len(old):,} figures, {len(off):,} differ")
        for line in off[:40]:
            print(f"  {line}")
    if asked.verb == "compare":
        sys.exit(1 if n_off else 0)


if __name__ == "__main__":
    main()
