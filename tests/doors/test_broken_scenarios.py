"""What a user is told: the starter with one change at a time, and the exact sentence that comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gigawatt.catalog.load import facts, load_catalog
from gigawatt.catalog.plausible import unusual
from gigawatt.catalog.reading import read_yaml
from gigawatt.cli.common import doubt
from gigawatt.core.errors import ScenarioError
from gigawatt.study.inputs import plan_inputs
from gigawatt.study.resolve import resolve
from gigawatt.study.scenario import BUNDLED, Scenario, bundled, load_scenario, scenario_schema
from tests.cases.broken import STARTER, answer, changed

SHIPPED = [*bundled(), "starter"]
TOKENS = """\
      tokens_per_s: # mean output tokens a second; between the dates it grows evenly in percent
        - {quarter: 2027Q1, value: 2 Mtok/s}
        - {quarter: 2028Q4, value: 14 Mtok/s}
"""
CONNECTION = """\
    connection: # what the grid carries from that quarter on, in all
      - {quarter: 2027Q1, value: 2 MW}
      - {quarter: 2027Q4, value: 5 MW}
"""
POWER = "power: 0.5 MW"
TERM = "    term: 1 yr #"
LEAD = "    lead_time: 6 months"
B200 = "    system: hgx-b200\n"
KEYS = (
    "keys here are name, title, description, buyer, as_announced, whole_fleet, horizon, blocks, costs, efficiency, discount, "
    "money, inflation, demand, sites, offers, supply, initial, commitments, deals, warrants, rights, software, funding, "
    "policy, fibre, hosting, uncertainty, events"
)

# name: (what stands in the starter, what the user wrote, the whole message)
BROKEN = {
    # keys
    "near-key": ("policy:", "pollicy:", "my.yaml: pollicy: is not a key that exists here; did you mean 'policy'?"),
    "near-key-deep": (
        "      price: $0.25/Mtok", "      prize: $0.25/Mtok",
        "my.yaml: demand.inference[0].prize: is not a key that exists here; did you mean 'price'?",
    ),
    "far-key": ("title: A 5 MW", "zzz: 1\ntitle: A 5 MW", f"my.yaml: zzz: is not a key that exists here; {KEYS}"),
    "invented-key": (
        "quarters: 8}", "quarters: 8, end: 2029Q1}",
        "my.yaml: horizon.end: is not a key that exists here; keys here are start, quarters",
    ),
    "missing-and-near": (
        "    contract: own #", "    contrakt: own #",
        "my.yaml: offers[0].contract: Field required\n"
        "my.yaml: offers[0].contrakt: is not a key that exists here; did you mean 'contract'?",
    ),
    "key-of-figure": (
        POWER, "power: {value: 0.5 MW, src: own}",
        "my.yaml: initial[0].power: a figure has no key 'src'; "
        "it has as_of, chosen, high, kind, low, note, source, value",
    ),
    # units and numbers
    "bare-power": (POWER, "power: 0.5", "my.yaml: initial[0].power: 0.5 has no unit; write for example 1.2 GW"),
    "bare-money": (
        "opening_cash: $20M", "opening_cash: 20",
        "my.yaml: funding.opening_cash: 20 has no unit; write for example $35B",
    ),
    "energy-for-power": (
        POWER, "power: 0.5 MWh", "my.yaml: initial[0].power: '0.5 MWh' is not a power; write for example 1.2 GW (units: W, kW, MW, GW)",
    ),
    "power-for-duration": (
        TERM, "    term: 1 MW #", "my.yaml: offers[1].term: '1 MW' is not a duration; write for example 6 months "
        "(units: ms, s, min, h, days, weeks, months, quarters, yr)",
    ),
    "unit-misspelt": (
        POWER, "power: 0.5 megawats",
        "my.yaml: initial[0].power: '0.5 megawats': no unit is called 'megawats'; a power is in W, kW, MW, GW, "
        "for example 1.2 GW",
    ),
    "negative-power": (POWER, "power: -0.5 MW", "my.yaml: initial[0].power: -0.5 MW is negative; write zero or more"),
    "kind-unknown": (
        POWER, "power: {value: 0.5 MW, kind: guess}",
        "my.yaml: initial[0].power: kind is 'guess'; "
        "it is one of datasheet, measured, filing, press, quote, derived, judgement, scenario",
    ),
    "conflict-undecided": (
        POWER, "power: [{value: 0.5 MW}, {value: 1 MW}]",
        "my.yaml: initial[0].power: 2 conflicting figures need exactly one with 'chosen: true', not 0",
    ),
    "not-finite": (
        POWER, "power: inf MW", "my.yaml: initial[0].power: 'inf MW' is not a finite number; write for example 1.2 GW",
    ),
    "decimal-comma-of-money": (
        "opening_cash: $20M", "opening_cash: $20,5M",
        "my.yaml: funding.opening_cash: '$20,5M': a comma parts thousands, as in 1,234; "
        "write 20.5, with a decimal point",
    ),
    "decimal-comma-bare": (
        "facility_over_it: 1.25", "facility_over_it: 1,25",
        "my.yaml: sites[0].facility_over_it: '1,25': a comma parts thousands, as in 1,234; "
        "write 1.25, with a decimal point",
    ),
    "power-of-powers": (
        "opening_cash: $20M", "opening_cash: 9**9**9**9 USD",
        "my.yaml: funding.opening_cash: '9**9**9**9 USD' does not read as a number with a unit; write for example $35B",
    ),
    "term-of-ages": (
        TERM, "    term: 1e300 s #",
        "my.yaml: offers[1].term: '1e300 s' is more than a duration can be; write for example 6 months",
    ),
    "supply-without-end": (
        "value: 600}", "value: 1e400}",
        "my.yaml: supply[0].packages_per_quarter[0].value: '1e400' is not a finite number; "
        "write for example 0.25 or 25 %",
    ),
    "source-is-a-list-of-lists": (
        POWER, "power: {value: 0.5 MW, source: [[a]]}",
        "my.yaml: initial[0].power: source is [['a']]; write the key of a source, or a list of keys",
    ),
    "text-for-a-block": (
        "credit: {limit: $60M, rate: 11 %/yr, lender: bank-syndicate}", "credit: 60M",
        "my.yaml: funding.credit: '60M' stands where keys belong; write {limit: ..., rate: ..., lender: ...}",
    ),
    "hours-with-a-comma": (
        "demand:\n", "blocks: [{name: day, hours: '24,0', shape: 0}]\ndemand:\n",
        "my.yaml: blocks[0].hours: '24,0' is not a number; write for example 0.25, with a decimal point",
    ),
    "hours-without-end": (
        "demand:\n", "blocks: [{name: day, hours: inf, shape: 0}]\ndemand:\n",
        "my.yaml: blocks[0].hours: Input should be a finite number",
    ),
    "name-of-a-path": (
        "name: starter", "name: ../x",
        "my.yaml: name: '../x' names no folder; write letters and digits, for example my-plan",
    ),
    # dates
    "day-of-no-calendar": (
        "start: 2027Q1", "start: 2027-02-30", "my.yaml: horizon.start: '2027-02-30' is no day: February 2027 has 28 days",
    ),
    "season": (
        "start: 2027Q1", "start: spring 2027",
        "my.yaml: horizon.start: 'spring 2027' is not a quarter; write for example 2026Q3 or 2026-08-15",
    ),
    "month-13": (
        "quarter: 2027Q4, value: 5", "quarter: 2027-13, value: 5",
        "my.yaml: sites[0].connection[1].quarter: '2027-13' is not a quarter; write for example 2026Q3 or 2026-08-15",
    ),
    "dates-back": (
        "quarter: 2028Q4, value: 14", "quarter: 2026Q4, value: 14",
        "my.yaml: demand.inference[0].tokens_per_s: 2026Q4 does not come after 2027Q1; "
        "dates run forward and stand once",
    ),
    "date-twice": (
        "quarter: 2027Q4, value: 5", "quarter: 2027Q1, value: 5",
        "my.yaml: sites[0].connection: 2027Q1 does not come after 2027Q1; dates run forward and stand once",
    ),
    "connection-falls": (
        "quarter: 2027Q4, value: 5", "quarter: 2027Q4, value: 1",
        "my.yaml: sites[0].connection: 1 MW in 2027Q4 is less than 2 MW before it; the figures are cumulative",
    ),
    "take-ends-first": (
        TERM, f"    minimum_take: [{{start: 2027Q3, end: 2027Q1, power: 1 MW}}]\n{TERM}",
        "my.yaml: offers[1].minimum_take[0]: ends in 2027Q1, before it starts in 2027Q3",
    ),
    "takes-overlap": (
        TERM,
        f"    minimum_take: [{{start: 2027Q1, end: 2027Q3, power: 1 MW}}, {{start: 2027Q3, end: 2028Q1, power: 1 MW}}]"
        f"\n{TERM}",
        "my.yaml: offers[1]: 'rent-h200' has overlapping minimum takes: one ends in 2027Q3, the next starts in 2027Q3; "
        "start it later",
    ),
    "deadline-first": (
        "demand:\n",
        "demand:\n  training:\n"
        "    - {name: run, workload: training-frontier, amount: 1e24 FLOP, start: 2028Q1, deadline: 2027Q1}\n",
        "my.yaml: demand.training[0]: 'run' has its deadline 2027Q1 before its start 2028Q1",
    ),
    # lumps, classes of halls, resale, leads, money
    "lumps-of-nothing": (
        "  reserve:", "  lumps: half\n  reserve:",
        "my.yaml: policy.lumps: Input should be 'relaxed' or 'whole'",
    ),
    "hall-of-the-provider": (
        "  - site: hall #", "  - {site: barn, region: us-south, tenure: provider, hall: 5 MW}\n  - site: hall #",
        "my.yaml: sites[0].hall: 'barn' is the provider's own; halls and openings are of sites that the buyer builds "
        "or leases",
    ),
    "hall-of-nothing": (
        "  - site: hall #", "  - {site: barn, region: us-south, connection: [{quarter: 2027Q1, value: 1 MW}], "
        "hall: 0 MW}\n  - site: hall #",
        "my.yaml: sites[0].hall: a hall of 0 MW holds nothing; write for example 100 MW",
    ),
    "fibre-to-nowhere": (
        "policy:", "fibre: [{sites: [hall, barn]}]\npolicy:",
        "my.yaml: fibre[0].sites: 'barn' is not among this scenario's sites: add it there",
    ),
    "fibre-to-itself": (
        "policy:", "fibre: [{sites: [hall, hall]}]\npolicy:",
        "my.yaml: fibre[0].sites: 'hall' stands twice; fibre links two sites",
    ),
    "real-without-inflation": (
        "demand:\n", "money: real\ndemand:\n",
        "my.yaml: money: real money needs the inflation that prices are divided by; "
        "write for example inflation: 2.5 %/yr",
    ),
    "retrofit-to-no-class": (
        "policy:",
        "hosting: {classes: [{id: air, systems: [hgx-b200, hgx-h200]}], "
        "retrofits: [{from: air, to: liquid, cost: 4 USD/W, downtime: 3 months}]}\npolicy:",
        "my.yaml: hosting.retrofits[0]: 'liquid' is not among the classes (air)",
    ),
    "retrofit-misspelt": (
        "policy:",
        "hosting: {classes: [{id: air, systems: [hgx-b200, hgx-h200]}], "
        "retrofits: [{from: air, into: air, cost: 4 USD/W, downtime: 3 months}]}\npolicy:",
        "my.yaml: hosting.retrofits[0].to: Field required\n"
        "my.yaml: hosting.retrofits[0].into: is not a key that exists here; did you mean 'to'?",
    ),
    "system-of-no-class": (
        "policy:", "hosting: {classes: [{id: air, systems: [hgx-h200]}]}\npolicy:",
        "my.yaml: offers[0].system: no class of hosting.classes holds hgx-b200; add it to one",
    ),
    "rack-too-hot": (
        "policy:",
        "hosting: {classes: [{id: air, rack: 40 kW, systems: [hgx-b200, hgx-h200, gb200-nvl72]}]}\npolicy:",
        "my.yaml: hosting.classes[0].systems: a rack of gb200-nvl72 draws 132 kW, more than the 40 kW of 'air'",
    ),
    "resale-of-rented": (
        TERM, f"    resale: [{{age: 1 yr, share: 50 %}}]\n{TERM}",
        "my.yaml: offers[1].resale: 'rent-h200' is a lease: only what is owned can be sold",
    ),
    "resale-without-term": (
        LEAD, f"    resale: [{{age: 1 yr, share: 50 %}}]\n{LEAD}",
        "my.yaml: offers[0].resale: say how long 'buy-b200' is held at least, for example term: 1 yr",
    ),
    "resale-rises": (
        LEAD, f"    term: 1 yr\n    resale: [{{age: 1 yr, share: 50 %}}, {{age: 2 yr, share: 60 %}}]\n{LEAD}",
        "my.yaml: offers[0].resale: 60 % at 2 yr after 50 % at 1 yr; ages run up and shares fall",
    ),
    "waits-for-nothing-known": (
        "    connection: # what", "    needs: [unobtainium]\n    connection: # what",
        "my.yaml: sites[0].needs: no lead time is known for 'unobtainium'; us-2026 has interconnection, "
        "substation-transformer, switchgear, gas-turbine, gas-engine",
    ),
    # sums
    "day-of-14-hours": (
        "demand:\n", "blocks: [{name: peak, hours: 4, shape: 1}, {name: rest, hours: 10, shape: -0.4}]\ndemand:\n",
        "my.yaml: blocks: the blocks cover 14 hours of a day, not 24",
    ),
    "day-off-its-mean": (
        "demand:\n", "blocks: [{name: peak, hours: 4, shape: 1}, {name: rest, hours: 20, shape: -0.5}]\ndemand:\n",
        "my.yaml: blocks: hours x shape sums to -6 over the day; it must be 0 so that the mean stays the mean",
    ),
    "tiers-of-95-percent": (
        "demand:\n", "demand:\n  tiers: [{tier: free, share: 90 %}, {tier: paid, share: 5 %}]\n",
        "my.yaml: demand.tiers: the shares add up to 0.95, not 1",
    ),
    # names inside the file
    "offer-twice": (
        "  - id: rent-h200", "  - id: buy-b200", "my.yaml: offers: 'buy-b200' stands 2 times; names are unique",
    ),
    "site-twice": (
        "  - site: hall #", "  - {site: hall}\n  - site: hall #",
        "my.yaml: sites: 'hall' stands 2 times; names are unique",
    ),
    "site-not-listed": (
        "sites: [hall] # where", "sites: [barn] # where",
        "my.yaml: offers[0].sites: 'barn' is not among this scenario's sites: add it there",
    ),
    "stock-of-no-offer": (
        "{offer: rent-h200, site: hall, power", "{offer: rent-h100, site: hall, power",
        "my.yaml: initial[0].offer: 'rent-h100' is not among the offers",
    ),
    "stock-elsewhere": (
        "{offer: rent-h200, site: hall, power", "{offer: rent-h200, site: barn, power",
        "my.yaml: initial[0].site: the offer 'rent-h200' does not name 'barn'",
    ),
    # what belongs together
    "no-demand": (
        TOKENS, "",
        "my.yaml: demand.inference[0]: 'open-chat-70b' needs requests_per_user_day or tokens_per_s, and not both",
    ),
    "training-of-nothing": (
        "demand:\n", "demand:\n  training: [{name: run, workload: research}]\n",
        "my.yaml: demand.training[0]: 'run' needs either rate, or amount with start and deadline",
    ),
    "own-with-rent": (
        LEAD, f"    rent: 9 USD/W/yr\n{LEAD}", "my.yaml: offers[0]: 'buy-b200' is owned: give a price, not a rent",
    ),
    "lease-without-rent": (
        "    rent_per_package_hour: $1.60/h #", "    #",
        "my.yaml: offers[1]: 'rent-h200' is a lease: give rent or rent_per_package_hour",
    ),
    "late-for-nothing": (
        "policy:", "commitments: [{id: big, firm: false, by: [{quarter: 2028Q1, value: 1 MW}]}]\npolicy:",
        "my.yaml: commitments[0]: 'big' is not firm: give the penalty for what is late, for example 5 USD/W/yr",
    ),
    "partner-without-share": (
        "policy:", "rights: [{id: r, holder: microsoft, kind: preferred-partner, start: 2027Q1}]\npolicy:",
        "my.yaml: rights[0]: 'r' needs the share of new capacity that goes to microsoft",
    ),
    "no-premium": ("  gap_premium: 8 %/yr", "  #", "my.yaml: funding.gap_premium: Field required"),
    "empty": (STARTER, "", "my.yaml: a scenario is a mapping of keys; 'gigawatt new my.yaml' shows them"),
    # the catalogue
    "system-near": (
        B200, "    system: hgx-b20\n",
        "my.yaml: offers[0].system: no system is called 'hgx-b20'; did you mean hgx-b200 or hgx-b300 or hgx-h200?",
    ),
    "system-far": (
        B200, "    system: abacus\n", "my.yaml: offers[0].system: no system is called 'abacus'; "
        "'gigawatt show systems' lists them.",
    ),
    "model-near": (
        "model: gpt-oss-120b", "model: gpt-oss-12b",
        "my.yaml: demand.inference[0].model: no model is called 'gpt-oss-12b'; did you mean gpt-oss-120b or gpt-oss-20b?",
    ),
    "workload-near": (
        "workload: open-chat-70b", "workload: open-chat",
        "my.yaml: demand.inference[0].workload: no workload is called 'open-chat'; "
        "did you mean open-chat-70b or open-small-8b?",
    ),
    "software-near": (
        "[kernels-2027]", "[kernels-2028]",
        "my.yaml: software[0].step: no software is called 'kernels-2028'; did you mean kernels-2026 or kernels-2027?",
    ),
    "undisclosed": (
        B200, "    system: jalapeno\n",
        "my.yaml: offers[0].system: jalapeno cannot be planned: performance undisclosed: FLOP/s, HBM, bandwidth and "
        "power have not been published; give them in an overlay (n_packages, package.peak, package.memory, "
        "package.memory_bandwidth and it_power) to plan with Jalapeño.",
    ),
    "withdrawn": (
        B200, "    system: vr-nvl144-cpx\n",
        "my.yaml: offers[0].system: vr-nvl144-cpx was withdrawn; set 'as_announced: true' to plan with it",
    ),
    "site-without-dates": (
        "  - site: hall #", "  - {site: saline}\n  - site: hall #",
        "my.yaml: sites[0].connection: 'saline' has no energisation dates in the catalogue (energised: construction started in 2026; "
        "no dated MW are public); add connection: [{quarter, value}] to it in the scenario",
    ),
    "inference-as-training": (
        "demand:\n",
        "demand:\n  training: [{name: run, workload: chat, rate: [{quarter: 2027Q1, value: 1e18 FLOP/s}]}]\n",
        "my.yaml: demand.training[0]: 'chat' is an inference workload",
    ),
    "training-as-inference": (
        "workload: open-chat-70b", "workload: research",
        "my.yaml: demand.inference[0]: 'research' is a training workload; put it under demand.training",
    ),
    "requests-of-nobody": (
        TOKENS, "      requests_per_user_day: {free: 3}\n",
        "my.yaml: demand.inference[0]: requests per user need demand.weekly_users",
    ),
    "gate-of-no-class": (
        "  reserve:", "  gating: [{workload: media, open_to: [pro], until: 2028Q1, lost_value: 10 %}]\n  reserve:",
        "my.yaml: policy.gating: 'media' is not a class of this scenario (chat)",
    ),
    "milestones-without-equity": (
        "  gap_premium", "  milestones: {deal: openai-amd, signed: 2027Q1}\n  gap_premium",
        "my.yaml: funding.milestones: the deal 'openai-amd' has no milestone equity",
    ),
    "load-over-connection": (
        POWER, "power: 2 MW",
        "my.yaml: initial: 'hall' starts with 2.5 MW of facility load but is energised to 2 MW in 2027Q1. "
        "Lower the stock or add an energisation date",
    ),
}  # fmt: skip

# name: (what stands, what the user wrote, why it cannot be meant)
ACCEPTED = {
    "only-of-no-class": (TERM, f"    only: [chatt]\n{TERM}", "only is not looked up: the offer serves nothing"),
    "event-of-no-class": (
        "policy:", "events: [{id: e, title: t, scale_demand: {chatt: 2}}]\npolicy:", "the event does nothing",
    ),
    "event-of-no-site": (
        "policy:", "events: [{id: e, title: t, delay_sites: [barn], delay: 1 yr}]\npolicy:", "the event does nothing",
    ),
    "event-without-delay": (
        "policy:", "events: [{id: e, title: t, delay_sites: [hall]}]\npolicy:", "the event delays by nothing",
    ),
    "until-before-available": (
        LEAD, f"    available: 2028Q1\n    until: 2027Q1\n{LEAD}", "the offer is never open and only a note says so",
    ),
    "reserve-over-all": ("reserve: 5 %", "reserve: 150 %", "a share over 1 is taken"),
    "supply-of-another-vendor": ("vendor: nvidia", "vendor: amd", "supply.vendor is not held against its systems"),
    "unit-in-milliwatt": (POWER, "power: 500 mW", "mW is a milliwatt; nobody plans half a watt"),
    "clock-as-number": (
        "{quarter: 2027Q1, value: 600}", "{quarter: 2027Q1, value: 12:30}", "YAML 1.1 reads 12:30 as 750",
    ),
}  # fmt: skip

UNCLEAR = {
    "new-site-without-dates": (
        CONNECTION, "",
        "my.yaml: sites[0]: 'hall' is not in the catalogue: a new site needs region and connection",
        "says only that no site is called 'hall'",
    ),
    "new-site-without-region": (
        "    region: us-south #", "    #",
        "my.yaml: sites[0]: 'hall' is not in the catalogue: a new site needs region and connection",
        "says only that no site is called 'hall'",
    ),
    "decimal-comma": (
        POWER, "power: 0,5 MW", "my.yaml: initial[0].power: 0 has no unit; write for example 1.2 GW\n"
        "my.yaml: initial[0].5 MW: stands alone; in {...} a comma parts two keys, "
        "so write decimals with a point or the whole in quotes",
        "YAML splits {power: 0,5 MW} into two keys, and the sentence goes on about a key '5 MW'",
    ),
    "rent-as-price": (
        "    rent: 2.4 USD/W/yr #", "    rent: 2.4 USD/W #",
        "my.yaml: sites[0].rent: '2.4 USD/W' is not a rent; write for example 9 USD/W/yr "
        "(units: USD or $ over W, kW, MW, GW, over h, month, yr)",
        "names the unit USD/W/s, which nobody writes, and GUSD/GW/yr as the example",
    ),
    "duration-bare": (
        LEAD, "    lead_time: 6", "my.yaml: offers[0].lead_time: 6 has no unit; write for example 6 months",
        "the example for a duration is 40 ms",
    ),
    "half-a-range": (
        POWER, "power: {value: 0.5 MW, low: 1 MW}",
        "my.yaml: initial[0].power: value 0.5 MW lies below its low 1 MW",
        "the range ends with the word None",
    ),
    "name-with-blanks": (
        "- id: buy-b200", "- id: My Übung #",
        "my.yaml: offers[0].id: 'My Übung' is not a name; write lower case letters, digits and hyphens, for example my-übung",
        "shows a regular expression",
    ),
    "yaml-broken": (
        "title: A 5 MW", "title: [A 5 MW",
        "my.yaml: line 6: while parsing a flow sequence: did not find expected ',' or ']'",
        "names a '<unicode string>' and prints the whole path where all others print the file's name",
    ),
    "supply-system-near": (
        "    systems: [hgx-b200]", "    systems: [hgx-b2000]",
        "my.yaml: supply[0].systems: no system is called 'hgx-b2000'; did you mean hgx-b200 or hgx-b300 or hgx-h200?",
        "says nothing of the scenario or the key",
    ),
    "quarters-as-words": (
        "quarters: 8}", "quarters: eight}",
        "my.yaml: horizon.quarters: 'eight' is not a whole number; write for example 28",
        "pydantic's words",
    ),
}  # fmt: skip


def cases(table: dict[str, tuple[str, ...]]) -> list[object]:
    """Rows of a table as cases; the last column says what a user would otherwise meet."""
    return [pytest.param(*row[:-1], id=name) for name, row in table.items()]


@pytest.mark.parametrize(("old", "new", "message"), list(BROKEN.values()), ids=list(BROKEN))
def test_exact_message(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = changed(tmp_path, old, new)
    with pytest.raises(ScenarioError) as caught:
        resolve(load_scenario(path), load_catalog())
    assert str(caught.value) == message


@pytest.mark.parametrize(("old", "new"), cases(ACCEPTED))
def test_refused(tmp_path: Path, old: str, new: str) -> None:
    assert answer(changed(tmp_path, old, new)), "was taken without a word"


@pytest.mark.parametrize(("old", "new", "message"), cases(UNCLEAR))
def test_clear_message(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert answer(changed(tmp_path, old, new)) == message


PRICE, RENT, CASH, SOLD = (
    "power_price: 0.08 USD/kWh", "    rent: 2.4 USD/W/yr", "opening_cash: $20M", "value: 14 Mtok/s}",
)  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (PRICE, "power_price: 3e3 USD/kWh", "sites[0].power_price: $3,000/kWh cannot be; write $-1/kWh to $100/kWh"),
        (RENT, "    rent: 24000 USD/W/yr", "sites[0].rent: $24,000/W/yr cannot be; write $0/W/yr to $10,000/W/yr"),
        (CASH, "opening_cash: $99999999999B", "funding.opening_cash: $100,000,000T cannot be; write $0 to $100,000T"),
        (SOLD, "value: 14e12 Mtok/s}",
         "demand.inference[0].tokens_per_s[1].value: 14 Etok/s cannot be; write 0 tok/s to 10 Ptok/s"),
        (TERM, "    term: 1 ms #", "offers[1].term: 1 ms cannot be; write 1 h to 200 yr"),
        (POWER, "power: 0.5 EW", "initial[0].power: 500 PW cannot be; write 0 W to 100 TW"),
    ],
)  # fmt: skip
def test_a_figure_that_cannot_be_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(changed(tmp_path, old, new))
    assert str(caught.value) == f"my.yaml: {message}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (PRICE, "power_price: 8 USD/kWh",
         "sites[0].power_price: 8 USD/kWh is beyond the usual $0.01/kWh to $0.5/kWh; written so?"),
        (RENT, "    rent: 240 USD/W/yr", "sites[0].rent: 240 USD/W/yr is beyond the usual $0.05/W/yr to $100/W/yr; written so?"),
        (TERM, "    term: 1 day #", "offers[1].term: 1 day is beyond the usual 28 days to 50 yr; written so?"),
    ],
)  # fmt: skip
def test_a_figure_that_is_unusual_is_doubted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    doubt(load_scenario(changed(tmp_path, old, new)))
    assert capsys.readouterr() == ("", f"my.yaml: {said}\n")


@pytest.mark.parametrize("name", SHIPPED)
def test_nothing_shipped_is_unusual(name: str) -> None:
    assert list(unusual(facts(load_scenario(BUNDLED / f"{name}.yaml")))) == []


@pytest.mark.parametrize("name", ["チャット Übung", "My Plan", "plan", "3.5B"])
def test_a_scenario_is_called_what_its_user_likes(tmp_path: Path, name: str) -> None:
    scenario = load_scenario(changed(tmp_path, "name: starter", f'name: "{name}"'))
    assert scenario.name == name
    assert scenario.where == "my.yaml"


def test_truths_may_be_written_as_people_do(tmp_path: Path) -> None:
    """YAML 1.1 reads the key ``on`` as true, and refused the event."""
    event = "events: [{id: e, title: t, on: yes, delay_sites: [hall], delay: 3 months}]\npolicy:"
    assert load_scenario(changed(tmp_path, "policy:", event)).events[0].on is True


@pytest.mark.parametrize("many", ["[" + "hall, " * 40_000 + "]", "[" + ", ".join(f"h{i}" for i in range(40_000)) + "]"])
def test_a_long_list_is_refused_in_a_short_sentence(tmp_path: Path, many: str) -> None:
    said = answer(changed(tmp_path, "sites: [hall] # where", f"sites: {many} # where"))
    assert said.startswith("my.yaml: offers[0].sites: 'h")
    assert len(said) < 120


def test_repeated_key(tmp_path: Path) -> None:
    path = changed(tmp_path, "title: A 5 MW", "title: x\ntitle: A 5 MW")
    assert answer(path) == "my.yaml: line 6: the key 'title' stands twice"


def test_no_such_file() -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("nowhere.yaml")
    assert str(caught.value) == "nowhere.yaml: no such file; 'gigawatt new nowhere.yaml' writes a commented starter"


def test_no_such_name() -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("announcement-2")
    assert str(caught.value) == (
        f"'announcement-2' is neither a file nor a shipped scenario; shipped are {', '.join(bundled())}, "
        "and 'gigawatt new my.yaml' starts your own"
    )


def test_no_such_event() -> None:
    with pytest.raises(ScenarioError) as caught:
        resolve(load_scenario("starter"), load_catalog(), ["slip"])
    assert str(caught.value) == "starter.yaml: no event 'slip'; this scenario has none"


@pytest.mark.parametrize(
    ("text", "usd"), [("$20M", 20e6), ("20 MUSD", 20e6), ("$20 million", 20e6), ("20000000 USD", 20e6), ("$2e7", 20e6)]
)
def test_ways_to_write_money(tmp_path: Path, text: str, usd: float) -> None:
    scenario = load_scenario(changed(tmp_path, "opening_cash: $20M", f"opening_cash: {text}"))
    assert scenario.funding.opening_cash.value == usd


@pytest.mark.parametrize(
    ("text", "count"), [("600", 600), ("6e2", 600), ("0600", 600), ("600 packages", 600), ('"1,200"', 1200)]
)
def test_ways_to_write_a_count(tmp_path: Path, text: str, count: float) -> None:
    scenario = load_scenario(changed(tmp_path, "{quarter: 2027Q1, value: 600}", f"{{quarter: 2027Q1, value: {text}}}"))
    assert scenario.supply[0].packages_per_quarter[0].value.value == count


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenario_resolves(name: str) -> None:
    case = resolve(load_scenario(name), load_catalog())
    inputs = plan_inputs(case)
    assert case.scenario.name == name
    assert len(inputs.quarters) == case.scenario.horizon.quarters
    served = {str(name) for name in inputs.lane_workload.values}
    assert served == {item.id for item in case.classes}, "every class has a system that can serve it"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenario_cites_known_sources(name: str) -> None:
    known = load_catalog().sources
    cited = {(place, key) for place, fact in facts(load_scenario(name)) for key in fact.source}
    assert not [row for row in sorted(cited) if row[1] not in known]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_judgement_says_why(name: str) -> None:
    bare = [
        place for place, fact in facts(load_scenario(name))
        if fact.kind == "judgement" and not (fact.note and fact.low is not None and fact.high is not None)
    ]  # fmt: skip
    assert not bare


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenario_starts_within_its_connections(name: str) -> None:
    inputs = plan_inputs(resolve(load_scenario(name), load_catalog()))
    assert bool((np.asarray(inputs.energised_initial_mw) <= np.asarray(inputs.connection_mw)[:, 0] * (1 + 1e-9)).all())


def test_starter_is_short_and_explained() -> None:
    lines = STARTER.splitlines()
    assert len(lines) < 70
    assert sum("#" in line for line in lines) > len(lines) / 2
    assert "starter" not in bundled()


def test_schema_holds_every_key() -> None:
    schema = scenario_schema()
    assert schema["properties"].keys() == Scenario.model_fields.keys()
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("name", SHIPPED)
def test_schema_accepts_shipped_scenario(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="not a dependency")
    jsonschema.Draft202012Validator(scenario_schema()).validate(read_yaml(BUNDLED / f"{name}.yaml"))


SECOND_THOUGHTS = {
    "no-offers": (
        STARTER[STARTER.index("offers:") : STARTER.index("supply:")], "offers: []\n",
        "my.yaml: offers: a plan needs at least one offer; the starter shows two",
    ),
    "landlord-is-buyer": (
        "landlord: crusoe", "landlord: example-neocloud",
        "my.yaml: sites[0].landlord: example-neocloud is the buyer and cannot be its own landlord",
    ),
    "whole-reserve": (
        "reserve: 5 %", "reserve: 100 %", "my.yaml: policy.reserve: 100 % leaves nothing to serve with; write less than 100 %",
    ),
    "negative-price": (
        "price: $0.25/Mtok", "price: -0.25 USD/Mtok",
        "my.yaml: demand.inference[0].price: -0.25 USD/Mtok is negative; write zero or more",
    ),
    "building-smaller-than-its-load": (
        "facility_over_it: 1.25", "facility_over_it: 0.5",
        "my.yaml: sites[0].facility_over_it: 0.5 is less than 1; a building draws at least what its computers draw",
    ),
    "right-of-nobody": (
        "policy:", "rights: [{id: r, holder: nosuchparty, kind: exclusivity, start: 2027Q1}]\npolicy:",
        "my.yaml: rights[0].holder: no party is called 'nosuchparty'; 'gigawatt show providers' lists the parties",
    ),
    "right-twice": (
        "policy:", "rights: [{id: r, holder: nvidia, kind: exclusivity, start: 2027Q1}, "
        "{id: r, holder: amd, kind: exclusivity, start: 2027Q1}]\npolicy:",
        "my.yaml: rights: 'r' stands 2 times; names are unique",
    ),
    "round-after-the-end": (
        "  gap_premium", "  rounds: [{quarter: 2031Q1, amount: $5M, investor: nvidia}]\n  gap_premium",
        "my.yaml: funding.rounds[0]: 2031Q1 lies outside the horizon",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), list(SECOND_THOUGHTS.values()), ids=list(SECOND_THOUGHTS))
def test_what_cannot_be_meant_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert answer(changed(tmp_path, old, new)) == message


def test_a_scenario_without_demand_is_planned(tmp_path: Path) -> None:
    """Nothing is asked for: only what stands and what is committed costs money."""
    from gigawatt.study.run import run

    demand = STARTER[STARTER.index("demand:") : STARTER.index("sites:")]
    results = run(changed(tmp_path, demand, "demand: {}\n"))
    assert results.summary["cost_per_mtok_usd"] == {}
    assert list(results.summary["gw_by_quarter"].values())[-1] == 0.0


def test_power_may_be_paid_to_be_used(tmp_path: Path) -> None:
    """Markets have quarters whose mean is below zero: the price is taken with its sign, 0.01 USD/kWh = 0.01/3.6e6."""
    path = changed(tmp_path, "power_price: 0.08 USD/kWh", "power_price: -0.01 USD/kWh")
    case = resolve(load_scenario(path), load_catalog())
    assert case.sites[0].power_price_usd_per_j == pytest.approx(-0.01 / 3.6e6)


def test_a_buyer_need_not_be_in_the_catalogue(tmp_path: Path) -> None:
    assert answer(changed(tmp_path, "buyer: example-neocloud", "buyer: our-company")) == ""
