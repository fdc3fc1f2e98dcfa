"""``gigawatt replay`` as people and scripts meet it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from gigawatt.study import replay
from tests.doors.inside import called, gigawatt, refused

ON = ("--system", "h200", "--model", "llama-70b", "--replicas", "2", "--layout", "tp4", "--maker", "calibrated")
ASKED = [
    "requests",
    "completed",
    "aborted",
    "ttft_s",
    "tpot_s",
    "e2e_s",
    "tokens_per_s",
    "prefix_hit_share",
    "energy_j",
    "wall_s",
    "requests_per_s",
    "queue_s",
    "goodput",
    "layout",
    "precision",
    "maker",
    "note",
    "bad_rows",
    "prefix_hit_basis",
]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    rows = "".join(f"{k / 10},{100 + k},{10 + k % 7}\n" for k in range(300))
    path.write_text("arrival_s,input_tokens,output_tokens\n" + rows)
    return path


def test_json_alone_on_standard_output(trace: Path) -> None:
    done = gigawatt("replay", str(trace), *ON, "--json")
    assert done.returncode == 0
    told = json.loads(done.stdout)
    assert set(ASKED) <= set(told) and {"p50", "p90", "p99"} <= set(told["ttft_s"])
    assert told["requests"] == told["completed"] == 300 and told["aborted"] == 0 and told["bad_rows"] == []
    assert told["tokens_per_s"] > 0 and told["energy_j"] > 0 and told["requests_per_s"] > 0
    assert told["ttft_s"]["p50"] <= told["ttft_s"]["p90"] <= told["ttft_s"]["p99"] <= told["e2e_s"]["p99"]


def test_a_table_for_people(trace: Path) -> None:
    done = gigawatt("replay", str(trace), *ON, "--slo", "ttft=2s,speed=30")
    assert done.returncode == 0 and "time to first token" in done.stdout and "300 completed of 300" in done.stdout
    assert "within the SLO  100.0%" in done.stdout and "running sequences" in done.stdout


def test_labels_say_what_they_mean(trace: Path) -> None:
    done = gigawatt("replay", str(trace), *ON)
    text = " ".join(done.stdout.split())
    assert re.search(r"energy [\d.,]+ kWh of IT, [\d.,]+ kW on average \([\d,]+ W a package, [\d.]+ J/token\)", text)
    assert re.search(r"use replicas busy [\d.]+% of the time, [\d.]+% of what full batches could do, cache", text)
    assert re.search(
        r"computing [\d.e-]+ s, [\d,]+ simulated requests in each", text
    )  # of this computer, not the cluster
    assert "without drafts" in text and "MJ" not in text
    told = json.loads(gigawatt("replay", str(trace), *ON, "--json").stdout)
    assert told["completed_per_s"] == pytest.approx(300 / told["duration_s"])
    assert told["power_w"] * told["duration_s"] == pytest.approx(told["energy_j"])
    assert "drafts 3 tokens, accepted 0.7" in " ".join(
        gigawatt("replay", str(trace), *ON, "--speculate", "3x0.7").stdout.split()
    )


def test_prefill_replicas_are_said_and_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0,4000,1\n")
    on = ("replay", str(path), "--system", "h200", "--model", "llama-70b", "--replicas", "1")
    told = json.loads(gigawatt(*on, "--layout", "tp8 + tp8", "--json").stdout)
    assert (told["n_replicas"], told["n_prefill_replicas"], told["n_packages"]) == (1, 1, 16)
    assert [pool["n_packages"] for pool in told["pools"]] == [8, 8]
    text = " ".join(gigawatt(*on, "--layout", "tp8 + tp8", "--prefill-replicas", "2").stdout.split())
    assert "on 24 packages, 1 x tp8 + 2 x tp8 for prompts" in text
    sentence = refused(*on, "--layout", "tp8", "--prefill-replicas", "2")
    assert sentence == (
        "CatalogError: 2 prefill replicas are asked for, but tp8 takes its prompts itself; a layout such as 'tp8 + tp8' "
        "has packages for prompts"
    )


def test_mooncake_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    row = '{{"timestamp": {}, "input_length": 1500, "output_length": 5, "hash_ids": [0, 1, {}]}}\n'
    path.write_text("".join(row.format(1000 * k, k + 2) for k in range(10)))
    for words, share in ((("infinite",), 18 / 30), (("off",), 0.0), (("2TB",), 18 / 30), (("0B",), 0.0)):
        told = json.loads(gigawatt("replay", str(path), *ON, "--prefix-cache", *words, "--json").stdout)
        assert told["prefix_hit_share"] == pytest.approx(share) and told["completed"] == 10


def test_closed_loop_speculation_scale_limit_and_requests(trace: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.parquet"
    words = ("--concurrency", "4", "--speculate", "3x0.7", "--limit", "50", "--requests", str(out), "--json")
    told = json.loads(gigawatt("replay", str(trace), *ON, *words).stdout)
    assert told["completed"] == 50 and "closed loop of 4" in told["note"]
    text = " ".join(gigawatt("replay", str(trace), *ON, *words[:6]).stdout.split())
    whole = told["output_tokens"] / told["duration_s"]
    assert f"{told['tokens_per_s']:,.0f} output tokens/s while the loop is full ({whole:,.0f} with its drain)" in text
    held = pq.read_table(out)
    assert len(held) == 50 and {"ttft_s", "tpot_s", "e2e_s", "queue_s", "line", "class"} <= set(held.column_names)
    slow = json.loads(gigawatt("replay", str(trace), *ON, "--scale", "0.5", "--json").stdout)
    fast = json.loads(gigawatt("replay", str(trace), *ON, "--scale", "2", "--json").stdout)
    assert slow["duration_s"] == pytest.approx(4 * fast["duration_s"], rel=0.1)


def test_the_same_seed_gives_the_same_figures(trace: Path) -> None:
    words = ("replay", str(trace), *ON, "--speculate", "3x0.7", "--router", "two_choices", "--json")
    one, again, other = (
        {key: value for key, value in json.loads(gigawatt(*words, "--seed", seed).stdout).items() if key in ASKED[:9]}
        for seed in ("1", "1", "2")
    )
    assert one == again != other


def test_bad_rows_are_named_or_listed(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(
        "arrival_s,input_tokens,output_tokens\n0,10,5\n2,10,5\n1,10,5\n-1,10,5\n3,0,5\n4,ten,5\n5,90000000,5\n6,10,5\n"
    )
    assert "row 3: arrival_s is 1 s but row 2 is at 2 s" in refused("replay", str(path), *ON)
    done = gigawatt("replay", str(path), *ON, "--skip-bad", "--json")
    told = json.loads(done.stdout)
    assert told["completed"] == 3 and [one["line"] for one in told["bad_rows"]] == [3, 4, 5, 6, 7]
    assert "more than the" in told["bad_rows"][-1]["reason"]
    assert "row 7 is left out" in gigawatt("replay", str(path), *ON, "--skip-bad").stdout
    path.write_text("arrival_s,input_tokens,output_tokens\n0,10,5\n5,90000000,5\n")
    sentence = refused("replay", str(path), *ON, "--json")
    assert "row 2: 90,000,000 input and 5 output tokens are more than the" in sentence and "is right" in sentence


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--prefix-cache", "1e400 B"), "'1e400 B' is not a finite number; write for example own, infinite, off or a "),
        (("--prefix-cache", "2e18B"), "'2e18B' is no prefix cache; write own, infinite, off or a size such as 2TB"),
        (("--prefix-cache", "5"), "'5' has no unit; write for example own, infinite, off or a size such as 2TB"),
        (
            ("--prefix-cache", "50 %"),
            "'50 %' is not an amount of memory; write for example own, infinite, off or a size",
        ),
        (
            ("--prefix-cache", "1,5 GB"),
            "'1,5 GB': a comma parts thousands, as in 1,234; write 1.5, with a decimal point",
        ),
        (("--prefix-cache", "many"), "'many' does not read as a number with a unit; write for example own, infinite, "),
        (("--replicas", "100000001"), "100,000,001 replicas are more than the 100,000 that are simulated at once"),
        (("--prefill-replicas", "100001"), "100,001 replicas are more than the 100,000 that are simulated at once"),
        (
            ("--max-sequences", "50000001"),
            "2 replicas that run 50,000,001 requests each are more than the 100,000,000 "
            "requests that are simulated at once; give fewer replicas or fewer max_sequences",
        ),
        (("--concurrency", "1e15"), "1,000,000,000,000,000 requests in flight; give 1 to 1,000,000, or 0 for an open "),
        (("--router", "best"), "no router is called 'best'"),
        (("--scale", "0"), "a scale of 0 gives no arrivals"),
        (("--slo", "ttft=2"), "'2' has no unit"),
        (("--speculate", "lots"), "'lots' is no speculation"),
        (("--resume", "gone.npz"), "gone.npz is not there"),
        (("--requests", "no/r.parquet"), "there is no folder no"),
        (("--backend", "magic"), "no backend is called 'magic'"),
    ],
)
def test_refusals_are_sentences(trace: Path, words: tuple[str, ...], sentence: str) -> None:
    assert sentence in refused("replay", str(trace), *ON, *words)


def test_names_that_are_not_there(tmp_path: Path) -> None:
    assert "neither a file nor a public trace" in refused("replay", "nothing", *ON)
    path = tmp_path / "one.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0,10,5\n")
    assert "h1000" in refused("replay", str(path), "--system", "h1000", *ON[2:])


def test_what_was_stopped_keeps_its_figures_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "long.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n" + "".join(f"{k / 10},100,10\n" for k in range(30_000)))

    @contextmanager
    def stopped() -> Iterator[Callable[[], bool]]:
        yield lambda: True

    whole = json.loads(gigawatt("replay", str(path), *ON, "--json").stdout)
    with monkeypatch.context() as patch:
        patch.setattr(replay, "_stoppable", stopped)
        code, out, error = called("replay", str(path), *ON, "--json", cwd=tmp_path)
    told = json.loads(out)
    assert code == 130 and told["is_finished"] is False and 20_000 <= told["completed"] < 30_000
    file = next(tmp_path.glob("replay-*.npz"))
    assert "stopped after 20," in error and f"--resume {file.name} goes on" in error
    rest = json.loads(gigawatt("replay", str(path), *ON, "--json", "--resume", file.name, cwd=tmp_path).stdout)
    assert rest["is_finished"] and {key: rest[key] for key in ASKED[:9]} == {key: whole[key] for key in ASKED[:9]}


def test_figures_count_from_the_first_arrival(tmp_path: Path) -> None:
    told, out = [], tmp_path / "r.parquet"
    for start in (0, 1_700_000_000):
        path = tmp_path / f"{start}.csv"
        rows = "".join(f"{start + k},100,10\n" for k in range(20))
        path.write_text("arrival_s,input_tokens,output_tokens\n" + rows)
        told.append(json.loads(gigawatt("replay", str(path), *ON, "--json", "--requests", str(out)).stdout))
    for key in ("duration_s", "energy_j", "tokens_per_s", "ttft_s", "pools"):
        assert told[0][key] == told[1][key]
    held = pq.read_table(out)
    assert held["arrival_s"][0].as_py() == 1_700_000_000 and held["sent_s"][1].as_py() == 1_700_000_001
    path.write_text("arrival_s,input_tokens,output_tokens\n0,100,10\n1700000000,100,10\n")
    assert "row 2: it arrives 1,700,000,000 s after the row before" in refused("replay", str(path), *ON)
    path.write_text("arrival_s,input_tokens,output_tokens\n1700000000000,100,10\n")
    assert "looks like milliseconds" in refused("replay", str(path), *ON)


def test_one_request_of_one_token_and_more_replicas_than_requests(tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n5,10,1\n")
    told = json.loads(gigawatt("replay", str(path), *ON[:4], "--replicas", "9", *ON[6:], "--json").stdout)
    assert told["completed"] == 1 and told["tpot_s"]["p50"] is None and told["ttft_s"]["p50"] > 0


def test_rows_carry_their_class_tier_and_limits(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(
        "arrival_s,input_tokens,output_tokens,class,tier,ttft_s\n0,100,10,a,paid,9\n1,100,10,b,free,0.000001\n"
    )
    good = json.loads(gigawatt("replay", str(path), *ON, "--json").stdout)["goodput"]
    assert good["by_class"] == {"a": 1.0, "b": 0.0} and good["by_tier"] == {"paid": 1.0, "free": 0.0}


def test_rows_behind_one_that_no_replica_holds_still_wait(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text(
        "arrival_s,input_tokens,output_tokens,session,think_s\n0,100,10,x,\n1,90000000,10,x,1\n2,100,10,x,50\n"
    )
    done = gigawatt("replay", str(path), *ON, "--json", "--skip-bad")
    told = json.loads(done.stdout)
    assert [one["line"] for one in told["bad_rows"]] == [2] and told["completed"] == 2 and told["duration_s"] > 50.0
    assert "more than 1 % of the trace" in done.stderr
