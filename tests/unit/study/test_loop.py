from __future__ import annotations

import pytest

from gigawatt.study import loop
from gigawatt.study.cells import Cells, cells_of
from gigawatt.study.change import Derate, apply
from gigawatt.study.fleet import busiest
from gigawatt.study.inputs import lane_rate
from gigawatt.study.lanes import Served, lanes_of
from gigawatt.study.loop import Attained, Looped, Steady, close_loop, held_share
from gigawatt.study.resolve import Case
from gigawatt.study.results import Results

QUARTER = "2027Q3"


def _attained(number: int, attained: float, *, held_at: float | None = 0.8, name: str = "chat") -> Attained:
    return Attained(
        round=number, quarter="2027Q1", day="peak", block="peak", workload=name, users="", speed=0.0,
        attained_frac=attained, needed_frac=0.9, ttft_s=1.0, tpot_s=0.02, n_requests=10, is_stable=True, held_at=held_at, factor=1.0,
    )  # fmt: skip


def test_derated_coefficients_fall_for_what_is_served_alone(neocloud: Results) -> None:
    system, served = "hgx-h200", Served("open-chat-70b")
    case = apply(neocloud.case, [Derate(system=system, served=served, factor=0.5)])
    for one, lane in zip(lanes_of(neocloud.case), lanes_of(case), strict=True):
        factor = 0.5 if (lane.offer.system.id, lane.served) == (system, served) else 1.0
        assert lane_rate(case, lane) == pytest.approx(factor * lane_rate(neocloud.case, one), rel=1e-12)
    again = apply(case, [Derate(system=system, served=served, factor=0.5)])
    assert again.derated == {(system, served): 0.25}  # times a factor, twice


class _Made:
    """Stands for a simulation that holds below a share of its load."""

    def __init__(self, share: float) -> None:
        self.asked: list[float] = []
        self.share = share

    def __call__(self, cells: Cells, *, factor: float = 1.0, **_: object) -> object:
        self.asked.append(factor)
        return type("One", (), {"is_met": factor <= self.share})()


@pytest.mark.parametrize("share", [0.05, 0.37, 0.731, 0.994])
def test_the_share_that_holds_is_found_to_a_hundredth(
    neocloud: Results, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    made = _Made(share)
    monkeypatch.setattr(loop, "simulate_cells", made)
    one = busiest(cells_of(neocloud.case, neocloud.plan, QUARTER, replicas=8))[0]
    found = held_share(one, 60.0, 0)
    assert found is not None and share - 0.01 < found <= share
    assert len(made.asked) <= 8


def test_a_class_that_holds_at_no_load_is_said_so(neocloud: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "simulate_cells", _Made(0.0))
    one = busiest(cells_of(neocloud.case, neocloud.plan, QUARTER, replicas=8))[0]
    assert held_share(one, 60.0, 0) is None
    looped = Looped(attained=(_attained(1, 0.5, held_at=None),), factors={}, objectives_usd=(1.0,))
    assert looped.residual() == "residual: chat is 40.0% of requests short in peak of 2027Q1 and holds at no load"


def test_the_lane_that_misses_by_itself_is_derated(neocloud: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    one = next(
        one
        for one in cells_of(neocloud.case, neocloud.plan, QUARTER, replicas=16)
        if len({lane.system for lane in one.lanes}) > 1
    )
    slow = next(lane for lane in one.lanes if any(pool.name == lane.name for pool in one.fleet.pools))

    def made(cells: Cells, *, factor: float = 1.0, **_: object) -> object:
        has_slow = any(lane.name == slow.name for lane in cells.lanes)
        return type("One", (), {"is_met": factor <= (0.6 if has_slow else 1.0)})()

    monkeypatch.setattr(loop, "simulate_cells", made)
    _, held_at, lower = loop._look(one, 0)
    assert held_at == pytest.approx(0.6)
    assert lower == {slow.system: pytest.approx(0.6)}


def test_the_loop_plans_again_with_what_was_found(neocloud: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    asked: list[Case] = []

    def again(case: Case) -> object:
        asked.append(case)
        return neocloud.plan  # the same plan: what missed misses again

    monkeypatch.setattr(loop, "_REPLICAS", 4)
    monkeypatch.setattr(loop, "_WINDOW_S", 60.0)
    _, _, looped = close_loop(
        neocloud.case, neocloud.plan, again, [QUARTER], days=("peak",), rounds=2, say=told.append  # type: ignore[arg-type]
    )  # fmt: skip
    assert [case.derated for case in asked] == [looped.factors]
    assert looped.residual_frac > 0.0
    assert looped.factors and all(0.0 < factor <= 1.0 for factor in looped.factors.values())
    assert {one.round for one in looped.attained} == {1, 2}
    assert {one.block for one in looped.attained} == {"peak", "day", "night"}
    body = looped.to_dict()
    assert body["rounds"] == 2 and body["costs_more_usd"] == 0.0
    assert told[-1] == body["residual"] and body["residual"].startswith("residual: ")
    assert any("the models of a replica disagree" in line for line in told)
    assert body["steady"] and any(not one["is_agreed"] for one in body["steady"])


def test_the_residual_is_of_the_last_round() -> None:
    looped = Looped(attained=(_attained(1, 0.5), _attained(2, 0.88)), factors={}, objectives_usd=(1.0, 3.0))
    assert looped.residual_frac == pytest.approx(0.02)
    assert looped.to_dict()["costs_more_usd"] == 2.0
    held = Looped(attained=(_attained(1, 0.95),), factors={}, objectives_usd=(1.0,))
    assert held.residual() == "residual: none, every class holds its objective"


def test_models_of_a_replica_agree_within_a_fifth() -> None:
    near, far = (
        Steady(quarter=QUARTER, lane="us|h200>chat", planned_tokens_per_s=1000.0, simulated_tokens_per_s=made)
        for made in (810.0, 790.0)
    )
    assert near.is_agreed and not far.is_agreed
    assert str(far) == (
        "us|h200>chat: a replica yields 790 tokens/s of 1,000 planned (-21%); the models of a replica disagree"
    )
