"""Public originals of traces: where they are, how they are fetched and checked, and where they are kept."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gigawatt.core.errors import TraceError
from gigawatt.core.reading import is_there, read_bytes
from gigawatt.core.writing import sha256_of, whole_file, write_whole

CHUNK = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A public trace.

    Attributes:
        name: what commands call it.
        what: in a sentence.
        rows: requests, as published; 0 where nothing says.
        licence: SPDX name.
        page: page of the source.
        url: of the file; built from repository, commit and path where it is on GitHub.
        file: name it is kept under.
        sha256: checksum; empty, unknown until the first fetch, which records it beside the file.
        size_bytes: 0 unknown.
    """

    name: str
    what: str
    rows: int
    licence: str
    page: str
    url: str
    file: str
    sha256: str = ""
    size_bytes: int = 0


def github(repository: str, commit: str, path: str) -> str:
    """Address of a file of a repository at a commit."""
    return f"https://github.com/{repository}/raw/{commit}/{path}"


_AZURE = "Azure/AzurePublicDataset"
_AZURE_COMMIT = "790921015d50dd6aae7f7e47f39ba0e235ad6b08"
_AZURE_2024 = "https://azurepublicdatasettraces.blob.core.windows.net/azurellminfererencetrace"
_MOONCAKE = "kvcache-ai/Mooncake"
_BURST = "https://github.com/HPMLL/BurstGPT"

ORIGINALS: tuple[Original, ...] = (
    Original(
        name="azure-2023-conv", what="Azure conversations of an hour, Patel et al. 2024 (Splitwise)", rows=19_366,
        licence="CC-BY-4.0", page=f"https://github.com/{_AZURE}/blob/master/AzureLLMInferenceDataset2023.md",
        url=github(_AZURE, _AZURE_COMMIT, "data/AzureLLMInferenceTrace_conv.csv"), file="azure-2023-conv.csv",
        sha256="2f1e5b666d4e3055fdbba98598ce2ec307767b9064e03e2fa46676dbcc7d0bf8", size_bytes=719_188,
    ),
    Original(
        name="azure-2023-code", what="Azure code completion of the same hour", rows=8_819, licence="CC-BY-4.0",
        page=f"https://github.com/{_AZURE}/blob/master/AzureLLMInferenceDataset2023.md",
        url=github(_AZURE, _AZURE_COMMIT, "data/AzureLLMInferenceTrace_code.csv"), file="azure-2023-code.csv",
    ),
    Original(
        name="azure-2024-conv", what="Azure conversations of a week, Stojkovic et al. 2025 (DynamoLLM)", rows=0,
        licence="CC-BY-4.0", page=f"https://github.com/{_AZURE}/blob/master/AzureLLMInferenceDataset2024.md",
        url=f"{_AZURE_2024}/AzureLLMInferenceTrace_conv_1week.csv", file="azure-2024-conv.csv",
    ),
    Original(
        name="azure-2024-code", what="Azure code completion of a week", rows=0, licence="CC-BY-4.0",
        page=f"https://github.com/{_AZURE}/blob/master/AzureLLMInferenceDataset2024.md",
        url=f"{_AZURE_2024}/AzureLLMInferenceTrace_code_1week.csv", file="azure-2024-code.csv",
    ),
    Original(
        name="mooncake-conversation", what="Kimi conversations with hashed blocks, Qin et al. 2025", rows=12_031,
        licence="Apache-2.0", page=f"https://github.com/{_MOONCAKE}/tree/main/FAST25-release",
        url=github(_MOONCAKE, "3b5a59413395", "FAST25-release/traces/conversation_trace.jsonl"),
        file="mooncake-conversation.jsonl", size_bytes=3_029_533,
        sha256="b8cbb061a85206d729d91cdc2981f43c9e0d99209dce588d3af5f7934408b9df",
    ),
    Original(
        name="mooncake-toolagent", what="Kimi tools and agents with hashed blocks", rows=0, licence="Apache-2.0",
        page=f"https://github.com/{_MOONCAKE}/tree/main/FAST25-release",
        url=github(_MOONCAKE, "3b5a59413395", "FAST25-release/traces/toolagent_trace.jsonl"),
        file="mooncake-toolagent.jsonl",
    ),
    Original(
        name="mooncake-synthetic", what="Mooncake's synthetic mix with hashed blocks", rows=3_993, licence="Apache-2.0",
        page=f"https://github.com/{_MOONCAKE}/tree/main/FAST25-release",
        url=github(_MOONCAKE, "3b5a59413395", "FAST25-release/traces/synthetic_trace.jsonl"),
        file="mooncake-synthetic.jsonl",
    ),
    Original(
        name="servegen", what="rates, bursts and lengths by client of Alibaba Model Studio, Xiang et al. 2025", rows=0,
        licence="Apache-2.0", page="https://github.com/alibaba/ServeGen",
        url="https://github.com/alibaba/ServeGen/archive/f891d1189eb3.tar.gz", file="servegen.tar.gz",
    ),
    Original(
        name="agentic-claude-code", what="coding-agent sessions with hashed blocks, 739 JSON files",
        rows=0, licence="Apache-2.0", page="https://github.com/callanjfox/kv-cache-tester",
        url="https://github.com/callanjfox/kv-cache-tester/archive/94f6046dfd9c.tar.gz", file="kv-cache-tester.tar.gz",
    ),
    Original(
        name="burstgpt", what="BurstGPT, two months without failures, Wang et al. 2024", rows=1_404_300,
        licence="CC-BY-4.0", page=_BURST, url=f"{_BURST}/releases/download/v1.1/BurstGPT_without_fails_1.csv",
        file="burstgpt.csv",
    ),
)  # fmt: skip


def cache_dir() -> Path:
    """Folder of fetched traces: $GIGAWATT_CACHE, else $XDG_CACHE_HOME/gigawatt, else ~/.cache/gigawatt."""
    own, xdg = os.environ.get("GIGAWATT_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own) if own else (Path(xdg) if xdg else Path.home() / ".cache") / "gigawatt"


def original(name: str) -> Original:
    """The registered trace of a name.

    Raises:
        TraceError: none is called so.
    """
    for one in ORIGINALS:
        if one.name == name:
            return one
    raise TraceError(f"no public trace is called '{name}'; known are {', '.join(one.name for one in ORIGINALS)}")


def find_public(name: str) -> Path:
    """The fetched file of a public trace; a path that exists is given back as it is.

    Raises:
        TraceError: an unknown name, or a trace that is not fetched yet: says how.
    """
    if is_there(name):
        return Path(name)
    if not any(one.name == name for one in ORIGINALS):
        known = ", ".join(one.name for one in ORIGINALS)
        shown = name if len(name) <= 80 else f"{name[:77]}..."
        raise TraceError(f"'{shown}' is neither a file nor a public trace; public are {known}")
    path = cache_dir() / original(name).file
    if not path.is_file():
        raise TraceError(
            f"{name} is not here yet; 'gigawatt data fetch {name}' brings it, or {by_hand(original(name))}"
        )
    return path


def unchanged(name: str) -> Path:
    """``find_public``, and the file of a public trace is what its source gives, by its SHA-256 where one is known.

    Raises:
        TraceError: likewise, or a file that has changed or was cut short.
    """
    path = find_public(name)
    return path if is_there(name) else checked(original(name))


def checked(one: Original) -> Path:
    """The file of a public trace that is here. Raises TraceError where it is not what its source gives."""
    path = cache_dir() / one.file
    try:
        _compare(path, sha256_of(path), _wanted(one, path), "move it away and fetch it again")
    except OSError as error:
        raise TraceError(f"{path} cannot be read: {error.strerror}") from error
    return path


def by_hand(one: Original, folder: Path | None = None) -> str:
    """Half a sentence: where to put a file that was fetched in another way, and what it must be."""
    check = f"with SHA-256 {one.sha256}" if one.sha256 else "whose SHA-256 is not recorded"
    return f"put the file of {one.url} ({check}) at {(folder or cache_dir()) / one.file}"


def _wanted(one: Original, path: Path) -> str:
    """SHA-256 a file of the cache must have: the registered one, or that of its first fetch; empty where neither is."""
    recorded = path.with_name(f"{path.name}.sha256")
    if one.sha256 or not recorded.is_file():
        return one.sha256
    words = read_bytes(recorded).decode(errors="replace").split()
    if not words or len(words[0]) != 64:
        raise TraceError(f"{recorded} holds no SHA-256; move it and {path.name} away and fetch the trace again")
    return words[0]


def fetch(
    one: Original, folder: Path | None = None, *, advance: Callable[[int, int], None] | None = None
) -> tuple[Path, str]:
    """(path, SHA-256) of a trace, downloaded unless it is there; the file appears whole or not at all.

    Args:
        one: what to fetch.
        folder: where to; the cache without.
        advance: told bytes so far and bytes in all, 0 where unknown.

    Raises:
        TraceError: no way to the source, or a checksum that differs from the registered or recorded one.
    """
    folder = folder or cache_dir()
    path = folder / one.file
    recorded = folder / f"{one.file}.sha256"
    try:
        wanted = _wanted(one, path)
        if path.is_file():
            found = sha256_of(path)
            _compare(path, found, wanted, "move it away to fetch it again")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as part:
                found = _download(one.url, part, advance)
                _compare(path, found, wanted, "nothing was kept; the source may have changed")
        if not recorded.is_file():
            write_whole(recorded, f"{found}  {one.file}\n")
    except urllib.error.URLError as error:
        raise TraceError(f"{one.name} cannot be fetched ({error.reason}); {by_hand(one, folder)}") from error
    except OSError as error:
        raise TraceError(
            f"{one.name} cannot be fetched or kept in {folder} ({error}); {by_hand(one, folder)}"
        ) from error
    return path, found


def _compare(path: Path, found: str, wanted: str, then: str) -> None:
    if wanted and found != wanted:
        raise TraceError(f"{path} has SHA-256 {found} where {wanted} is right; {then}")


def _download(url: str, path: Path, advance: Callable[[int, int], None] | None) -> str:
    digest, done = hashlib.sha256(), 0
    with urllib.request.urlopen(url, timeout=30.0) as answer, path.open("wb") as file:
        total = int(answer.headers.get("Content-Length") or 0)
        while block := answer.read(CHUNK):
            digest.update(block)
            file.write(block)
            done += len(block)
            if advance:
                advance(done, total)
    if total and done != total:
        raise urllib.error.URLError(f"the connection ended after {done:,} of {total:,} bytes")
    return digest.hexdigest()
