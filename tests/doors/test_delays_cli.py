"""The door of a plan under delays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.doors.inside import gigawatt


def test_a_plan_under_delays(tmp_path: Path) -> None:
    done = gigawatt("delays", "starter", "--draws", "200", "--json", "--figure", "fan.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["draws"] == 200
    assert all(row["gw"][0] <= row["gw"][1] <= row["gw"][2] <= row["planned"] + 1e-9 for row in found["gw"])
    assert found["extra_usd"][0] <= found["extra_usd"][1] <= found["extra_usd"][2]
    # the hall holds what is bought: a quarter without it costs more than nothing, a system nobody buys costs nothing
    assert found["one_quarter_late_usd"]["hall"] > 0.0
    assert "playing it through 200 draws" in done.stderr
    assert "power that stands under delays" in (tmp_path / "fan.html").read_text(encoding="utf-8")
    again = json.loads(gigawatt("delays", "starter", "--draws", "200", "--json").stdout)
    assert again["extra_usd"] == found["extra_usd"]
    assert json.loads(gigawatt("delays", "starter", "--draws", "200", "--seed", "1", "--json").stdout) != found


def test_without_delays_it_is_the_plan() -> None:
    found = json.loads(
        gigawatt("delays", "starter", "--draws", "10", "--site-mean", "0", "--system-mean", "0", "--json").stdout
    )
    assert found["extra_usd"] == pytest.approx([0.0, 0.0, 0.0], abs=1e-3)
    assert all(row["gw"] == pytest.approx([row["planned"]] * 3) for row in found["gw"])


def test_customers_who_would_pay_less_are_not_unmet() -> None:
    # the run says that 0.8 % of the value of demand is not served; seven tenths of reasoning are priced out
    found = json.loads(
        gigawatt("delays", "open-tokens", "--draws", "10", "--site-mean", "0", "--system-mean", "0", "--json").stdout
    )
    assert found["unmet_frac"][1] < 0.05


PROMISED = """
name: promised
title: Capacity is promised and nobody asks for work
buyer: example-neocloud
horizon: {start: 2027Q1, quarters: 4}
discount: 10 %/yr
demand: {}
sites:
  - {site: hall, region: us-south, tenure: own, power_price: 0.08 USD/kWh, facility_over_it: 1.25, annual_pue: 1.2,
     connection: [{quarter: 2027Q1, value: 100 MW}]}
offers:
  - {id: buy, provider: example-neocloud, system: hgx-b200, sites: [hall], contract: own, price: $300k,
     available: 2026Q1, lead_time: 0 months}
commitments:
  - {id: c, basis: it, vendor: nvidia, firm: false, penalty: 40 USD/W/yr, by: [{quarter: 2027Q3, value: 10 MW}]}
funding: {opening_cash: $100B, gap_premium: 8 %/yr}
"""


def test_a_plan_without_demand(tmp_path: Path) -> None:
    (tmp_path / "promised.yaml").write_text(PROMISED, encoding="utf-8")
    done = gigawatt("delays", "promised.yaml", "--draws", "50", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["unmet_frac"] == [0.0, 0.0, 0.0]
    # the vendor a quarter late saves what waits for a quarter, and is no breach; the hall a quarter late owes 10 MW x 40
    # USD/W/yr for a quarter, 100 MUSD, discounted from the end of the third
    late = found["one_quarter_late_usd"]
    assert late["hgx-b200"] < 0.0
    penalty = 100e6 * 1.1**-0.75
    spared = penalty - late["hall"]
    assert 0.0 < spared < 0.1 * penalty + abs(late["hgx-b200"])
