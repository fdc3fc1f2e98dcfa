"""Claims by hand: the arithmetic stands in the comments; every statement stands under exactly one id."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.core.quantity import Quantity
from gigawatt.report.claims import Claim, as_rows, claims, count
from gigawatt.report.claims.build import bill_usd, content_usd_per_w
from gigawatt.report.claims.capacity import gpus_in, rack_peak
from gigawatt.report.claims.demand import chat_power
from gigawatt.report.claims.model import KEYS, Band, quadrature
from gigawatt.report.claims.table import CLAIMS, INPUTS
from gigawatt.report.claims.timing import months_between, slipped_months
from gigawatt.report.claims.value import tenth
from gigawatt.report.claims.view import View
from gigawatt.study.results import Results

CATALOG = load_catalog()
COSTS = CATALOG.costs("us-2026")
VERDICT = re.compile(r"holds|fails|holds if \S.*|input: \S.*|not computable: \S.*")


@pytest.fixture(scope="module")
def view(neocloud: Results) -> View:
    return View(results=neocloud)


@pytest.fixture(scope="module")
def small(neocloud: Results) -> list[Claim]:
    return claims(neocloud)


@pytest.fixture(scope="module")
def letter(announcement: Results) -> list[Claim]:
    return claims(announcement)


def of(found: list[Claim], seed: str, reading: str) -> Claim:
    rows = [c for c in found if seed in c.seeds and c.reading.startswith(reading)]
    assert len(rows) == 1, [c.reading for c in found if seed in c.seeds]
    return rows[0]


def check_table(found: list[Claim], results: Results) -> None:
    """What holds for every scenario."""
    statements = [row.id.upper() for row in CATALOG.statements()]
    groups = Counter(seed for id in {c.id for c in found} for seed in id.split(", "))
    assert groups == Counter(statements)  # each statement stands under exactly one id
    for claim in found:
        assert VERDICT.fullmatch(claim.verdict), claim
        figures = [x for x in (claim.low, claim.central, claim.high) if x is not None]
        assert figures == sorted(figures), claim
        assert not any(math.isnan(x) for x in figures), claim
        assert claim.sources, claim
        assert set(claim.sources) <= set(CATALOG.sources), claim
        assert (claim.statement and claim.reading) or not claim.is_computed, claim
    rows = as_rows(found)
    assert all(tuple(row) == KEYS for row in rows)
    assert len({(row["id"], row["reading"], row["unit"]) for row in rows if row["reading"]}) == sum(
        1 for row in rows if row["reading"]
    )
    tally = count(found, CATALOG)
    assert tally["statements"] == 123
    assert sum(tally.values()) == 2 * 123
    assert tally["outside"] == sum(1 for row in CATALOG.statements() if row.treatment == "outside")


# --- arithmetic of bands -------------------------------------------------------------------------------------------


def test_products_and_quotients_take_the_extremes() -> None:
    a, b = Band(low=1, central=2, high=4, sources=("x",)), Band(low=2, central=4, high=5, sources=("y", "x"))
    assert (a * b) == Band(low=2, central=8, high=20, sources=("x", "y"))
    assert (a / b) == Band(low=1 / 5, central=0.5, high=2, sources=("x", "y"))
    assert (a + b).high == 9


def test_quadrature_adds_the_swings_of_one_factor_at_a_time() -> None:
    # f = x + y, x 10 (7..13), y 20 (16..24): swings 3 and 4 either way, sqrt(9 + 16) = 5
    figure = Quantity("", bare=True)
    x, y = (figure.read({"value": v, "low": lo, "high": hi}) for v, lo, hi in ((10, 7, 13), (20, 16, 24)))
    found = quadrature(lambda f: f.x + f.y, {"x": x, "y": y})
    assert (found.low, found.central, found.high) == pytest.approx((25, 30, 35))


# --- hand-computed figures of the catalogue ------------------------------------------------------------------------


def test_rubin_packages_in_ten_gigawatts() -> None:
    # D1: 10 GW / 1.25 / 220 kW x 72 = 36,364 racks x 72 = 2.618 M packages; 10 / 1.4 / 230 and 10 / 1.15 / 190 kW
    found = gpus_in(CATALOG.system("vr-nvl72"), 10e9, COSTS.facility_over_it)
    assert found.central == pytest.approx(2.618e6, rel=1e-3)
    assert found.low == pytest.approx(2.236e6, rel=1e-3)
    assert found.high == pytest.approx(3.295e6, rel=1e-3)


def test_rubin_dies_are_twice_the_packages_and_it_gigawatts_hold_more() -> None:
    system = CATALOG.system("vr-nvl72")
    # 2 dies a package: 5.236 M; without the overhead 10 GW / 220 kW x 72 = 3.273 M packages
    assert gpus_in(system, 10e9, COSTS.facility_over_it, dies=True).central == pytest.approx(5.236e6, rel=1e-3)
    assert gpus_in(system, 10e9, None).central == pytest.approx(3.273e6, rel=1e-3)


def test_blackwell_packages_in_ten_gigawatts() -> None:
    # 10 GW / 1.25 / 140 kW x 72 = 4.114 M: the announced 4 to 5 million are these packages
    assert gpus_in(CATALOG.system("gb300-nvl72"), 10e9, COSTS.facility_over_it).central == pytest.approx(
        4.114e6, rel=1e-3
    )


def test_peaks_of_racks() -> None:
    # C1: CPX 8 EFLOP/s; Vera Rubin 72 x 50 PF = 3.6 inference, 72 x 35 = 2.52 training; GB300 72 x 15 = 1.08 dense
    rubin = (("vr-nvl72", "inference", 3.6e18), ("vr-nvl72", "training", 2.52e18))
    for name, rate, flops in (("vr-nvl144-cpx", "inference", 8e18), *rubin, ("gb300-nvl72", "dense", 1.08e18)):
        peak = rack_peak(CATALOG.system(name), rate)
        assert peak is not None
        assert peak.central == pytest.approx(flops)


def test_bill_of_a_gigawatt(view: View) -> None:
    rack = CATALOG.system("vr-nvl72")
    # 7.8 M$ / 220 kW = 35.45 $/W of racks; x 1.2 of network = 42.55; / 1.25 = 34.04 + 3 + 6 + 3 = 46.04 a facility W
    assert bill_usd(view, rack, "facility").central == pytest.approx(46.04, abs=0.01)
    # of IT: 42.55 + 1.25 x 12 = 57.55
    assert bill_usd(view, rack, "IT").central == pytest.approx(57.55, abs=0.01)
    # D3: racks alone 35.45 / 1.25 = 28.36; ends 5.0 / 230 / 1.4 = 15.53 and 9.1 / 190 / 1.15 = 41.65
    content = content_usd_per_w(view, rack, "facility")
    assert (content.low, content.central, content.high) == pytest.approx((15.53, 28.36, 41.65), abs=0.01)


def test_price_moves_the_bill_as_far_as_it_should(view: View) -> None:
    # price alone from 5.0 to 9.1 M$: 1.2 / 220 kW / 1.25 x (-2.8, +1.3) M$ = -12.2, +5.7 $/W; the band is wider
    bill = bill_usd(view, CATALOG.system("vr-nvl72"), "facility")
    assert bill.low < 46.04 - 12.2
    assert bill.high > 46.04 + 5.7


def test_chat_takes_35_megawatts(view: View) -> None:
    # D6: 2.5e9 messages x 0.34 Wh / 24 h = 35.4 MW; low 2.5e9 x 0.3 / 24 = 31.25, high 2.6e9 x 0.34 / 24 = 36.8
    found = chat_power(view)
    assert (found.low / 1e6, found.central / 1e6, found.high / 1e6) == pytest.approx((31.25, 35.42, 36.83), abs=0.01)


def test_a_tenth_of_inference(view: View) -> None:
    # D8: 0.75 / (12 x 0.6) = 10.4 %; ends 0.75 / (15 x 0.7) = 7.1 % and 0.75 / (8 x 0.4) = 23.4 %
    found = tenth(view)
    assert (found.low, found.central, found.high) == pytest.approx((7.14, 10.42, 23.44), abs=0.01)


def test_months_from_the_letter_to_the_deal_that_came(view: View) -> None:
    # 22 September 2025 to 27 February 2026 are 158 days, 158 / 30.42 = 5.19 months
    assert slipped_months(view).central == pytest.approx(5.19, abs=0.01)
    vague = CATALOG.deal("nvidia-intel").signed  # 2025-09, so the 15th, give or take 15 days
    found = months_between(vague, CATALOG.deal("openai-nvidia-vr-2026").signed)
    assert found.high - found.low == pytest.approx(30 / (365 / 12), abs=1e-6)


# --- the table on a scenario that is no laboratory's ----------------------------------------------------------------


def test_table_of_a_neocloud(small: list[Claim], neocloud: Results) -> None:
    check_table(small, neocloud)
    assert count(small, CATALOG)["absent"] > 60


@pytest.mark.parametrize("seed", ["S0.1", "S0.8", "S2.14", "S2.17", "S3.9", "S3.29", "S4.8", "S4.16"])
def test_what_a_neocloud_has_no_deal_for_is_not_computable(small: list[Claim], seed: str) -> None:
    rows = [c for c in small if seed in c.seeds]
    assert len(rows) == 1
    assert rows[0].verdict.startswith("not computable: this scenario has no ")
    assert rows[0].central is None


def test_catalogue_claims_stand_for_any_scenario(small: list[Claim]) -> None:
    assert of(small, "S3.15", "packages of NVIDIA Vera Rubin NVL72, facility").verdict == "fails"
    assert of(small, "S3.15", "dies of NVIDIA Vera Rubin NVL72, facility").verdict.startswith(
        "holds if a rack takes 288"
    )
    assert of(small, "S3.15", "packages of NVIDIA GB300 NVL72, facility").verdict.startswith("holds if")
    # 8 / 1.08 = 7.41, within 5 % of 7.5; what ships 3.6 / 1.08 = 3.33
    assert of(
        small, "S1.8", "NVIDIA Vera Rubin NVL144 CPX inference over NVIDIA GB300 NVL72 dense, a rack"
    ).central == (pytest.approx(7.407, abs=1e-3))
    assert of(small, "S1.8", "NVIDIA Vera Rubin NVL72 inference").central == pytest.approx(3.333, abs=1e-3)
    assert of(small, "S1.7", "NVIDIA Vera Rubin NVL144 CPX").verdict == "holds if the withdrawn rack is meant"
    assert of(small, "S1.7", "NVIDIA Vera Rubin NVL72: the rack that ships, vendor's inf").verdict == "fails"
    # 10 GW / 1.2 kW = 8.33 M homes
    assert of(small, "S0.9", "10 GW of connection").central == pytest.approx(8.333, abs=1e-3)


def test_shipments_by_three_measures(small: list[Claim]) -> None:
    # 4,485,788 / 3,859,550 = 1.162 packages; 4,887 / 2,507 MW = 1.949; 8,934,833 / 3,333,176 H100e = 2.681
    units, power = of(small, "S3.17", "packages of 2025 over"), of(small, "S3.17", "power of the chips")
    assert (units.central, units.verdict) == (pytest.approx(1.162, abs=1e-3), "fails")
    assert (power.central, power.verdict) == (pytest.approx(1.949, abs=1e-3), "holds")
    assert of(small, "S3.17", "H100 equivalents").central == pytest.approx(2.681, abs=1e-3)
    # 4.5 M announced over 4.486 M shipped = 1.003; 2.618 M Rubin packages over it = 0.584
    assert of(small, "S3.16", "the announced").central == pytest.approx(1.003, abs=1e-3)
    assert of(small, "S3.16", "packages of NVIDIA Vera Rubin NVL72 in 10 GW over").central == pytest.approx(
        0.584, abs=1e-3
    )


def test_fifty_to_sixty_billion_is_of_it_power(small: list[Claim]) -> None:
    assert of(small, "S3.18", "NVIDIA Vera Rubin NVL72, facility GW").verdict.startswith("holds if a rack costs $8.7")
    assert of(small, "S3.18", "NVIDIA Vera Rubin NVL72, IT GW").verdict.startswith("holds if")
    assert of(small, "S3.18", "NVIDIA GB200 NVL72, facility GW").verdict == "fails"


def test_gpus_can_be_fast_at_a_price(small: list[Claim]) -> None:
    gpu = of(small, "S4.15", "NVIDIA Vera Rubin NVL72, one user")
    wafer = of(small, "S4.15", "Cerebras CS-3, one user")
    assert gpu.central is not None and wafer.central is not None
    assert 200 < gpu.central < wafer.central
    dear = of(small, "S4.15", "cost of a token on")
    assert dear.central is not None and dear.central > 2


def test_tables_are_literal_and_hold_each_function_once() -> None:
    assert len(set(CLAIMS) | set(INPUTS)) == len(CLAIMS) + len(INPUTS)


def test_claims_are_the_same_twice(neocloud: Results, small: list[Claim]) -> None:
    assert claims(neocloud) == small


# --- the founding case ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_table_of_the_founding_case(letter: list[Claim], announcement: Results) -> None:
    check_table(letter, announcement)
    by = Counter(row.treatment for row in CATALOG.statements())
    assert count(letter, CATALOG) == {"statements": 123, "absent": 0, **by}


@pytest.mark.slow
def test_the_letter_in_the_plan(letter: list[Claim], announcement: Results) -> None:
    accepted = announcement.plan["accepted_facility_w"].values[:, -1].sum() / 1e9
    floor = of(letter, "S2.2", "floor: at least, facility")
    assert floor.central == pytest.approx(accepted)
    # at an overhead of 1.25 the IT GW are 0.8 of it
    assert of(letter, "S3.4", "floor: at least, IT").central == pytest.approx(accepted / 1.25, rel=1e-6)
    paid = announcement.plan["tranche_usd"].values
    assert of(letter, "S0.2", "ceiling").central == pytest.approx(paid.sum() / 1e9)
    # x / (V + x): 100 / 600 = 16.7 %, 10 / 510 = 1.96 %
    assert of(letter, "S3.39", "all of the cap at the valuation of Sep").central == pytest.approx(16.667, abs=1e-3)
    assert of(letter, "S3.39", "the part due on signing").central == pytest.approx(1.961, abs=1e-3)
    # D4: 10 of 50 to 60 are 16.7 to 20 %, of 35 are 28.6 %
    share = of(letter, "S4.7", "of a gigawatt")
    assert (share.low, share.high) == pytest.approx((16.667, 20.0), abs=1e-3)
    assert of(letter, "S4.7", "of NVIDIA's announced").central == pytest.approx(28.571, abs=1e-3)


@pytest.mark.slow
def test_circle_and_ledger_agree(letter: list[Claim], announcement: Results) -> None:
    book = announcement.book
    into = book[(book["payer"] == "nvidia") & (book["payee"] == "openai")]["usd"].sum()
    back = book[(book["payer"] == "openai") & (book["payee"] == "nvidia")]["usd"].sum()
    times = of(letter, "S3.29", "payments for systems over equity")
    assert times.central == pytest.approx(back / into)
    # prices of the rack run from 5.0 to 9.1 around 7.8 M$
    assert times.low is not None and times.low < times.central < (times.high or 0)


@pytest.mark.slow
def test_microsoft_and_the_first_gigawatt(letter: list[Claim], announcement: Results) -> None:
    stock, plan = announcement.plan["stock_w"].values[:, 0], announcement.plan
    azure = np.array([str(o).startswith("azure") for o in plan["offer"].values])
    # every site has the same overhead, so shares of IT power are shares of facility power
    assert of(letter, "S0.5", "Microsoft's share of capacity, 2025Q4").central == pytest.approx(
        100 * stock[azure].sum() / stock.sum(), rel=1e-6
    )
    # Abilene 1.18 - 0.295, Shackelford 0.14, Lordstown 0.1: 1.125 GW are free by the end of 2026
    assert of(letter, "S3.9", "energised by 2026Q4").central == pytest.approx(1.125, abs=1e-6)
    # 60,000 and 220,000 packages; 72 a rack of 220 kW at 1.25: 280,000 / 72 x 275 kW = 1.069 GW
    assert of(letter, "S3.9", "vr-nvl72 that can be delivered").central == pytest.approx(1.069, abs=1e-3)


@pytest.mark.slow
def test_gating_saves_little(letter: list[Claim], announcement: Results) -> None:
    most = of(letter, "S3.23", "media: saved at most")
    whole = of(letter, "S3.23", "media: the same over all IT power")
    assert most.central is not None and whole.central is not None
    stands = announcement.plan["stock_w"].values.sum(axis=0)
    before = announcement.case.labels.index("2026Q4")  # the gate opens in 2027Q1
    assert whole.central == pytest.approx(100 * most.central * 1e6 / stands[before], rel=1e-6)


@pytest.mark.slow
def test_events_change_what_rights_and_dates_say(announcement: Results) -> None:
    on = replace(announcement, case=replace(announcement.case, events_on=("agi-declared", "slip")))
    found = claims(on)
    clause = of(found, "S2.18", "right microsoft-first-refusal runs to 2026Q4")
    assert clause.verdict == "input: event agi-declared"  # the event is the scenario's own
    assert of(found, "S4.8", "event slip, switched on").central == pytest.approx(6.0)
