from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gigawatt.core.errors import TraceError
from gigawatt.demand.arrivals import DAY, Family, diurnal, shape_of
from gigawatt.demand.lengths import Lengths, alias_table, empirical, fixed, lognormal
from gigawatt.demand.prefix import prefix_hits
from gigawatt.demand.requests import Requests, Stream, requests_of, starts_of
from gigawatt.demand.synthetic import Clients, Load, Sessions, fit_load, windows
from gigawatt.demand.traces import read_trace

AZURE = Path(__file__).parents[4] / "shared" / "data" / "azure_llm_2023" / "AzureLLMInferenceTrace_conv.csv"
CHAT = Stream(name="chat")


def load(
    rate: object = 100.0, family: Family = "poisson", cv: float = 1.0, sessions: Sessions | None = None,
    bin_s: float = 3600.0, clients: int = 1,
) -> Load:  # fmt: skip
    return Load(
        stream=CHAT, rate_per_s=np.atleast_1d(np.asarray(rate, dtype=np.float64)), input=lognormal(900.0, 1.2),
        output=empirical([5, 50, 500], [1.0, 2.0, 1.0]), family=family, cv=cv, sessions=sessions, bin_s=bin_s,
        clients=Clients(count=clients),
    )  # fmt: skip


def drawn(*loads: Load, horizon_s: float = 1000.0, seed: int = 1, **options: int) -> Requests:
    parts = list(windows(loads, seed=seed, horizon_s=horizon_s, **options))
    return joined(parts)


def joined(parts: list[Requests]) -> Requests:
    """Windows of one load as one trace: a session's first row in a window follows its last row of an earlier one."""
    columns = {
        name: np.concatenate([getattr(one, name) for one in parts])
        for name in Requests.__slots__
        if name not in ("streams", "previous", "block_start", "block_tokens")
    }
    previous: list[int] = []
    last: dict[int, int] = {}
    for one in parts:
        begin, before = len(previous), dict(last)
        for row, (session, link) in enumerate(zip(one.session.tolist(), one.previous.tolist(), strict=True)):
            previous.append(begin + link if link >= 0 else before.get(session, -1))
            if session >= 0:
                last[session] = begin + row
    return Requests(
        **columns, previous=np.array(previous), streams=parts[0].streams,
        block_start=starts_of(np.concatenate([np.diff(one.block_start) for one in parts])),
        block_tokens=max(one.block_tokens for one in parts),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("family", "cv"), [("poisson", 1.0), ("gamma", 0.4), ("gamma", 3.0), ("weibull", 0.5), ("weibull", 2.5)]
)
def test_rate_gaps_and_lengths_are_those_asked_for(family: Family, cv: float) -> None:
    requests = drawn(load(family=family, cv=cv), horizon_s=4000.0)
    summary = requests.summary()
    n = summary.requests
    # the count of a renewal process has variance cv^2 n: five standard deviations
    assert n == pytest.approx(400_000, abs=5.0 * cv * np.sqrt(400_000))
    assert summary.gap_cv == pytest.approx(cv, rel=0.04)
    assert summary.input_tokens == pytest.approx(900.0, rel=5.0 * 1.2 / np.sqrt(n) + 0.001)
    assert summary.output_tokens == pytest.approx(151.25, rel=0.01)
    logs = np.log(requests.input_tokens)
    assert logs.std() == pytest.approx(np.sqrt(np.log(1.0 + 1.2**2)), rel=0.01)
    share = [(requests.output_tokens == value).mean() for value in (5, 50, 500)]
    assert share == pytest.approx([0.25, 0.5, 0.25], abs=0.005)


def test_gaps_have_the_law_not_only_the_moments() -> None:
    from scipy import stats

    for family, cv, law in (
        ("poisson", 1.0, stats.expon()), ("gamma", 2.0, stats.gamma(0.25, scale=4.0)),
        ("weibull", 1.0, stats.weibull_min(1.0)),
    ):  # fmt: skip
        gaps = np.diff(drawn(load(family=family, cv=cv), horizon_s=300.0).arrival_s) * 100.0
        assert stats.kstest(gaps, law.cdf).pvalue > 1e-3


def test_rates_follow_their_bins_and_repeat() -> None:
    requests = drawn(load([50.0, 0.0, 200.0], bin_s=100.0), horizon_s=600.0)
    counts = np.histogram(requests.arrival_s, bins=np.arange(0.0, 601.0, 100.0))[0]
    assert counts[1] == counts[4] == 0
    assert counts[[0, 3]] == pytest.approx([5000, 5000], abs=5 * np.sqrt(5000))
    assert counts[[2, 5]] == pytest.approx([20_000, 20_000], abs=5 * np.sqrt(20_000))


MIXES = st.lists(
    st.builds(
        load, st.sampled_from([3.0, 20.0, [5.0, 30.0, 0.0]]), st.just("gamma"), st.sampled_from([0.5, 1.0, 3.0]),
        st.sampled_from([None, Sessions(turns=4.0, think_s=5.0, growth=fixed(100.0), block_tokens=64, most_tokens=8000)]),
        st.just(7.0), st.integers(1, 4),
    ),
    min_size=1, max_size=3,
)  # fmt: skip


@settings(max_examples=30)
@given(loads=MIXES, window=st.integers(1, 400), seed=st.integers(0, 1000))
def test_windows_change_nothing(loads: list[Load], window: int, seed: int) -> None:
    whole = drawn(*loads, horizon_s=40.0, seed=seed)
    parts = list(windows(loads, seed=seed, horizon_s=40.0, window_requests=window))
    assert all(0 < len(one) <= window for one in parts)
    again = joined(parts)  # checks the order across borders too
    for name in (
        "arrival_s",
        "input_tokens",
        "output_tokens",
        "session",
        "previous",
        "think_s",
        "shared_tokens",
        "block_ids",
    ):
        assert np.array_equal(getattr(whole, name), getattr(again, name)), name


def test_seeds_and_cells_are_apart() -> None:
    first = drawn(load(), horizon_s=10.0).arrival_s
    assert np.array_equal(first, drawn(load(), horizon_s=10.0).arrival_s)
    assert not np.array_equal(first[:50], drawn(load(), horizon_s=10.0, seed=2).arrival_s[:50])
    assert not np.array_equal(first[:50], drawn(load(), horizon_s=10.0, cell=1).arrival_s[:50])
    longer = drawn(load(), horizon_s=20.0).arrival_s
    assert np.array_equal(first, longer[: len(first)])


def test_sessions_grow_and_their_blocks_say_so() -> None:
    kind = Sessions(turns=5.0, think_s=10.0, growth=fixed(200.0), block_tokens=64, most_tokens=50_000)
    requests = drawn(load(20.0, sessions=kind), horizon_s=4000.0)
    later = np.flatnonzero(requests.previous >= 0)
    before = requests.previous[later]
    assert (requests.input_tokens[later] == requests.input_tokens[before] + requests.output_tokens[before] + 200).all()
    assert (requests.shared_tokens[later] == requests.input_tokens[later] - 200).all()
    assert len(requests) / requests.summary().sessions == pytest.approx(5.0, rel=0.03)
    assert requests.think_s[later].mean() == pytest.approx(10.0, rel=0.03)
    rate = (requests.arrival_s > 500.0).sum() / 3500.0  # sessions last a minute or two: steady by then
    assert rate == pytest.approx(20.0, rel=0.03)
    hits, _ = prefix_hits(requests)
    assert (hits[later] == (requests.shared_tokens[later] // 64)).all()


def test_a_session_ends_at_its_limit() -> None:
    kind = Sessions(turns=50.0, think_s=0.0, growth=fixed(300.0), block_tokens=0, most_tokens=2000)
    requests = drawn(load(5.0, sessions=kind), horizon_s=200.0)
    assert (requests.input_tokens + requests.output_tokens).max() <= 2000


def test_clients_share_a_load_and_burst_on_their_own() -> None:
    assert Clients(count=4, skew=0.0).shares().tolist() == [0.25] * 4
    assert Clients(count=2, skew=1.0).shares() == pytest.approx([2 / 3, 1 / 3])
    alone = drawn(load(family="gamma", cv=4.0), horizon_s=2000.0).summary()
    many = drawn(load(family="gamma", cv=4.0, clients=50), horizon_s=2000.0).summary()
    assert many.rate_per_s == pytest.approx(100.0, rel=0.05) and 1.0 < many.gap_cv < alone.gap_cv


def test_what_a_prompt_has_shown_before() -> None:
    shown = Load(stream=CHAT, rate_per_s=10.0, input=fixed(1000.0), output=fixed(3.0), hit_share=0.25)
    requests = drawn(shown, load(10.0), horizon_s=50.0)
    assert set(requests.shared_tokens[requests.input_tokens == 1000]) == {250}
    two = drawn(
        shown, Load(stream=Stream(name="code"), rate_per_s=30.0, input=fixed(7.0), output=fixed(3.0)), horizon_s=50.0
    )
    assert {(s.name, n) for s, n in zip(two.streams, np.bincount(two.stream) > 0, strict=True)} == {
        ("chat", True),
        ("code", True),
    }


def test_a_day_moves_with_the_time_zone() -> None:
    base = diurnal(10.0)
    assert base.mean() == pytest.approx(10.0) and len(base) == len(DAY) == 24
    assert diurnal(10.0, utc_offset_h=3.0).tolist() == pytest.approx(np.roll(base, -3).tolist())
    assert diurnal(10.0, utc_offset_h=5.5).mean() == pytest.approx(10.0)


@given(weights=st.lists(st.floats(0.0, 10.0), min_size=1, max_size=12).filter(lambda w: sum(w) > 0.1))
def test_an_alias_table_gives_back_its_weights(weights: list[float]) -> None:
    given_weights = np.array(weights)
    keep, other = alias_table(given_weights)
    found = keep / len(keep)
    np.add.at(found, other, (1.0 - keep) / len(keep))
    assert found == pytest.approx(given_weights / given_weights.sum(), abs=1e-12)


@pytest.mark.parametrize("cv", [0.1, 0.7, 1.0, 3.0, 20.0])
def test_weibull_shape_has_the_cv(cv: float) -> None:
    from scipy import stats

    law = stats.weibull_min(shape_of("weibull", cv))
    assert law.std() / law.mean() == pytest.approx(cv, rel=1e-6)


def test_a_fit_gives_back_the_load() -> None:
    source = load([20.0, 60.0], family="gamma", cv=2.0, bin_s=600.0)
    fitted = fit_load(drawn(source, horizon_s=2400.0), bin_s=600.0)
    assert fitted.family == "gamma" and fitted.cv == pytest.approx(2.0, rel=0.05)
    assert fitted.rate_per_s == pytest.approx([20.0, 60.0, 20.0, 60.0], rel=0.1)
    assert fitted.scaled(3.0).rate_per_s == pytest.approx(3.0 * fitted.rate_per_s)
    again = drawn(fitted.scaled(2.0), horizon_s=2400.0).summary()
    assert again.rate_per_s == pytest.approx(80.0, rel=0.05) and again.gap_cv > 1.5


def test_burst_matters() -> None:
    """A Poisson and lognormal load of the right means misses what bursty clients do."""
    bursty = drawn(load(5.53, family="gamma", cv=6.0, clients=3), horizon_s=3600.0 * 10).summary()
    plain = drawn(load(bursty.rate_per_s), horizon_s=3600.0 * 10).summary()
    assert plain.rate_per_s == pytest.approx(bursty.rate_per_s, rel=0.02)
    assert plain.gap_cv < 1.05 and bursty.gap_cv > 2.0


def test_poisson_fitted_on_azure_conversations_misses_azure_code() -> None:
    if not AZURE.is_file():
        pytest.skip("the Azure trace is not beside the project")
    trace = read_trace(AZURE).requests
    fitted = fit_load(trace)
    means = trace.summary()
    flat = Load(
        stream=CHAT, rate_per_s=means.rate_per_s, input=lognormal(means.input_tokens, fitted.input.cv),
        output=lognormal(means.output_tokens, fitted.output.cv),
    )  # fmt: skip
    synthetic = drawn(flat, horizon_s=3500.0).summary()
    assert synthetic.input_tokens == pytest.approx(means.input_tokens, rel=0.05)
    published_code_cv = 13.15  # gaps of the code trace of the same hour
    assert synthetic.gap_cv < 1.05 < means.gap_cv < published_code_cv / 10
    assert drawn(fitted, horizon_s=3500.0).summary().gap_cv == pytest.approx(means.gap_cv, rel=0.05)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: load(-1.0), "rates must be finite"),
        (lambda: load(family="poisson", cv=2.0), "Poisson gaps have a cv of 1"),
        (lambda: load(family="gamma", cv=0.0), "above 0 and up to 50"),
        (lambda: load(family="weibull", cv=0.001), "name gamma"),
        (lambda: shape_of("cauchy", 1.0), "no family"),  # type: ignore[arg-type]
        (lambda: Lengths(mean=0.5), "at least 1 token"),
        (lambda: empirical([0, 3]), "each at least a token"),
        (lambda: empirical([3], [-1.0]), "not all 0"),
        (lambda: Clients(count=0), "at least 1"),
        (lambda: Sessions(turns=0.5, think_s=1.0, growth=fixed(1.0)), "at least 1 turn"),
        (lambda: diurnal(1.0, profile=[0.0]), "not all 0"),
        (lambda: next(windows([], seed=0, horizon_s=1.0)), "need a load"),
        (lambda: fit_load(requests_of([0.0, 1.0], 1, 1)), "too few to fit"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(make: object, said: str) -> None:
    with pytest.raises(TraceError, match=said):
        make()  # type: ignore[operator]
