"""Times the search of configurations: evaluations of the operator model a second, a search, a Pareto of ten systems."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

REPEATS = 15
SYSTEMS = (
    "hgx-h100", "hgx-h200", "hgx-b200", "hgx-b300", "gb200-nvl72", "gb300-nvl72", "vr-nvl72", "mi355x",
    "mi455x-helios", "trainium3",
)  # fmt: skip


def fastest_s(call: Callable[[], object], repeats: int = REPEATS) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from gigawatt.catalog.load import load_catalog
    from gigawatt.perf.inference import served
    from gigawatt.perf.layout import Layout, legal_layouts
    from gigawatt.perf.operators import Pass, values_of, work_of
    from gigawatt.perf.precision import settle
    from gigawatt.perf.search import BATCHES, Task, basis_of, candidates, pareto

    catalog = load_catalog()
    basis = basis_of(catalog)
    print(f"load average {os.getloadavg()[0]:.1f}; one core; fastest of {REPEATS}")
    for name in ("llama-3.1-70b", "deepseek-r1", "gpt-oss-120b"):
        model, system = catalog.model(name), catalog.system("gb200-nvl72")
        task = Task(model=model, prompt=4000.0, output=1000.0, ttft_s=2.0, tokens_per_s_user=30.0)
        layouts = legal_layouts(system, model)
        assert system.package
        work = work_of(system, system.package, model, settle(system, model), Layout()).with_layouts(layouts)
        n = len(layouts) * len(BATCHES)

        def evaluate(work=work) -> None:  # type: ignore[no-untyped-def]
            served(Pass(work, values_of(basis.inference)), BATCHES[None, :], 4000.0, 1000.0)

        model_s = fastest_s(evaluate)
        search_s = fastest_s(lambda task=task, system=system: candidates(system, task, basis))  # type: ignore[misc]
        found = candidates(system, task, basis)
        evaluated = 2 * len(found.layouts) * len(BATCHES)  # aggregated, disaggregated; pairs with prefill not counted
        ten_s = fastest_s(
            lambda task=task: [pareto(candidates(catalog.system(one), task, basis)) for one in SYSTEMS],  # type: ignore[misc]
            5,
        )
        print(
            f"{name:14s} operator model {n / model_s / 1e3:7,.0f} k configurations/s ({n:,} at once)   "
            f"search with power and cost {evaluated / search_s / 1e3:5,.0f} k/s (target 200)   "
            f"{1e3 * search_s:5.1f} ms a system   Pareto of ten systems {ten_s:5.2f} s (target 1)"
        )
    beside_measured(catalog)


def beside_measured(catalog) -> None:  # type: ignore[no-untyped-def]
    """Evaluations a second of measured kernels and of ours, one configuration a call of theirs."""
    import numpy as np

    from gigawatt.perf.inference import served
    from gigawatt.perf.layout import Layout
    from gigawatt.perf.measured import INSTALL, Refusal, compile_kernels, is_installed, quiet
    from gigawatt.perf.operators import Pass, values_of, work_of
    from gigawatt.perf.precision import settle

    if not is_installed():
        print(f"aiconfigurator-core: not timed, {INSTALL}")
        return
    model, system, layout = catalog.model("llama-3.1-70b"), catalog.system("hgx-h200"), Layout(tp=8)
    kernels = compile_kernels(system, model, layout, "fp8", "vllm", 0.9)
    if isinstance(kernels, Refusal):
        print(f"aiconfigurator-core: not timed, {kernels.reason}")
        return
    batches = range(1, 513)

    def theirs() -> None:
        with quiet():
            for batch in batches:
                kernels.engine.predict_decode_latency(batch, 4500)
                kernels.engine.predict_prefill_latency(1, 4000, 0)

    calibration = catalog.calibration("inference-2026")
    work = work_of(system, system.package, model, settle(system, model, "fp8"), layout)

    def ours() -> None:
        served(Pass(work, values_of(calibration)), np.arange(1.0, 513.0), 4000.0, 1000.0)

    rates = [len(batches) / fastest_s(call, 5) for call in (theirs, ours)]
    print(
        f"llama-3.1-70b tp8 on hgx-h200: aiconfigurator-core {rates[0] / 1e3:,.1f} k configurations/s, "
        f"ours {rates[1] / 1e3:,.0f} k/s, {rates[1] / rates[0]:,.0f} times"
    )


if __name__ == "__main__":
    main()
