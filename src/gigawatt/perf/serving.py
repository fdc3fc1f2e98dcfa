"""What a system does for a class of demand: the operating point the planner uses, from the configuration search."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gigawatt.catalog.schema import Model, System, Workload
from gigawatt.perf.point import ServingPoint, require_figures
from gigawatt.perf.search import (
    Basis,
    Candidates,
    Operating,
    Options,
    Tail,
    Task,
    best,
    candidates,
    preferred,
    task_of,
    within_slo,
)

PLANNING = Options()  # software of the mean of all backends, weights as released
_KEPT = 256  # searches
_BINS = 32  # of time to first token, in pruning


def _ways(system: System, task: Task, basis: Basis) -> list[Candidates]:
    """Candidates without and with speculative decoding as the basis states it: the same for every kind of machine.

    They do not depend on the limits of the task, so the last ones are kept in the basis.
    """
    key = (id(system), id(task.model), task.prompt, task.output, task.cached)
    kept = basis.searched.get(key)
    if kept is None:
        ways = [worth_keeping(candidates(system, task, basis, PLANNING))]
        if not ways[0].reason and basis.draft.tokens:
            drafting = replace(PLANNING, speculation=basis.draft)
            ways.append(worth_keeping(candidates(system, task, basis, drafting)))
        while len(basis.searched) >= _KEPT:
            del basis.searched[next(iter(basis.searched))]
        kept = (ways, system, task.model)  # entries stay alive with their ids
        basis.searched[key] = kept
    found: list[Candidates] = kept[0]  # type: ignore[index]
    return [replace(one, task=task) for one in found]


def worth_keeping(found: Candidates) -> Candidates:
    """Without candidates that another beats in speed and rate with a time to first token that is clearly shorter.

    No limit on speed and time to first token is met best by one of those: the ends of a band scale all alike.
    """
    if len(found) < _BINS:
        return found
    tpot, ttft, rate = found.tpot_s[1], found.ttft_s[1], found.tokens_per_s_package[1]
    edges = np.quantile(ttft, np.linspace(0.0, 1.0, _BINS + 1)[1:-1])
    bins = np.searchsorted(edges, ttft, side="left")
    fast, most = np.zeros(0), np.zeros(0)  # the frontier of earlier bins: times rise, rates rise
    kept = []
    for one in range(_BINS):
        rows = np.flatnonzero(bins == one)
        place = np.searchsorted(fast, tpot[rows], side="right") - 1
        if len(fast):
            rows = rows[(place < 0) | (most[place] < rate[rows])]
        if not len(rows):
            continue
        kept.append(rows)
        times, rates = np.concatenate([fast, tpot[rows]]), np.concatenate([most, rate[rows]])
        order = np.argsort(times, kind="stable")
        fast, most = times[order], np.maximum.accumulate(rates[order])
        ahead = np.concatenate([[True], most[1:] > most[:-1]])
        fast, most = fast[ahead], most[ahead]
    some = np.sort(np.concatenate(kept))
    return found.only(some)


def serving_point(system: System, workload: Workload, model: Model, basis: Basis) -> ServingPoint:
    """Operating point of one unit of ``system`` with the most tokens a second that meets the workload's SLO.

    The low and high rates are those at the ends of the 80 % band; the share of a fleet kept free is taken off.
    Capacity is counted against rated power, as sites are built for it; ``busy_power_w`` is what work draws.
    """
    require_figures(system)
    ways = [best(found, basis, "package") for found in _ways(system, task_of(workload, model), basis)]
    at = preferred(ways, "package")
    point = point_of(system, workload, ways[at], basis)
    return replace(point, draft_tokens=ways[at].speculation.tokens)


def point_of(system: System, workload: Workload, chosen: Operating, basis: Basis) -> ServingPoint:
    """A chosen configuration as the planner's type."""
    none = ServingPoint(system=system.id, workload=workload.id, reason=chosen.reason)
    if not chosen.is_served:
        return none
    assert system.n_packages and system.it_power
    units, (least, kept, most) = system.n_packages.value, basis.headroom
    return ServingPoint(
        system=system.id,
        workload=workload.id,
        precision=chosen.precision,
        weights=chosen.weights,
        layout=chosen.layout,
        prefill_layout=chosen.prefill_layout,
        output_tokens_per_s=chosen.tokens_per_s_package * units * (1.0 - kept),
        output_tokens_per_s_low=chosen.tokens_per_s_package_low * units * (1.0 - most),
        output_tokens_per_s_high=chosen.tokens_per_s_package_high * units * (1.0 - least),
        it_power_w=system.it_power.value,
        busy_power_w=chosen.it_power_unit_w,
        n_packages_per_replica=round(chosen.n_packages),
        batch_size=chosen.batch,
        speed_tokens_per_s_user=1.0 / chosen.tpot_s,
        ttft_s=chosen.ttft_s,
        percentile=chosen.percentile,
        band=chosen.band,
        maker=chosen.maker,
    )


def top_speed(system: System, workload: Workload, model: Model, basis: Basis) -> tuple[float, float, float]:
    """Fastest token rate of one user at the class's time to first token: slow end, central, fast end [token/s].

    0 where no configuration meets the time to first token.
    """
    asked = task_of(workload, model)
    ways = [found for found in _ways(system, _without_speed(asked), basis) if not found.reason]
    slow, _ = Tail().at(asked.percentile)
    ends = [max((_fastest(found, end) for found in ways), default=0.0) / slow for end in (2, 1, 0)]
    return (ends[0], ends[1], ends[2])


def _without_speed(task: Task) -> Task:
    return replace(task, tokens_per_s_user=None)


def _fastest(found: Candidates, end: int) -> float:
    held = within_slo(found, end=end)
    return float(1.0 / found.tpot_s[end, held].min()) if held.any() else 0.0
