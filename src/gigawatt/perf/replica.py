"""One replica for a simulator: step tables, sizes, links and how many sequences it holds.

Left to itself the layout is the smallest legal one with the best throughput a package at the task's SLO; a layout
within 1 % of the best counts as best. A layout that is named is taken as it is: ``tp8``, or ``tp8 + tp1 dp8 ep8`` where
prompts have packages of their own (decode first); ``12 packages`` on machines with weights in SRAM; the name that
the search gives it for a hybrid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import numpy as np

from gigawatt.catalog.schema import Model, System
from gigawatt.core.errors import CatalogError
from gigawatt.core.units import pretty
from gigawatt.perf.candidates import Candidates, Indices, Operating, best, within_slo
from gigawatt.perf.dataflow import replica as pipeline_of
from gigawatt.perf.inference import Speculation
from gigawatt.perf.layout import parse_layout, why_illegal
from gigawatt.perf.operators import Pass
from gigawatt.perf.search import candidates, paired
from gigawatt.perf.step import step_tables
from gigawatt.perf.table import StepTable
from gigawatt.perf.task import Asked, Basis, Options, Task

_TIE = 0.99  # of the best rate a package; a smaller layout above it is taken


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replica:
    """A replica that decodes, and the one that takes its prompts where they are apart.

    Attributes:
        table: of the side that decodes; with ``speculation`` a step verifies the drafted tokens.
        prefill_table: of the side that takes prompts; None where ``table`` does both.
        n_packages, n_packages_prefill: packages of a replica of each side; 0 where there is none apart.
        n_ranks, n_ranks_prefill: attention ranks of each; sequences and new tokens of a table are those of all ranks.
        prefill_per_decode: replicas that prefill for each that decodes, balanced for the task; 0 where there is none.
        kv_transfer_bytes_per_token, kv_transfer_bytes_per_s, kv_transfer_latency_s: see ``kv_transfer_s``.
        max_sequences: sequences of the task's mean length that the caches of the whole replica hold.
        layout, prefill_layout, precision: names.
        operating: the point of the search, with its rates, its power and its band.
        note: why the maker of the tables (``table.maker``) is the one it is; empty for machines with weights in SRAM.
        reason: why the task's SLO is missed by a layout that was named; empty where it is held.
    """

    table: StepTable
    prefill_table: StepTable | None
    n_packages: int
    n_packages_prefill: int
    n_ranks: int
    n_ranks_prefill: int
    prefill_per_decode: float
    kv_transfer_bytes_per_token: float
    kv_transfer_bytes_per_s: float
    kv_transfer_latency_s: float
    speculation: Speculation
    max_sequences: int
    layout: str
    prefill_layout: str
    precision: str
    operating: Operating = field(repr=False)
    note: str = ""
    reason: str = ""

    def kv_transfer_s(self, tokens: float) -> float:
        """Time to send the cache of ``tokens`` tokens of one sequence to the side that decodes [s]; 0 without one.

        t = latency + tokens x bytes per token / bandwidth
        """
        if self.prefill_table is None:
            return 0.0
        sent = tokens * self.kv_transfer_bytes_per_token / self.kv_transfer_bytes_per_s
        return self.kv_transfer_latency_s + sent


def replica_of(
    system: System | tuple[System, System], model: Model, basis: Basis, *, task: Task, layout: str | None = None,
    precision: str | None = None, options: Options = Options(), maker: Asked | None = None,
) -> Replica:  # fmt: skip
    """Replica of ``model`` on a system, or on two as a hybrid; the rules for its layout stand in the module.

    ``precision`` is how weights are stored, ``maker`` whose tables are taken; both win over ``options``. ``task`` says
    lengths, and the SLO that the layout is chosen at; its model is ``model`` whatever it says.

    Raises:
        CatalogError: nothing serves the task, or a named layout is no layout, illegal or too small; the sentence says
            what is missing and which layout would fit.
    """
    task = replace(task, model=model)
    options = replace(options, weights=precision or options.weights, maker=maker or options.maker)
    machine = system[0] if isinstance(system, tuple) else system
    if isinstance(system, tuple):
        found = paired(*system, task, basis, options)
    elif machine.kind == "sram":
        found = _in_sram(machine, task, basis, options, layout)
    else:
        options = _named(machine, model, options, layout)
        found = candidates(machine, task, basis, options)
    if found.reason:
        raise CatalogError(found.reason)
    if found.sides and layout is not None:
        found = found.only(_called(found, layout))
    chosen, reason = _chosen(found, basis, is_named=layout is not None or options.layout is not None)
    tables = step_tables(found, chosen, basis, options)
    ranks, before = _ranks(found, chosen)
    prefill, decode = tables.prefill, tables.decode
    share = chosen.prefill_per_decode * chosen.n_packages / prefill.n_packages if prefill else 0.0
    each = decode.kv_bytes_per_token * (task.prompt + 0.75 * task.output) + decode.state_bytes_per_sequence
    held = decode.kv_capacity_tokens * decode.kv_bytes_per_token / each if each else float("inf")
    return Replica(
        table=decode, prefill_table=prefill, n_packages=decode.n_packages,
        n_packages_prefill=prefill.n_packages if prefill else 0, n_ranks=ranks, n_ranks_prefill=before,
        prefill_per_decode=share, kv_transfer_bytes_per_token=tables.transfer_bytes_per_token,
        kv_transfer_bytes_per_s=tables.transfer_bytes_per_s, kv_transfer_latency_s=tables.transfer_latency_s,
        speculation=options.speculation, max_sequences=int(min(held + 1e-6, decode.sequences[-1])),
        layout=chosen.layout, prefill_layout=chosen.prefill_layout, precision=found.precision, operating=chosen,
        note=tables.note, reason=reason,
    )  # fmt: skip


def rank_frac(run: Pass, fresh: float, cached: float = 0.0) -> float:
    """Share of a prefill pass that waits for the fullest attention rank; the rest goes by the tokens of all ranks.

    Routed experts and the exchange with them are spread over the packages of all ranks; attention, dense matrices and
    their collectives are each rank's own. 1 where nothing is spread: one rank, no experts, or experts on every rank.

    Args:
        run: of one layout.
        fresh: new tokens on a rank.
        cached: tokens before them.
    """
    w = run.w
    spread = np.asarray(w.moe_ep) * np.asarray(w.moe_tp) > np.asarray(w.tp)
    if not (np.asarray(w.moe_layers) > 0) or not spread or not (np.asarray(w.dp) > 1):
        return 1.0
    own = Pass(replace(w, moe_layers=0.0), run.c, run.s)
    return float(own.prefill_gpu_s(fresh, cached) / run.prefill_gpu_s(fresh, cached))


def _named(system: System, model: Model, options: Options, text: str | None) -> Options:
    """Options with the layouts that ``text`` names. Raises CatalogError where one is none or illegal."""
    if text is None:
        return options
    parts = [parse_layout(part, model) for part in text.split("+")]
    if len(parts) > 2:
        raise CatalogError(f"'{text}' names {len(parts)} layouts; write one, or two as 'decode + prefill'")
    for one in parts:
        reason = why_illegal(one, system, model) if system.scale_up_packages else ""
        if reason:
            raise CatalogError(reason)
    return replace(options, layout=parts[0], prefill_layout=parts[1] if len(parts) > 1 else None)


def _in_sram(system: System, task: Task, basis: Basis, options: Options, text: str | None) -> Candidates:
    """Candidates of a machine with weights in SRAM: of the size that ``text`` names, or of all."""
    if text is None:
        return candidates(system, task, basis, options)
    said = re.fullmatch(r"(?:\d+ stages on )?([\d,]+)(?: packages?)?", text.strip())
    packages = int(said[1].replace(",", "") or 0) if said else 0
    if not packages:
        raise CatalogError(f"{system.name} keeps weights in SRAM, where '{text}' is no layout; write '12 packages'")
    context = task.prompt + task.output
    least = pipeline_of(system, task.model, basis.dataflow, precision=options.weights, context=context)
    if least.reason:
        raise CatalogError(least.reason)
    if packages < least.n_packages:
        each = least.kv_bytes_per_token * context + least.state_bytes_per_sequence
        short = least.weights_bytes + each - packages * least.usable_bytes
        raise CatalogError(
            f"{task.model.name} does not fit {packages:,} packages of {system.name}: {pretty(short, 'byte')} are "
            f"missing; {least.n_packages:,} packages would fit"
        )
    return candidates(system, task, basis, replace(options, pipeline_packages=packages))


def _called(found: Candidates, text: str) -> Indices:
    """Columns of a hybrid with the layout of that name. Raises CatalogError where there is none."""
    names = list(found.names[: len(found.sides)])
    if text not in names:
        raise CatalogError(f"'{text}' is no layout of {found.system.name}; there are {'; '.join(names)}")
    return np.flatnonzero(found.layout == names.index(text))


def _chosen(found: Candidates, basis: Basis, *, is_named: bool) -> tuple[Operating, str]:
    """(operating point, why a named layout misses the SLO). Raises CatalogError where nothing holds it."""
    held = np.flatnonzero(within_slo(found))
    if not len(held):
        missed = best(found, basis, "package").reason
        if not is_named:
            raise CatalogError(missed)
        free = replace(found, task=replace(found.task, tokens_per_s_user=None, ttft_s=None))
        return best(free, basis, "package"), missed
    rate = found.tokens_per_s_package[1, held]
    sizes = found.n_packages[held] + np.array([_beside(found, int(at)) for at in found.prefill_layout[held]])
    enough = rate >= _TIE * rate.max()
    order = np.lexsort((-rate[enough], sizes[enough]))
    at = held[enough][order[0]]
    rows = np.flatnonzero((found.layout == found.layout[at]) & (found.prefill_layout == found.prefill_layout[at]))
    chosen = best(found.only(rows), basis, "package")
    return replace(chosen, at=int(rows[chosen.at])), ""


def _beside(found: Candidates, prefill: int) -> int:
    """Packages of a replica that prefills; 0 where there is none."""
    return found.layouts[prefill - len(found.sides)].n_packages if prefill >= 0 else 0


def _ranks(found: Candidates, chosen: Operating) -> tuple[int, int]:
    """Attention ranks of the replica that decodes and of the one that prefills; 0 where there is none."""
    at, before = int(found.layout[chosen.at]), int(found.prefill_layout[chosen.at])
    apart = found.layouts[before - len(found.sides)].dp if before >= 0 else 0
    if found.sides:
        return found.sides[at].copies, apart
    return found.layouts[at].dp if found.layouts else 1, apart
