"""``gigawatt data`` as people meet it, without a way to any source."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TEXT = "arrival_s,input_tokens,output_tokens\n0,10,20\n1,30,40\n3,0,5\n"


def data(*words: str, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gigawatt", "data", *words], capture_output=True, text=True, check=False, timeout=300,
        env=os.environ | {"GIGAWATT_CACHE": str(cache), "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip


def test_list_says_what_is_here(tmp_path: Path) -> None:
    (tmp_path / "burstgpt.csv").write_text(TEXT)
    done = data("list", cache=tmp_path)
    assert done.returncode == 0 and "azure-2023-conv" in done.stdout and "CC-BY-4.0" in done.stdout
    rows = {row["name"]: row for row in json.loads(data("list", "--json", cache=tmp_path).stdout)}
    assert rows["burstgpt"]["path"] and rows["azure-2023-conv"]["path"] is None
    assert rows["azure-2023-conv"]["sha256"].startswith("2f1e5b66")


def test_list_names_what_is_damaged(tmp_path: Path) -> None:
    """SHA-256 of the empty file is e3b0c442..., of azure-2023-conv 2f1e5b66...."""
    path = tmp_path / "azure-2023-conv.csv"
    path.write_bytes(b"")
    done = data("list", cache=tmp_path)
    sentence = (
        f"{path} has SHA-256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 where "
        "2f1e5b666d4e3055fdbba98598ce2ec307767b9064e03e2fa46676dbcc7d0bf8 is right; move it away and fetch it again"
    )
    assert done.returncode == 0 and done.stderr == f"{sentence}\n" and done.stdout.count("damaged") == 1
    (tmp_path / "burstgpt.csv").write_text(TEXT)
    rows = {row["name"]: row["fault"] for row in json.loads(data("list", "--json", cache=tmp_path).stdout)}
    assert rows["azure-2023-conv"] == sentence and rows["burstgpt"] is None


def test_show_measures_a_file_and_names_its_bad_rows(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(TEXT)
    refused = data("show", str(tmp_path / "own.csv"), cache=tmp_path)
    assert refused.returncode == 1 and refused.stdout == "" and "Traceback" not in refused.stderr
    assert "row 3: input_tokens is 0; a whole number of at least 1 is right" in refused.stderr
    done = data("show", str(tmp_path / "own.csv"), "--skip-bad", "--json", cache=tmp_path)
    found = json.loads(done.stdout)
    assert found["summary"]["requests"] == 2 and found["summary"]["gap_cv"] is None
    assert [one["line"] for one in found["bad_rows"]] == [3]
    text = data("show", str(tmp_path / "own.csv"), "--skip-bad", cache=tmp_path).stdout
    assert "rows left out    1" in text and "row 3: input_tokens is 0" in text


def test_show_of_what_is_not_here_says_where_it_is_from(tmp_path: Path) -> None:
    done = data("show", "mooncake-conversation", cache=tmp_path)
    assert done.returncode == 0 and "Apache-2.0" in done.stdout and "github.com" in done.stdout
    unknown = data("show", "moon", cache=tmp_path)
    assert unknown.returncode == 1 and "neither a file nor a public trace" in unknown.stderr


def test_fetch_of_an_unknown_name(tmp_path: Path) -> None:
    done = data("fetch", "moon", cache=tmp_path)
    assert done.returncode == 1 and "no public trace is called 'moon'; known are azure-2023-conv" in done.stderr
