"""The folder of a run: sealed by its manifest, refused where a file of it is not what the run wrote."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from gigawatt.core.errors import ScenarioError
from gigawatt.study.results import FILES, Results, read_manifest, save, seal
from tests.doors.inside import called, refused

PAGES = {"claims.json": lambda: "[]\n", "cite.txt": lambda: "it rests on this\n"}


@pytest.fixture
def folder(neocloud: Results, tmp_path: Path) -> Path:
    """A saved run."""
    return save(neocloud, tmp_path, PAGES)


def test_a_saved_run_is_whole(neocloud: Results, folder: Path) -> None:
    told = read_manifest(folder)
    assert set(told["files"]) == {"plan.nc", "cash.parquet", "sources.bib", "claims.json", "cite.txt"} < set(FILES)
    assert told["files"]["claims.json"]["bytes"] == 3 and told["hash"] == neocloud.hash
    assert called("cite", str(folder)) == (0, "it rests on this\n", "")


@pytest.mark.parametrize("name", ["plan.nc", "cash.parquet", "sources.bib", "claims.json"])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for changed in (content[:-1], content + b"x", b"X" + content[1:]):
        (folder / name).write_bytes(changed)
        assert refused("cite", str(folder)) == (
            f"ScenarioError: {folder} is not whole: {name} is not what the run wrote; run the scenario again: "
            "'gigawatt run NAME' writes it anew"
        )
    (folder / name).unlink()
    assert f"is not whole: {name} is missing; run the scenario again" in refused("cite", str(folder))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (lambda text: text[:-40], "manifest.json is damaged"),
        (lambda _: "[]", "manifest.json is damaged"),
        (lambda _: "", "manifest.json is damaged"),
        (lambda text: text.replace('"seed": 0', '"seed": 1'), "manifest.json is damaged"),
        (lambda text: re.sub(r' "files": \{.*?\n \},\n', "", text, flags=re.S), "does not say which files belong"),
        (lambda text: re.sub(r',\n "checksum": "\w+"', "", text), "does not say which files belong"),
    ],
)
def test_a_manifest_of_another_run_is_refused(folder: Path, text: object, sentence: str) -> None:
    path = folder / "manifest.json"
    now = text(path.read_text(encoding="utf-8"))  # type: ignore[operator]
    assert now != path.read_text(encoding="utf-8")
    path.write_text(now, encoding="utf-8")
    with pytest.raises(ScenarioError, match=sentence):
        read_manifest(folder)


def test_a_folder_without_a_manifest_is_no_run(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    assert "is not the folder of a whole run: it has no manifest.json" in refused("cite", str(folder))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have names where the system gives them")
def test_a_manifest_that_is_a_pipe_is_not_waited_for(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    assert refused("cite", str(folder)) == (
        f"ScenarioError: {folder}: manifest.json cannot be read: it is a pipe, not a file; run the scenario again: "
        "'gigawatt run NAME' writes it anew"
    )


def test_a_page_that_fails_leaves_the_old_run(neocloud: Results, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def broken() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(neocloud, folder.parent, {"claims.json": lambda: "[1]\n", "cite.txt": broken})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_is_not_of_the_run_stays(neocloud: Results, folder: Path) -> None:
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "x").write_text("mine too", encoding="utf-8")
    (folder / "report.html").write_text("of an older run", encoding="utf-8")
    assert save(neocloud, folder.parent, PAGES) == folder
    assert (folder / "notes.txt").read_text() == "mine" and (folder / "deep" / "er" / "x").read_text() == "mine too"
    assert not (folder / "report.html").exists() and called("cite", str(folder))[0] == 0


def test_a_place_that_is_a_file_is_refused(neocloud: Results, tmp_path: Path) -> None:
    (tmp_path / neocloud.folder_name).write_text("a file", encoding="utf-8")
    sentence = re.escape(f"cannot write the run to {tmp_path / neocloud.folder_name}: Not a directory; choose another")
    with pytest.raises(ScenarioError, match=sentence):
        save(neocloud, tmp_path)
    with pytest.raises(ScenarioError, match="Not a directory; choose another --out"):
        save(neocloud, tmp_path / neocloud.folder_name / "deep")


def test_a_seal_counts_bytes_and_digests(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    seal(tmp_path, {"x": 1})
    # printf abc | sha256sum
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    told = json.loads((tmp_path / "manifest.json").read_text())
    assert told["files"] == {"a": {"bytes": 3, "sha256": digest}} and read_manifest(tmp_path)["x"] == 1
