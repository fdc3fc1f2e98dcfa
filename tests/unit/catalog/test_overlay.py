"""Overlays: entries obey the laws of shipped ones, and what would never be read is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from gigawatt.catalog.load import DATA, load_catalog
from gigawatt.catalog.reading import read_yaml
from gigawatt.core.errors import CatalogError


def _shipped(folder: str, name: str) -> dict[str, Any]:
    """Rows of an entry as they stand in the file."""
    files = (read_yaml(path) for path in sorted((DATA / folder).glob("*.yaml")))
    rows = (row for rows in files for row in (rows if isinstance(rows, list) else [rows]))
    return dict(next(row for row in rows if row["id"] == name))


def _with(row: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The entry with one figure of its own."""
    first, _, rest = path.partition(".")
    return row | {first: _with(row[first], rest, value) if rest else value}


def _own(value: str) -> dict[str, str]:
    return {"value": value, "source": "recalled", "kind": "press", "as_of": "2026"}


def _refusal(overlay: Path, files: dict[str, Any]) -> str:
    for name, content in files.items():
        path = overlay / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True)
        path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError) as caught:
        load_catalog(overlay)
    return str(caught.value)


@pytest.mark.parametrize(
    ("folder", "name", "path", "value", "sentence"),
    [
        ("systems", "hgx-b200", "n_packages", _own("0"), "n_packages: 0 cannot be; write 1 to 1 million"),
        ("systems", "hgx-b200", "package.n_dies", _own("1.5"),
         "package.n_dies: 1.5 is no whole number; write for example 2"),
        ("systems", "hgx-b200", "package.power", _own("0.1 W"), "package.power: 0.1 W cannot be; write 10 W to 10 MW"),
        ("systems", "hgx-b200", "price", _own("1 USD"), "price: $1 cannot be; write $1k to $1T"),
        ("systems", "hgx-b200", "price", _own("$400k") | {"as_of": -2026},
         "price: as_of is '-2026'; write a year from 1900 to 2199, perhaps with its month"),
        ("systems", "hgx-b200", "price", _own("$400k") | {"as_of": "2026-13"},
         "price: as_of is '2026-13'; write a year from 1900 to 2199, perhaps with its month"),
        ("efficiency", "efficiency-2026", "draft_tokens", _own("0.5"),
         "draft_tokens: 0.5 is no whole number; write for example 1"),
        ("efficiency", "efficiency-2026", "draft_tokens", _own("1000"), "draft_tokens: 1,000 cannot be; write 0 to 64"),
        ("efficiency", "efficiency-2026", "software_by_vendor.amd", _own("100"),
         "software_by_vendor.amd: 100 cannot be; write 0.001 to 1.25"),
        ("systems", "hgx-b200", "n_packages", _own("-8"), "n_packages: -8 cannot be; write 1 to 1 million"),
        ("systems", "hgx-b200", "package.peak.dense.bf16", _own("-1 PFLOP/s"),
         "package.peak.dense.bf16: -1 PFLOP/s cannot be; write 1 GFLOP/s to 1,000 EFLOP/s"),
        ("systems", "hgx-b200", "package.memory", _own("-5 GB"),
         "package.memory: -5 GB cannot be; write 1 MB to 10 PB"),
        ("systems", "hgx-b200", "package.memory", None,
         "package: a system of kind gpu needs memory and memory_bandwidth"),
        ("systems", "hgx-b200", "package.memory_bandwidth", _own("0 TB/s"),
         "package.memory_bandwidth: 0 B/s cannot be; write 100 MB/s to 100 PB/s"),
        ("systems", "hgx-b200", "package.power", _own("0 kW"), "package.power: 0 W cannot be; write 10 W to 10 MW"),
        ("systems", "hgx-b200", "package.power", _own("-5 kW"), "package.power: -5 kW cannot be; write 10 W to 10 MW"),
        ("systems", "hgx-b200", "package.power", _own("900 kW"),
         "it_power: 14.3 kW is less than 8 packages of 900 kW"),
        ("systems", "hgx-b200", "package.scale_out_bandwidth", _own("50 TB/s"),
         "package.scale_out_bandwidth: 50 TB/s is more than the 1.8 TB/s of scale_up_bandwidth; "
         "memory gets slower outwards"),
        ("models", "gpt-oss-120b", "params_active", _own("1e15"),
         "params_active: 1000000000000000.0 is more than the 116.8 B of params_total"),
        ("models", "gpt-oss-120b", "architecture.n_kv_heads", 7,
         "architecture.n_kv_heads: 7 does not divide the 64 heads"),
        ("models", "gpt-oss-120b", "architecture.n_layers", 0,
         "architecture.n_layers: Input should be greater than or equal to 1"),
        ("workloads", "open-chat-70b", "prefix_hit", _own("5"), "prefix_hit: 5 cannot be; write 0 to 1"),
        ("workloads", "open-chat-70b", "output_tokens", _own("0 tokens"),
         "output_tokens: 0 tok cannot be; write 1 tok to 1 Gtok"),
        ("costs", "us-2026", "load_factor", _own("0"), "load_factor: 0 cannot be; write 0.001 to 1"),
        ("efficiency", "efficiency-2026", "headroom", _own("1"), "headroom: 1 cannot be; write 0 to 0.99"),
        ("calibration", "inference-2026", "rows", -1, "rows: Input should be greater than or equal to 0"),
    ],
)  # fmt: skip
def test_an_entry_obeys_the_laws(tmp_path: Path, folder: str, name: str, path: str, value: Any, sentence: str) -> None:
    said = _refusal(tmp_path, {f"{folder}/x.yaml": _with(_shipped(folder, name), path, value)})
    assert said == f"x.yaml: {name}: {sentence}"


SOURCES = "sources are a mapping, key: {title: ..., site: ..., date: ...}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1, 2]", SOURCES),
        ("", SOURCES),
        ("5", SOURCES),
        ("a: 5", "'a' is 5; write {title: ..., site: ..., date: ...}"),
        ("a: ~", "'a' is None; write {title: ..., site: ..., date: ...}"),
        ("a: {title: x, site: y, date: z, foo: 1}", "'a': foo: is not a key that exists here"),
        ("a: {key: b, title: x, site: y, date: z}", "'a' has a key 'key'; its name is its key, drop it"),
        ("5: {title: x, site: y}", "'5': date: Field required"),
        ("a: {title: x, site: y, date: 2026}", "'a': date: 2026 is not text; put it in quotes"),
    ],
)
def test_sources_of_another_form_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    assert _refusal(tmp_path, {"sources.yaml": text}) == f"sources.yaml: {sentence}"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("systems/x.yml", "x.yml: would not be read; the entries of systems are files NAME.yaml in it"),
        ("systems/x.json", "x.json: would not be read; the entries of systems are files NAME.yaml in it"),
        ("systems/deep/x.yaml", "deep: would not be read; the entries of systems are files NAME.yaml in it"),
        ("systems/x.yaml/y.yaml", "x.yaml: would not be read; the entries of systems are files NAME.yaml in it"),
        ("x.yaml", "x.yaml: would not be read; put it into a folder of its kind: it has systems, "),
        ("system/x.yaml", "system: the catalogue has no such folder; it has systems, "),
    ],
)
def test_what_would_never_be_read_is_named(tmp_path: Path, name: str, sentence: str) -> None:
    said = _refusal(tmp_path, {name: _shipped("systems", "hgx-b200")})
    assert sentence in said
    assert said.startswith(f"{tmp_path}/")


def test_a_note_beside_the_entries_is_no_entry(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("ours")
    (tmp_path / ".git").mkdir()
    assert load_catalog(tmp_path).overlaid == ()


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.BaseLoader])
def test_an_entry_written_again_by_another_tool_is_the_same(tmp_path: Path, loader: type) -> None:
    """With every word as text, too: conflicting figures keep the one that was chosen."""
    rows = yaml.load((DATA / "systems" / "nvidia-hgx.yaml").read_text(encoding="utf-8"), Loader=loader)
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "again.yaml").write_text(yaml.dump(rows, allow_unicode=True), encoding="utf-8")
    again, shipped = load_catalog(tmp_path), load_catalog()
    assert "systems/hgx-b200" in again.overlaid
    package, own = again.system("hgx-b200").package, shipped.system("hgx-b200").package
    assert package
    assert own
    assert package.memory
    assert own.memory
    assert (package.memory.value, len(package.memory.alternatives)) == (own.memory.value, len(own.memory.alternatives))


def test_a_pipe_is_no_entry(tmp_path: Path) -> None:
    (tmp_path / "systems").mkdir()
    os.mkfifo(tmp_path / "systems" / "x.yaml")
    assert _refusal(tmp_path, {}) == f"{tmp_path / 'systems' / 'x.yaml'}: is a pipe or a device; an entry is a file"


def test_a_name_that_another_entry_has_is_named_with_both_files(tmp_path: Path) -> None:
    entry = _shipped("systems", "hgx-b200") | {"id": "my-box", "name": "hgx-b200", "aliases": []}
    assert _refusal(tmp_path, {"systems/x.yaml": entry}) == (
        "x.yaml: my-box: the name 'hgx-b200' is that of hgx-b200 in nvidia-hgx.yaml too; write another"
    )
