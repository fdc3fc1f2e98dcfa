"""Laws of the public record: providers, sites, deals, workloads, references and statements."""

from __future__ import annotations

import re

import pytest

from gigawatt.catalog.load import Catalog, facts, load_catalog
from gigawatt.catalog.schema import Deal, Entry, Provider, Reference, Site, Statement, Workload

REGIONS = {"us-south", "us-midwest", "us-west", "eu-north", "eu-west", "me"}
STATEMENTS = [f"s{part}.{n}" for part, count in enumerate((22, 15, 22, 44, 20)) for n in range(1, count + 1)]
OURS = (Provider, Site, Deal, Workload, Reference, Statement)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def entries(catalog: Catalog) -> list[Entry]:
    return [entry for kind in OURS for entry in catalog.all(kind)]


@pytest.mark.parametrize(("alias", "provider"), [("azure", "microsoft"), ("oci", "oracle"), ("AWS", "aws")])
def test_providers_answer_to_the_names_people_use(catalog: Catalog, alias: str, provider: str) -> None:
    assert catalog.provider(alias).id == provider


def test_what_is_unknown_is_a_field_that_is_empty(catalog: Catalog) -> None:
    for entry in entries(catalog):
        for key, reason in entry.unknown.items():
            assert key in type(entry).model_fields, f"{entry.id}: {key}"
            assert not getattr(entry, key), f"{entry.id}: {key} is given and unknown at once"
            assert reason.strip(), f"{entry.id}: {key} needs a reason"


def test_dates_of_figures_are_no_later_than_the_record(catalog: Catalog) -> None:
    for entry in entries(catalog):
        for path, fact in facts(entry):
            for one in (fact, *fact.alternatives):
                assert re.fullmatch(r"20\d\d(-\d\d)?", one.as_of), f"{entry.id}: {path}"
                assert one.as_of <= "2026-11", f"{entry.id}: {path}"


def test_deals_and_sites_name_parties_that_exist(catalog: Catalog) -> None:
    providers = catalog.entries["providers"]
    for deal in catalog.all(Deal):
        assert deal.buyer in providers, deal.id
        assert deal.seller in providers, deal.id
        assert deal.buyer != deal.seller, deal.id
    for site in catalog.all(Site):
        assert {site.developer, site.tenant} - {None} <= set(providers), site.id


def test_sites_lie_in_a_region_and_say_what_power_costs(catalog: Catalog) -> None:
    for site in catalog.all(Site):
        assert site.region in REGIONS, site.id
        assert re.fullmatch(r"[A-Z]{2}", site.country), site.id
        assert site.power_price is not None, site.id
        assert 0.01 <= site.power_price.value * 3.6e6 <= 0.4, site.id


def test_energised_power_is_cumulative_dated_and_within_capacity(catalog: Catalog) -> None:
    sure = ("energised", "contracted", "announced")
    for site in catalog.all(Site):
        assert site.energised or "energised" in site.unknown, site.id
        assert site.capacity or "capacity" in site.unknown, site.id
        for before, after in zip(site.energised, site.energised[1:], strict=False):
            assert before.quarter.value < after.quarter.value, site.id
            assert before.power.value < after.power.value, site.id
            assert sure.index(before.status) <= sure.index(after.status), site.id
        if site.energised:
            assert site.capacity is not None, site.id
            assert site.energised[-1].power.value <= site.capacity.value, site.id


def test_overheads_of_sites_are_above_one(catalog: Catalog) -> None:
    for site in catalog.all(Site):
        for ratio in (site.facility_over_it, site.annual_pue):
            assert ratio is None or ratio.value >= 1, site.id


def test_deals_state_power_and_amount_or_say_they_are_unknown(catalog: Catalog) -> None:
    for deal in catalog.all(Deal):
        if deal.side != "money":
            assert deal.power is not None or "power" in deal.unknown, deal.id
        else:
            assert deal.power is None, f"{deal.id}: money has no GW"
        assert deal.amount is not None or "amount" in deal.unknown, deal.id
        assert deal.power is None or deal.power.value <= 10e9, deal.id


def test_committed_chips_add_up_to_the_derivation(catalog: Catalog) -> None:
    ids = ("openai-nvidia-loi", "openai-amd", "openai-broadcom", "openai-aws-2026", "openai-cerebras")
    powers = {name: catalog.deal(name).power for name in ids}
    total = sum(power.value for power in powers.values() if power)
    assert total == pytest.approx(28.75e9), "10 + 6 + 10 + 2 + 0.75 GW; buildings are not in it"
    amd = powers["openai-amd"]
    assert amd is not None
    assert amd.low == pytest.approx(1e9), "only the first GW binds"


def test_equity_fits_its_deal(catalog: Catalog) -> None:
    with_equity = [deal for deal in catalog.all(Deal) if deal.equity]
    assert [deal.id for deal in with_equity] == ["openai-nvidia-loi"]
    for deal in with_equity:
        equity = deal.equity
        assert equity is not None
        assert deal.power is not None
        assert deal.amount is not None
        assert equity.counts_vendor in catalog.entries["providers"]
        assert equity.cap.value == deal.amount.value
        assert equity.per_gw.value * deal.power.value == pytest.approx(equity.cap.value)
        assert equity.first_on_signing is None or equity.first_on_signing.value <= equity.cap.value
        assert equity.cap.value < equity.valuation.value


def test_workloads_are_sane(catalog: Catalog) -> None:
    for work in catalog.all(Workload):
        assert 1 <= work.peak_to_mean.value <= 4, work.id
        if work.model is not None:
            assert work.model in catalog.entries["models"], work.id
        if work.kind == "training":
            assert work.utilisation is not None
            assert work.value_per_flop is not None
            assert 0.1 <= work.utilisation.value <= 0.6, work.id
            assert 1e-19 < work.value_per_flop < 1e-16, work.id
            continue
        assert work.slo is not None
        assert work.slo.ttft is not None
        assert work.slo.speed is not None
        assert work.value is not None
        assert work.prefix_hit is not None
        assert work.value.low is not None
        assert work.value.high is not None
        assert 0.1 <= work.slo.ttft.value <= 86400, work.id
        assert 1 <= work.slo.speed.value <= 2000, work.id
        assert 0.5 <= work.slo.percentile.value < 1, work.id
        assert 0 <= work.prefix_hit.value < 1, work.id
        assert 0.01e-6 <= work.value.value <= 100e-6, work.id


def test_patient_work_has_the_loosest_limits_and_the_lowest_value(catalog: Catalog) -> None:
    lab = [work for work in catalog.all(Workload) if not work.id.startswith("open-")]
    served = [work for work in lab if work.value and work.slo and work.slo.ttft]
    patient = [work for work in served if work.patience != "none"]
    waiting = [work for work in served if work.patience == "none"]
    assert {work.id for work in patient} == {"batch", "rl-rollouts"}
    assert max(w.value.value for w in patient if w.value) < min(w.value.value for w in waiting if w.value)
    slowest = max(w.slo.ttft.value for w in waiting if w.slo and w.slo.ttft)
    assert min(w.slo.ttft.value for w in patient if w.slo and w.slo.ttft) > slowest


def test_references_hold_a_figure(catalog: Catalog) -> None:
    for reference in catalog.all(Reference):
        figures = (reference.number, reference.power, reference.money, reference.money_per_watt)
        assert any(figures), reference.id


@pytest.mark.parametrize(("prefix", "field"), [("wau-", "number"), ("openai-compute-20", "power")])
def test_histories_grow(catalog: Catalog, prefix: str, field: str) -> None:
    rows = [entry for entry in catalog.all(Reference) if entry.id.startswith(prefix)]
    dated = sorted(rows, key=lambda entry: entry.id)
    values = [getattr(entry, field).value for entry in dated]
    quarters = [entry.quarter.value for entry in dated if entry.quarter]
    assert len(quarters) == len(rows) >= 3
    assert values == sorted(values)
    assert quarters == sorted(quarters)


def test_all_statements_are_there_in_order(catalog: Catalog) -> None:
    rows = catalog.statements()
    assert len(rows) == 123
    assert [row.id for row in rows] == STATEMENTS


def test_statements_say_what_becomes_of_them(catalog: Catalog) -> None:
    rows = {row.id: row for row in catalog.statements()}
    treated = {row.id: row.treatment for row in rows.values()}
    for row in rows.values():
        assert len(row.name) <= 110, row.id
        assert row.why, row.id
        assert row.source == row.id.split(".")[0].upper(), row.id
        assert row.source in catalog.sources, row.id
        for other in re.findall(r"\bs\d\.\d+", row.why):
            assert treated[other] == "computed", f"{row.id} points to {other}"
        for name in re.findall(r"\bas deal ([a-z0-9-]+)", row.why):
            assert name in catalog.entries["deals"], f"{row.id}: deal {name}"
        for name in re.findall(r"\breference ([a-z0-9-]+)", row.why):
            assert name in catalog.entries["references"], f"{row.id}: reference {name}"


@pytest.mark.parametrize("statement", ["s0.17", "s3.10", "s3.11", "s3.12", "s3.13"])
def test_share_prices_are_never_claimed_to_be_computed(catalog: Catalog, statement: str) -> None:
    assert next(row for row in catalog.statements() if row.id == statement).treatment == "outside"
