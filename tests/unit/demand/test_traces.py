from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gigawatt.core.errors import TraceError
from gigawatt.demand.prefix import prefix_hits
from gigawatt.demand.traces import Spread, read_trace

DATA = Path(__file__).parents[4] / "shared" / "data"


def written(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def public(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the project")
    return path


def test_a_plain_table_with_every_column(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "arrival_s,input_tokens,output_tokens,session,think_s,class,tier,region,priority,ttft_s,tpot_s,hash_ids,block_tokens\n"
        '0,100,10,a,,chat,paid,eu,0,1.5,,"[1, 2]",64\n'
        "0.5,80,20,b,,chat,free,eu,1,,0.05,3,64\n"
        '9,300,30,a,2.5,chat,paid,eu,0,,,"[1, 2, 4]",64\n',
    )
    requests = read_trace(path).requests
    assert requests.arrival_s.tolist() == [0.0, 0.5, 9.0] and requests.line.tolist() == [1, 2, 3]
    assert requests.session.tolist() == [0, 1, 0] and requests.previous.tolist() == [-1, -1, 0]
    assert requests.think_s.tolist() == [0.0, 0.0, 2.5]
    paid, free = (requests.streams[i] for i in requests.stream[:2])
    assert (paid.name, paid.tier, paid.region, paid.priority) == ("chat", "paid", "eu", 0)
    assert (free.tier, free.priority) == ("free", 1) and requests.stream[2] == requests.stream[0]
    assert requests.ttft_s[0] == 1.5 and np.isnan(requests.ttft_s[1]) and requests.tpot_s[1] == 0.05
    assert requests.block_tokens == 64 and requests.block_ids.tolist() == [1, 2, 3, 1, 2, 4]


@pytest.mark.parametrize(
    "header",
    ["timestamp,prompt_tokens,completion_tokens", "Timestamp,Request tokens,Response tokens", "t_s,isl,osl",
     "arrived_at,num_prefill_tokens,num_decode_tokens"],
)  # fmt: skip
def test_columns_go_by_other_names(tmp_path: Path, header: str) -> None:
    requests = read_trace(written(tmp_path, f"{header}\n1.5,7,8\n2,9,10\n")).requests
    assert requests.arrival_s.tolist() == [1.5, 2.0] and requests.input_tokens.tolist() == [7, 9]
    assert requests.output_tokens.tolist() == [8, 10]


def test_milliseconds_and_a_session_without_thinking_times(tmp_path: Path) -> None:
    requests = read_trace(written(tmp_path, "arrival_ms,isl,osl,session_id\n500,7,8,x\n1000,7,8,x\n")).requests
    assert requests.arrival_s.tolist() == [0.5, 1.0]
    assert requests.session.tolist() == [0, 0] and requests.previous.tolist() == [-1, -1]


def test_azure_of_both_years(tmp_path: Path) -> None:
    old = written(
        tmp_path,
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n",
    )
    trace = read_trace(old)
    assert trace.format == "azure" and trace.requests.arrival_s.tolist() == pytest.approx([0.0, 4.314579])
    new = written(
        tmp_path,
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:01+00:00,2399,6\n",
    )
    assert read_trace(new).requests.arrival_s.tolist() == pytest.approx([0.0, 0.99007])


def test_mooncake_and_packed_files(tmp_path: Path) -> None:
    text = (
        '{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [0, 1]}\n'
        '{"timestamp": 1500, "input_length": 900, "output_length": 6, "hash_ids": [0, 2]}\n'
    )
    with gzip.open(tmp_path / "m.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(text)
    trace = read_trace(tmp_path / "m.jsonl.gz")
    assert trace.format == "mooncake" and trace.requests.arrival_s.tolist() == [0.0, 1.5]
    assert trace.requests.block_tokens == 512 and trace.requests.block_ids.tolist() == [0, 1, 0, 2]
    assert prefix_hits(trace.requests)[0].tolist() == [0, 1]
    assert len(read_trace(tmp_path / "m.jsonl.gz", limit=1).requests) == 1


def test_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"arrival_s": [0.0, 1.0], "input_tokens": [3, 4], "output_tokens": [5, 6], "class": ["a", "b"]}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    requests = read_trace(tmp_path / "t.parquet").requests
    assert requests.output_tokens.tolist() == [5, 6] and [s.name for s in requests.streams] == ["a", "b"]


HEAD = "arrival_s,input_tokens,output_tokens\n"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("0,1,1\n2,1,1\n1,1,1\n", "row 3: arrival_s is 1 s but row 2 is at 2 s; rows in order of arrival are right"),
        ("-1,1,1\n", "row 1: arrival_s is -1.*0 or later is right"),
        ("0,1,1\n0,0,1\n", "row 2: input_tokens is 0; a whole number of at least 1 is right"),
        ("0,1,1\n0,1,-5\n", "row 2: output_tokens is -5"),
        ("0,1,1\n0,,1\n", "row 2: input_tokens is missing"),
        ("0,1,1\n0,many,1\n", "row 2: input_tokens is 'many'"),
        ("0,1,1\n0,1.5,1\n", "row 2: input_tokens is 1.5"),
        ("0,1,1\nsoon,1,1\n", "row 2: arrival_s is 'soon'; a time in seconds or a date is right"),
        ("0,1,1\n0,1\n1,1,1\n", "row 2: has 2 fields where the header names 3"),
        ("0,1,1\n0,0,1\n0,0,1\n0,0,1\n", "row 2: .*2 more rows do not stand. --skip-bad leaves such rows out"),
    ],
)  # fmt: skip
def test_bad_rows_are_named_and_with_skip_bad_listed(tmp_path: Path, rows: str, said: str) -> None:
    path = written(tmp_path, HEAD + rows + "9,5,5\n")
    with pytest.raises(TraceError, match=said):
        read_trace(path)
    trace = read_trace(path, skip_bad=True)
    assert len(trace.requests) + len(trace.bad) == rows.count("\n") + 1
    assert trace.bad and trace.requests.line[-1] == rows.count("\n") + 1
    assert not set(trace.requests.line.tolist()) & {one.line for one in trace.bad}


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    good = json.dumps({"arrival_s": 0, "input_tokens": 3, "output_tokens": 4})
    path = written(tmp_path, f"{good}\n{{broken\n[1]\n{good}\n", "t.jsonl")
    with pytest.raises(TraceError, match=r"row 2: is no JSON object; .* 1 more rows"):
        read_trace(path)
    trace = read_trace(path, skip_bad=True)
    assert [one.line for one in trace.bad] == [2, 3] and trace.requests.line.tolist() == [1, 4]
    mixed = written(tmp_path, f'{good}\n{{"arrival_s": 1, "input_tokens": "x", "output_tokens": 4}}\n', "m.jsonl")
    with pytest.raises(TraceError, match="row 2: input_tokens is 'x'"):
        read_trace(mixed)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("ttft_s", "0", "ttft_s is 0"), ("think_s", "-2", "think_s is -2"), ("priority", "0.5", "priority is 0.5"),
     ("hash_ids", "[a]", "hash_ids is '.a.'")],
)  # fmt: skip
def test_optional_columns_are_checked_too(tmp_path: Path, column: str, value: str, said: str) -> None:
    path = written(tmp_path, f"arrival_s,input_tokens,output_tokens,{column}\n0,1,1,1\n0,1,1,{value}\n")
    with pytest.raises(TraceError, match=f"row 2: {said}"):
        read_trace(path)
    assert len(read_trace(path, skip_bad=True).requests) == 1


def test_files_that_hold_no_trace(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="cannot be read: No such file"):
        read_trace(tmp_path / "none.csv")
    with pytest.raises(TraceError, match="is empty"):
        read_trace(written(tmp_path, "", "e.csv"))
    with pytest.raises(TraceError, match="no column arrival_s and none output_tokens; it has a, isl"):
        read_trace(written(tmp_path, "a,isl\n1,2\n"))
    with pytest.raises(TraceError, match="no format is called 'xml'"):
        read_trace(tmp_path / "t.csv", format="xml")
    with pytest.raises(TraceError, match="no row that stands"):
        read_trace(written(tmp_path, HEAD + "0,0,0\n"), skip_bad=True)
    with pytest.raises(TraceError, match="no parquet file"):
        read_trace(written(tmp_path, "PAR1 nothing", "t.parquet"))
    with pytest.raises(TraceError, match="limit of 0"):
        read_trace(tmp_path / "t.csv", limit=0)


def test_azure_conversation_as_published() -> None:
    summary = read_trace(public("azure_llm_2023/AzureLLMInferenceTrace_conv.csv")).requests.summary()
    assert summary.requests == 19_366 and round(summary.rate_per_s, 3) == 5.530
    assert round(summary.input_tokens, 1) == 1154.7 and round(summary.output_tokens, 1) == 211.1
    assert round(summary.gap_cv, 2) == 1.09


def test_mooncake_prefix_hits_as_published() -> None:
    requests = read_trace(public("mooncake/conversation_trace.jsonl")).requests
    shares = []
    for capacity in (-1, 100_000, 30_000, 10_000, 3_000, 1_000):
        hits, total = prefix_hits(requests, capacity)
        shares.append(hits.sum() / total)
    print("hit share from an infinite cache down to 1,000 blocks:", [round(float(one), 4) for one in shares])
    assert shares[0] == pytest.approx(0.366, abs=0.001)
    assert all(more > less for more, less in pairwise(shares))


def test_agents_sessions_as_published() -> None:
    path = public("agentic_claude_code/requests_all_traces.csv")
    trace = read_trace(path)
    requests, summary = trace.requests, trace.requests.summary()
    assert trace.format == "agentic" and summary.requests == 49_334 and summary.sessions == 710 and not trace.bad
    # the file counts blocks of 64; tokens of the last, partial one lower the share a little
    assert summary.shared_share == pytest.approx(0.963, abs=0.0005)
    hits, total = prefix_hits(requests)
    assert hits.sum() / total == pytest.approx(0.963, abs=0.001)  # the blocks made for it say the same
    assert (requests.previous < 0).sum() == 710 and np.median(requests.think_s[requests.previous >= 0]) > 1.0
    other = read_trace(path, spread=Spread(over_s=86_400.0, seed=1))
    assert other.requests.arrival_s[0] != requests.arrival_s[0] and "86,400 s" in other.notes[0]


def test_one_late_outlier_does_not_condemn_the_rows_after_it(tmp_path: Path) -> None:
    rows = "0,1,1\n9000000,1,1\n" + "".join(f"{k},1,1\n" for k in range(1, 50))
    path = written(tmp_path, HEAD + rows)
    with pytest.raises(TraceError, match="row 2: arrival_s is 9000000 s but row 3, after it, is at 1 s; rows in order"):
        read_trace(path)
    trace = read_trace(path, skip_bad=True)
    assert [one.line for one in trace.bad] == [2] and len(trace.requests) == 50
    assert "1 rows, 2.0% of the file, are left out" in trace.notes[-1]


def test_milliseconds_in_a_column_of_seconds(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"row 1: .* looks like milliseconds: divide it to seconds, or name a column"):
        read_trace(written(tmp_path, HEAD + "1700000000000,1,1\n1700000001000,1,1\n"))


def test_zero_tokens_are_named_however_they_are_written(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"row 1: input_tokens is 0.0; .* zero tokens are no request"):
        read_trace(written(tmp_path, HEAD + "0,0.0,1\n1,1,1\n"))


@pytest.mark.parametrize("change", [("\n", "\r\n"), (",", ";"), (",", "\t"), ("arrival_s,", "\ufeffarrival_s,")])
def test_tables_as_other_programs_write_them(tmp_path: Path, change: tuple[str, str]) -> None:
    requests = read_trace(written(tmp_path, (HEAD + "0,1,2\n1.5,3,4\n").replace(*change))).requests
    assert requests.arrival_s.tolist() == [0.0, 1.5] and requests.output_tokens.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("b.csv", bytes(range(256)) * 20, "holds bytes that are no text"),
        ("u.csv", (HEAD + "0,1,1\n").encode("utf-16"), "holds bytes that are no text"),
        ("l.csv", b"arrival_s,input_tokens,output_tokens,class\n0,1,1,na\xefve\n", "is no UTF-8 text"),
        ("d.csv", b"arrival_s,arrival_s,input_tokens,output_tokens\n0,0,1,1\n", "names the column arrival_s twice"),
        ("h.csv", HEAD.encode(), "holds a header and no row"),
        ("a.json", b'[{"arrival_s":0,"input_tokens":1,"output_tokens":1}]', "row 1: is no JSON object; one request a line"),
        ("g.csv.gz", b"abc", "cannot be read: Not a gzipped file"),
    ],
)  # fmt: skip
def test_files_that_are_no_trace_get_a_sentence(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TraceError, match=said):
        read_trace(tmp_path / name)
