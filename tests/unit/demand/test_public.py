from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gigawatt.core.errors import TraceError
from gigawatt.demand.public import ORIGINALS, Original, cache_dir, fetch, find_public, original, sha256_of
from gigawatt.demand.traces import read_trace

DATA = Path(__file__).parents[4] / "shared" / "data"
TEXT = b"arrival_s,input_tokens,output_tokens\n0,10,20\n1,30,40\n"


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Original]:
    """A trace behind a server of this machine, which stops with the test."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "t.csv").write_bytes(TEXT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Original(
            name="mine", what="two rows", rows=2, licence="CC0-1.0", page="http://127.0.0.1", file="mine.csv",
            url=f"http://127.0.0.1:{server.server_address[1]}/t.csv", sha256=hashlib.sha256(TEXT).hexdigest(),
        )  # fmt: skip
        server.shutdown()
        thread.join()


def test_a_fetched_file_is_whole_checked_and_not_fetched_twice(served: Original, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path, found = fetch(served, tmp_path / "to", advance=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == TEXT and found == served.sha256 and seen[-1] == (len(TEXT), len(TEXT))
    assert sorted(one.name for one in path.parent.iterdir()) == ["mine.csv", "mine.csv.sha256"]
    assert len(read_trace(path).requests) == 2
    assert fetch(replace(served, url="http://127.0.0.1:9/none"), tmp_path / "to") == (path, found)


def test_a_wrong_checksum_keeps_nothing(served: Original, tmp_path: Path) -> None:
    wrong = replace(served, sha256="0" * 64)
    with pytest.raises(TraceError, match=f"SHA-256 {served.sha256} where {'0' * 64} is right"):
        fetch(wrong, tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


def test_the_first_fetch_records_an_unknown_checksum(served: Original, tmp_path: Path) -> None:
    path, found = fetch(replace(served, sha256=""), tmp_path)
    path.write_bytes(TEXT + b"2,1,1\n")
    with pytest.raises(TraceError, match=f"where {found} is right; move it away"):
        fetch(replace(served, sha256=""), tmp_path)


def test_without_a_way_to_the_source_it_says_where_to_put_the_file(served: Original, tmp_path: Path) -> None:
    gone = replace(served, url="http://127.0.0.1:9/t.csv")
    with pytest.raises(TraceError, match=rf"cannot be fetched .*put the file of http.*{served.sha256}.* at .*mine.csv"):
        fetch(gone, tmp_path)
    with pytest.raises(TraceError, match="File not found"):
        fetch(replace(served, url=served.url + "x"), tmp_path)


def test_names_in_place_of_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIGAWATT_CACHE", str(tmp_path))
    with pytest.raises(TraceError, match="gigawatt data fetch azure-2023-conv"):
        find_public("azure-2023-conv")
    (tmp_path / original("azure-2023-conv").file).write_bytes(TEXT)
    assert find_public("azure-2023-conv") == tmp_path / "azure-2023-conv.csv"
    (tmp_path / "own.csv").write_bytes(TEXT)
    assert find_public(str(tmp_path / "own.csv")) == tmp_path / "own.csv"
    with pytest.raises(TraceError, match="neither a file nor a public trace"):
        find_public("azure")
    with pytest.raises(TraceError, match="no public trace is called 'azure'"):
        original("azure")
    monkeypatch.delenv("GIGAWATT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "gigawatt"


@pytest.mark.parametrize("one", ORIGINALS, ids=lambda one: one.name)
def test_every_original_says_what_it_is(one: Original) -> None:
    assert one.url.startswith("https://") and one.page.startswith("https://") and one.licence and one.what
    assert len(one.sha256) in (0, 64) and sum(other.file == one.file for other in ORIGINALS) == 1


@pytest.mark.parametrize(
    ("name", "file"),
    [("azure-2023-conv", "azure_llm_2023/AzureLLMInferenceTrace_conv.csv"),
     ("mooncake-conversation", "mooncake/conversation_trace.jsonl")],
)  # fmt: skip
def test_registered_checksums_are_those_of_the_files(name: str, file: str) -> None:
    if not (DATA / file).is_file():
        pytest.skip(f"{file} is not beside the project")
    assert sha256_of(DATA / file) == original(name).sha256
    assert (DATA / file).stat().st_size == original(name).size_bytes
