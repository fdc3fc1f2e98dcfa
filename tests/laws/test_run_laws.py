"""What every shipped scenario's run must obey."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gigawatt.catalog.load import load_catalog
from gigawatt.finance.ledger import balance_usd, imbalance_usd
from gigawatt.study.economics import idle_energy_usd_per_w, work_energy_usd_per_w
from gigawatt.study.money import deflator, price_level
from gigawatt.study.results import Results, cited_keys, input_hash, save
from gigawatt.study.run import run
from gigawatt.study.scenario import Trained, bundled, load_scenario
from gigawatt.study.training import training_rate
from tests.cases.shipped import finished

KEYS = (
    "scenario", "objective_usd", "gw_by_quarter", "gw_by_vendor", "n_packages", "n_dies", "capex_usd", "tranches_usd",
        "cost_per_mtok_usd", "low_latency_share", "unmet_share", "solve_s", "wall_s")  # fmt: skip


@pytest.fixture(scope="module", params=bundled())
def results(request: pytest.FixtureRequest, runs: Path) -> Results:
    return finished(request.param, runs)


def test_books_balance_and_agree_with_the_plan(results: Results) -> None:
    """Every book sums to zero, and the buyer's cash in the ledger is the plan's cash, quarter by quarter."""
    assert imbalance_usd(results.book) < 0.01
    funding = results.case.scenario.funding
    cash = balance_usd(results.book, results.case.scenario.buyer, results.case.labels, funding.opening_cash.value)
    assert np.abs(cash.to_numpy() - results.plan["cash_usd"].values).max() < 1e-6 * max(1e9, float(cash.abs().max()))


def test_every_mw_of_chips_sits_in_one_mw_of_building(results: Results) -> None:
    plan = results.plan
    overhead = np.array([offer.site.facility_over_it for offer in results.case.offers])
    load = (plan["stock_w"] * xr.DataArray(overhead, dims="offer")).groupby("at_site").sum().rename(at_site="site")
    room = plan["in_use_facility_w"].sel(site=load["site"])
    assert float((load - room).max()) <= 1e3  # one kW
    limited = np.isfinite(plan["connection_w"])
    assert float((plan["in_use_facility_w"] - plan["connection_w"]).where(limited, -1.0).max()) <= 1e3


def test_work_is_served_gated_waiting_or_unmet(results: Results) -> None:
    plan = results.plan
    now = [i for i, item in enumerate(results.case.classes) if item.workload.patience == "none"]
    whole = plan["served"] + plan["unmet"] + plan.get("gated", 0.0)
    asked = plan["demand"].isel(workload=now)
    assert np.allclose(whole.isel(workload=now).transpose(*asked.dims), asked, rtol=1e-6, atol=1.0)


def test_released_gigawatts_are_the_closed_form(results: Results) -> None:
    """Tranches of the plan against floor(accepted), computed from acceptance alone."""
    terms, equity = results.case.scenario.funding.milestones, results.case.equity
    if terms is None or equity is None:
        assert not results.summary["tranches_usd"]
        return
    counts = results.plan["vendor"].values == equity.counts_vendor
    accepted = results.plan["accepted_facility_w"].values[counts].sum(axis=0) / 1e9
    level = np.minimum(accepted + 1e-6, equity.cap.value / equity.per_gw.value / 1e9)
    expected = np.floor(level) if (terms.release or equity.release) == "whole-gigawatt" else level
    assert np.allclose(results.plan["released_gw"].values, expected, atol=1e-3)


def test_summary_has_its_keys_and_is_json(results: Results) -> None:
    assert all(key in results.summary for key in KEYS)
    assert json.loads(json.dumps(results.summary, allow_nan=False)) is not None
    accepted = list(results.summary["gw_by_quarter"].values())
    assert all(b >= a - 1e-9 for a, b in pairwise(accepted))
    assert sum(results.summary["gw_by_vendor"].values()) == pytest.approx(accepted[-1])


ALL = [pytest.param(name, marks=() if name in ("neocloud", "regions") else pytest.mark.heavy) for name in bundled()]


@pytest.mark.parametrize("name", ALL)
def test_same_input_same_hash_same_numbers(name: str, runs: Path) -> None:
    results, again = finished(name, runs), run(name)
    assert again.hash == results.hash
    timing = {"solve_s", "build_s", "wall_s"}
    first = {k: v for k, v in results.summary.items() if k not in timing}
    assert {k: v for k, v in again.summary.items() if k not in timing} == first


def test_hash_changes_with_the_input(results: Results) -> None:
    scenario, catalog = load_scenario(results.case.scenario.name), load_catalog()
    assert input_hash(scenario.model_copy(update={"title": "another"}), catalog, []) != input_hash(
        scenario, catalog, []
    )


def test_run_folder_can_be_read_without_the_code(results: Results, tmp_path: Path) -> None:
    folder = save(results, tmp_path)
    with xr.open_dataset(folder / "plan.nc", engine="h5netcdf") as plan:
        assert all(plan[name].attrs["units"] for name in plan.data_vars)
        assert float(plan["stock_w"].sum()) == pytest.approx(float(results.plan["stock_w"].sum()))
    assert len(pd.read_parquet(folder / "cash.parquet")) == len(results.book)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["hash"] == results.hash
    bib = (folder / "sources.bib").read_text()
    assert all(f"{{{key}," in bib for key in cited_keys(results.case))


def test_power_of_work_is_paid_where_it_is_done(results: Results) -> None:
    """Work by offer adds up to work by lane, and energy in the books is that of what stands and of what works there."""
    plan, case = results.plan, results.case
    hours = np.array([block.hours / 24.0 for block in case.scenario.blocks])
    lanes = (plan["assign_w"].transpose("lane", "quarter", "block").values * hours).sum(axis=(0, 2))
    assert plan["work_w"].sum("offer").values == pytest.approx(lanes, rel=1e-6, abs=1.0)
    assert float((plan["work_w"] - plan["stock_w"]).max()) <= 1.0
    rise = price_level(case)
    usd = sum(
        (plan["stock_w"].values[i] * idle_energy_usd_per_w(case, offer)
         + plan["work_w"].values[i] * work_energy_usd_per_w(case, offer)) * rise
        for i, offer in enumerate(case.offers)
    )  # fmt: skip
    book = results.book[results.book["kind"] == "energy"].groupby("quarter")["usd"].sum()
    assert book.reindex(case.labels, fill_value=0.0).to_numpy() == pytest.approx(
        usd * deflator(case), rel=1e-6, abs=1.0
    )


def test_a_job_works_on_its_gang_until_its_deadline(results: Results) -> None:
    """Nothing of a block is done outside its window; a gang's job works on what it holds, which is all of its MW."""
    plan = results.plan
    for item in results.case.classes:
        row = item.row
        if not isinstance(row, Trained) or row.amount is None:
            continue
        window = training_rate(results.case, row) > 0
        served = plan["served"].sel(workload=item.id).transpose("quarter", "block").values
        assert served[~window] == pytest.approx(np.zeros_like(served[~window]), abs=1e6)
        if row.spread == "even":
            assert served[window] == pytest.approx(np.full_like(served[window], served[window].mean()), rel=1e-6)
        if row.gang is None:
            continue
        held = plan["reserved_w"].sel(gang=item.id).transpose("quarter", "offer").values
        if row.spread == "even":
            assert held[window].sum(axis=1) == pytest.approx(np.full(window.sum(), row.gang.value), rel=1e-6)
        mine = plan["lane_workload"].values == item.id
        work = plan["assign_w"].isel(lane=np.flatnonzero(mine)).max("block").transpose("quarter", "lane").values
        place = [plan["offer"].values.tolist().index(name) for name in plan["lane_offer"].values[mine]]
        assert float((work - held[:, place]).max()) <= 1.0
