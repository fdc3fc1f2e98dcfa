"""The doors of alternatives, explanations and roadmap values: what is printed, and what is refused with which words."""

from __future__ import annotations

import json
from pathlib import Path

from tests.doors.inside import gigawatt, refused


def test_alternatives_print_json_alone_and_write_a_picture(tmp_path: Path) -> None:
    done = gigawatt("alternatives", "starter", "--within", "5%", "--by", "system", "--json", "--out", "o", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {row["name"] for row in found["ranges"]} == {"hgx-b200", "hgx-h200"}
    assert all(row["least_gw"] <= row["optimum_gw"] <= row["most_gw"] for row in found["ranges"])
    assert all(row["extra_musd"] >= 0.0 for row in found["without"])
    assert (tmp_path / "o" / "alternatives.svg").read_text().startswith("<svg")
    assert "do without" in (tmp_path / "o" / "alternatives.html").read_text()
    assert "least and most of system hgx-b200" in done.stderr


def test_alternatives_by_technology_say_what_shares_are_of() -> None:
    done = gigawatt("alternatives", "neocloud", "--within", "5%", "--by", "Technology,VENDOR")
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "Shares are of all that the optimum holds so counted, costs without it of the optimum's discounted" in words
    assert "GPU technology 20 MW (100%)" in words
    assert "nvidia vendor 20 MW (100%)" in words


def test_alternatives_refuse_what_they_do_not_know() -> None:
    assert refused("alternatives", "starter", "--by", "vendr") == (
        "ScenarioError: 'vendr' is nothing that offers are grouped by; did you mean vendor?"
    )
    assert refused("alternatives", "starter", "--by", "") == (
        "ScenarioError: --by is ''; write what offers are grouped by: any of vendor, site, system, provider, technology"
    )
    assert refused("alternatives", "starter", "--within", "much") == (
        "ScenarioError: --within is 'much'; write percentages from 0 to 100, for example 1%,5%"
    )
    assert refused("alternatives", "starter", "--at", "2040Q1") == (
        "ScenarioError: --at is '2040Q1'; the horizon runs from 2027Q1 to 2028Q4"
    )


def test_why_names_what_binds_and_why_not_what_would_change_it() -> None:
    done = gigawatt("why", "starter", "--why", "hall", "--why-not", "coreweave")
    assert done.returncode == 0, done.stderr
    assert "hall is in the plan" in done.stdout
    assert "coreweave" in done.stdout
    assert "(finite difference)" in done.stdout
    # the hall's connection is not full: its rent is a price and no scarcity. Dates are limits all the same; the term of
    # the rented chips is none: where it would bind, none of them stands any more
    assert "2027Q1: the date from which an offer is available (buy-b200) binds; one MW of IT accepted" in done.stdout
    bound = json.loads(gigawatt("why", "starter", "--json").stdout)["binding"]
    assert {row["family"] for row in bound} == {"available"}


def test_why_prices_what_is_scarce() -> None:
    bound = json.loads(gigawatt("why", "neocloud", "--json").stdout)
    assert {"supply", "add", "available", "connection"} <= {row["family"] for row in bound["binding"]}
    assert all("is worth $" in line or "more quarter" in line for line in bound["sentences"])


def test_why_offers_the_nearest_names() -> None:
    assert refused("why", "starter", "--why", "hal") == (
        "ScenarioError: starter.yaml: no system, site, provider or vendor is called 'hal'; did you mean hall?"
    )
    assert refused("why", "starter", "--why-not", "corewave") == (
        "ScenarioError: starter.yaml: no system, site, provider or vendor is called 'corewave'; did you mean coreweave?"
    )


def test_run_says_why_of_sites_and_providers_too(tmp_path: Path) -> None:
    done = gigawatt("run", "starter", "--why", "hall", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["why"][0].startswith("hall is in the plan: ")
    assert refused("run", "starter", "--why", "hal") == (
        "ScenarioError: starter.yaml: no system, site, provider or vendor is called 'hal'; did you mean hall?"
    )


def test_run_says_why_not_too_and_knows_vendors(tmp_path: Path) -> None:
    done = gigawatt("run", "starter", "--why", "hall", "--why-not", "NVIDIA", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = json.loads(done.stdout)["why"]
    assert [line.partition(" is in the plan")[0] for line in lines if "is in the plan" in line] == ["hall", "nvidia"]
    assert sum("it is chosen because without new capacity of it the plan would cost $" in line for line in lines) == 2


def test_worth_says_it_is_a_finite_difference() -> None:
    found = json.loads(gigawatt("worth", "starter", "--json").stdout)
    assert found["method"] == "finite difference of one quarter, over 3 months"
    rows = {row["id"]: row for row in found["worth"]}
    assert set(rows) == {"kernels-2027"}  # hgx-b200 only waits for its lead time
    low, central, high = rows["kernels-2027"]["multiplier"]
    assert low <= central <= high
    assert rows["kernels-2027"]["low_usd"] >= 0.0 >= rows["kernels-2027"]["high_usd"]
    assert rows["kernels-2027"]["later_usd_per_month"] >= 0.0
