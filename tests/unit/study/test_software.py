"""Dated software steps: whom they help, and what is in the figures already."""

from __future__ import annotations

from typing import Any

import pytest

from gigawatt.core.errors import ScenarioError
from gigawatt.study.inputs import lane_rate
from gigawatt.study.lanes import lanes_of
from gigawatt.study.resolve import Case
from gigawatt.study.scenario import Scenario
from gigawatt.study.software import software_gain, software_notes
from gigawatt.study.worth import worth
from tests.cases.written import case_of, raw_starter


def stepped(*software: Any, model: str = "llama-3.1-70b") -> Case:
    """B200 (with FP4), H200 (without) and GB200 in a cloud serve a 16-bit model from 2027Q1."""
    raw = raw_starter()
    raw["demand"]["inference"][0] |= {"model": model, "price": "$1.2/Mtok", "value": "$1.2/Mtok"}
    return case_of(Scenario.model_validate(raw | {"software": list(software)}))


def gains(case: Case) -> dict[str, list[float]]:
    row = case.classes[0]
    return {
        offer.offer.id: software_gain(case, offer.system, row, case.serving[offer.system.id, row.id]).tolist()
        for offer in case.offers
    }


def step(name: str, **keys: Any) -> dict[str, Any]:
    return {"step": name, "available": "2027Q3", "multiplier": 1.5} | keys


def test_a_step_helps_the_systems_and_vendors_it_names() -> None:
    late, none = [1.0, 1.0] + [1.5] * 6, [1.0] * 8
    every = gains(stepped(step("kernels-2027")))
    assert every == {"buy-b200": late, "rent-h200": late, "cloud": late}
    assert gains(stepped(step("kernels-2027", systems=["hgx-h200"]))) == every | {"buy-b200": none, "cloud": none}
    assert gains(stepped(step("kernels-2027", vendors=["nvidia"]))) == every
    assert gains(stepped(step("kernels-2027", workloads=["chat"]))) == every  # the class by its name here
    two = gains(stepped(step("kernels-2027", systems=["hgx-b200"]), step("kernels-2026", available="2028Q1")))
    assert two["buy-b200"] == [1.0, 1.0, 1.5, 1.5, 2.25, 2.25, 2.25, 2.25]
    assert two["rent-h200"] == [1.0] * 4 + [1.5] * 4


def test_a_quantisation_helps_only_what_computes_in_its_format_and_stores_more() -> None:
    fp4 = step("nvfp4-quantisation")
    assert [row[-1] for row in gains(stepped(fp4)).values()] == [1.5, 1.0, 1.5]  # Hopper has no FP4
    assert [row[-1] for row in gains(stepped(fp4 | {"format": "fp8"})).values()] == [1.5, 1.5, 1.5]
    # a model that is released in four bits gains nothing
    released = stepped(fp4, model="gpt-oss-120b")
    assert [row[-1] for row in gains(released).values()] == [1.0, 1.0, 1.0]
    assert software_notes(released)[0].startswith("Software step nvfp4-quantisation of 2027Q3 helps nothing here")
    case = stepped(fp4)
    rates = {lane.offer.offer.id: lane_rate(case, lane) for lane in lanes_of(case)}
    assert rates["buy-b200"][2] / rates["buy-b200"][1] == pytest.approx(1.5)
    assert rates["rent-h200"][2] == rates["rent-h200"][1]


def test_drafting_and_prompts_apart_count_where_the_operating_point_lacks_them() -> None:
    case = stepped(step("speculative-decoding"), step("disaggregation", multiplier=1.1))
    for offer in case.offers:
        point = case.serving[offer.system.id, "chat"]
        factor = (1.0 if point.draft_tokens else 1.5) * (1.0 if point.prefill_layout else 1.1)
        assert gains(case)[offer.offer.id][-1] == pytest.approx(factor)
    assert {case.serving[o.system.id, "chat"].draft_tokens for o in case.offers} == {3}  # all draft: 1.1 alone


def test_a_step_dated_before_the_horizon_is_in_the_figures_and_says_so() -> None:
    case = stepped("kernels-2026", step("kernels-2027"))
    assert gains(case)["buy-b200"] == [1.0, 1.0] + [1.5] * 6
    (note,) = software_notes(case)
    assert note.startswith(
        "Software step kernels-2026 of 2026Q2 changes nothing: what ran by 2027Q1, the first quarter"
    )
    (after,) = software_notes(stepped(step("kernels-2027", available="2031Q1")))
    assert after == "Software step kernels-2027 of 2031Q1 comes after the horizon ends in 2028Q4."
    # each month of a step is worth something only to the systems it helps
    rows = {row.id: row for row in worth(case) if row.kind == "software"}
    assert list(rows) == ["kernels-2027"]
    nobody = stepped(step("nvfp4-quantisation", systems=["hgx-h200"]))
    (row,) = (row for row in worth(nobody) if row.kind == "software")
    assert (row.earlier_usd_per_month, row.later_usd_per_month) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("software", "words"),
    [
        (step("kernels-2027", systems=["hgx-h20"]), "hgx-h20"),
        (step("kernels-2027", systems=["trainium2"]),
         r"software\[0\].systems: 'trainium2' is not a system that this scenario offers \(gb200-nvl72, hgx-b200"),
        (step("kernels-2027", vendors=["amd"]),
         r"software\[0\].vendors: 'amd' is not a vendor of this scenario's offers \(nvidia\)"),
        (step("kernels-2027", workloads=["voice"]),
         r"software\[0\].workloads: 'voice' is not a class of this scenario \(chat, open-chat-70b\)"),
        (step("nvfp4-quantisation", format="bf16"), r"software\[0\].format: bf16 saves no bits; quantise to fp4"),
    ],
)  # fmt: skip
def test_unknown_names_get_a_sentence(software: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        stepped(software)


def test_a_multiplier_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="'kernels-2027' multiplies by 0; write more than 0"):
        stepped(step("kernels-2027", multiplier=0))
