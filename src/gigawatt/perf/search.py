"""Best ways to serve a task on a system: every legal layout x batch x aggregated or disaggregated, evaluated at once.

Aggregated, one replica takes prompts and decodes; disaggregated, packages of their own take prompts, in the ratio that
balances both flows (any ratio: a fleet has many replicas). With b sequences an attention rank of tp pp packages::

    aggregated       rate = b o / (o TPOT + TTFT) / (tp pp)
    disaggregated    rate = d / (1 + r)     d = b / TPOT / (tp pp)     r = d / o / (load p)     p = 1 / (tp prefill)

rate is output tokens/s a package, o output tokens, r packages that prefill for each that decodes, p prompts/s of one
of them. Prompts arrive at random: prefill packages are busy ``load`` of the time and a prompt waits for
load / (2 (1 - load)) others (M/D/1). Times are medians; the end of a band multiplies all of them.
Wrong when: replicas leave packages of a rack over that nothing else uses; prompts of one task differ widely in length.
Source: Zhong et al. 2024, arXiv:2401.09670 (disaggregation and its balance).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gigawatt.catalog.schema import System
from gigawatt.core.errors import CatalogError
from gigawatt.perf.candidates import (
    OBJECTIVES,
    Candidates,
    Indices,
    Objective,
    Operating,
    best,
    pareto,
    preferred,
    within_slo,
)
from gigawatt.perf.draw import PREFILL_LOAD
from gigawatt.perf.hybrids import in_hybrids
from gigawatt.perf.inference import Speculation
from gigawatt.perf.memory import BATCHES, in_memory
from gigawatt.perf.pipelines import in_sram
from gigawatt.perf.precision import settle
from gigawatt.perf.rows import lacking
from gigawatt.perf.step import Tables, step_tables
from gigawatt.perf.task import Basis, Options, Tail, Task, basis_of, task_of

__all__ = [
    "BATCHES", "OBJECTIVES", "PREFILL_LOAD", "Answer", "Basis", "Candidates", "Objective", "Operating", "Options",
    "Tables", "Tail", "Task", "answer", "basis_of", "best", "candidates", "paired", "pareto", "preferred",
    "step_tables", "task_of", "within_slo",
]  # fmt: skip


def candidates(system: System, task: Task, basis: Basis, options: Options = Options()) -> Candidates:
    """All legal ways to serve ``task`` on ``system``; none, with ``reason``, where it cannot be."""
    none = Candidates(system=system, task=task, speculation=options.speculation)
    if task.prompt < 1 or task.output < 1 or not 0.0 <= task.cached <= task.prompt:
        raise CatalogError(
            f"a task has at least 1 token of prompt and of output and no more in cache than its prompt; this one has "
            f"{task.prompt:g}, {task.output:g} and {task.cached:g}"
        )
    longest, context = task.model.architecture.max_context, task.prompt + task.output
    if longest and context > longest:
        return replace(
            none, reason=f"{task.model.name} takes {longest:,} tokens of context at most, not {context:,.0f}"
        )
    if system.status == "undisclosed" or system.package is None:
        return replace(none, reason=system.refusal or f"{system.name} has no package in the catalogue")
    if system.kind == "sram":
        return in_sram(none, basis, options)
    lack = lacking(system)
    if lack:
        return replace(none, reason=lack)
    try:
        serving = settle(system, task.model, options.weights, "", options.cache)
    except CatalogError as error:
        return replace(none, reason=str(error))
    return in_memory(none, serving, basis, options)


def paired(system: System, partner: System, task: Task, basis: Basis, options: Options = Options()) -> Candidates:
    """Hybrids: attention, head and prompts on ``system``, feed-forward layers in the SRAM of ``partner``."""
    both = {"id": f"{system.id}+{partner.id}", "name": f"{system.name} with {partner.name}"}
    none = Candidates(
        system=system.model_copy(update=both), task=task, speculation=options.speculation, maker="dataflow",
        parts=(system, partner),
    )  # fmt: skip
    full = candidates(system, task, basis, replace(options, speculation=Speculation()))
    if full.reason or not full.layouts:
        return replace(none, reason=full.reason or f"{system.name} keeps weights in SRAM; name it second")
    return in_hybrids(none, full, (system, partner), basis, options)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What a search of one system found: all candidates, the operating point, and the frontier through ``frontier``.

    ``planned`` is the point that plans take, which is the best a package, whatever the objective is.
    """

    found: Candidates
    chosen: Operating
    frontier: Indices
    planned: Operating


def answer(
    system: System | tuple[System, System], task: Task, basis: Basis, options: Options = Options(), *,
    objective: Objective = "mw", tail: Tail = Tail(), drafts: Speculation = Speculation(),
) -> Answer:  # fmt: skip
    """Operating point of a system at the SLO, and its frontier among all that hold the limit of the first token.

    Two systems are a hybrid: attention on the first, feed-forward layers in the SRAM of the second. With ``drafts``
    both are searched, the options as they are and with these drafts, and the better one is the answer, as in plans.
    """
    guesses = [options.speculation, drafts] if drafts.tokens else [options.speculation]
    found = [_found(system, task, basis, replace(options, speculation=guess)) for guess in guesses]
    points = [best(one, basis, objective, tail) for one in found]
    counted = [best(one, basis, "package", tail) for one in found]
    at = preferred(points, objective)
    free = replace(found[at], task=replace(task, tokens_per_s_user=None))
    return Answer(
        found=found[at], chosen=points[at], frontier=pareto(found[at], objective, within_slo(free, tail)),
        planned=counted[preferred(counted, "package")],
    )  # fmt: skip


def _found(system: System | tuple[System, System], task: Task, basis: Basis, options: Options) -> Candidates:
    if isinstance(system, tuple):
        return paired(*system, task, basis, options)
    return candidates(system, task, basis, options)
