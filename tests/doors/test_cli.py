"""The command line as people and scripts meet it: what is printed, where, and with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gigawatt.catalog.load import load_catalog
from gigawatt.study.scenario import bundled
from tests.doors.inside import gigawatt, refused

CLAIM_KEYS = ["id", "statement", "announced", "low", "central", "high", "unit", "reading", "verdict", "sources"]


def of_its_own(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gigawatt", *words], capture_output=True, text=True, cwd=cwd, check=False, timeout=300
    )


def test_a_process_of_its_own_is_told_the_same() -> None:
    words = ("perf", "llama-70b", "--objective", "love")
    done = of_its_own(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == refused(*words)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a starter scenario, planned once."""
    folder = tmp_path_factory.mktemp("company")
    assert gigawatt("new", "my.yaml", cwd=folder).returncode == 0
    done = gigawatt("run", "my.yaml", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "out.json").write_text(done.stdout)
    return folder


def test_run_prints_json_alone_and_writes_its_folder(made: Path) -> None:
    figures = json.loads((made / "out.json").read_text())
    for key in ("scenario", "objective_usd", "gw_by_quarter", "gw_by_vendor", "n_packages", "n_dies", "capex_usd",
                "tranches_usd", "cost_per_mtok_usd", "low_latency_share", "unmet_share", "solve_s", "wall_s"):  # fmt: skip
        assert key in figures
    folder = made / figures["run"]
    for name in ("plan.nc", "cash.parquet", "manifest.json", "sources.bib", "report.html"):
        assert (folder / name).stat().st_size > 100
    assert folder.name.startswith("starter-")


def test_run_again_gives_the_same_hash_and_numbers(made: Path) -> None:
    first, again = (
        json.loads((made / "out.json").read_text()),
        json.loads(of_its_own("run", "my.yaml", "--json", cwd=made).stdout),
    )
    for timing in ("solve_s", "build_s", "wall_s"):
        first.pop(timing), again.pop(timing)
    assert first == again


def test_run_says_where_the_report_is(made: Path) -> None:
    done = gigawatt("run", "my.yaml", cwd=made)
    assert done.returncode == 0
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("Report: ")
    assert Path(last.removeprefix("Report: ")).is_file()
    assert "solving" in done.stderr


def test_cite_prints_what_a_run_rests_on(made: Path) -> None:
    run = json.loads((made / "out.json").read_text())["run"]
    text = gigawatt("cite", run, cwd=made).stdout
    assert text.lower().index("judgement") < text.lower().index("source")
    assert gigawatt("cite", run, "--bibtex", cwd=made).stdout.startswith("@misc{")
    assert refused("cite", "nowhere", cwd=made) == (
        "ScenarioError: nowhere is not the folder of a run: it has no cite.txt; 'gigawatt run NAME' writes one"
    )


def test_new_does_not_overwrite(made: Path) -> None:
    before = (made / "my.yaml").read_text()
    assert (
        refused("new", "my.yaml", cwd=made) == "ScenarioError: my.yaml exists and is left as it is; choose another name"
    )
    assert (made / "my.yaml").read_text() == before


def test_validate_says_what_is_wrong(made: Path) -> None:
    assert gigawatt("validate", "my.yaml", cwd=made).stdout.startswith("my.yaml is sound: 8 quarters from 2027Q1")
    (made / "broken.yaml").write_text((made / "my.yaml").read_text().replace("horizon:", "horizn:"))
    assert (
        "horizn: is not a key that exists here; did you mean 'horizon'?"
        in gigawatt("validate", "broken.yaml", cwd=made).stderr
    )


def test_infeasible_names_the_families(made: Path) -> None:
    big = "commitments: [{id: big, vendor: nvidia, systems: [hgx-b200], by: [{quarter: 2028Q4, value: 9 MW}]}]\nsupply:"
    (made / "big.yaml").write_text((made / "my.yaml").read_text().replace("supply:", big))
    done = gigawatt("run", "big.yaml", cwd=made)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    # 5 MW of hall, and 600 packages a quarter for the 9 MW in time: supply alone does not help, both together do
    assert "vendor supply and commitments cannot all hold" in lines[-4]
    assert lines[-3] == "  commitments (big, 2028Q4): give way by 4 MW, from 9"
    assert lines[-2] == "  not by vendor supply alone, however much it gives way"
    assert lines[-1].startswith(
        "  or with commitments kept: energised connections (hall, 2028Q2 to 2028Q4): give way by 4 MW of facility power, "
        "from 5; vendor supply (nvidia:hgx-b200, 2027Q3 to 2028Q4): give way by "
    )


@pytest.mark.parametrize("what", ["systems", "models", "workloads", "sites", "deals", "providers"])
def test_show_lists_every_entry(what: str) -> None:
    rows = json.loads(gigawatt("show", what, "--json").stdout)
    text = gigawatt("show", what).stdout
    assert {row["id"] for row in rows} == set(load_catalog().entries[what])
    assert all(row["id"] in text for row in rows)


def test_show_one_resolves_aliases_and_cites() -> None:
    text = gigawatt("show", "systems", "nvl144").stdout
    assert "NVIDIA Vera Rubin NVL72" in text
    assert "22 TB/s" in text
    assert "imgtag" in text
    assert "performance undisclosed" in gigawatt("show", "systems", "jalapeno").stdout


def test_show_scenarios() -> None:
    text = gigawatt("show", "scenarios").stdout
    assert [line.split()[0] for line in text.splitlines()] == bundled()


def test_wrong_names_get_the_nearest() -> None:
    assert (
        refused("show", "systems", "h10")
        == "CatalogError: no system is called 'h10'; did you mean hgx-h100 or hgx-h200?"
    )
    assert refused("show", "sistems").startswith(
        "CatalogError: 'sistems' is not part of the catalogue; it holds systems, "
    )
    assert refused("run", "anouncement").startswith(
        "ScenarioError: 'anouncement' is neither a file nor a shipped scenario"
    )


def test_compare_json_holds_ratios() -> None:
    rows = json.loads(gigawatt("compare", "vr200", "gb300", "jalapeno", "--json").stdout)
    assert [row["id"] for row in rows] == ["vr-nvl72", "gb300-nvl72", "jalapeno"]
    assert rows[2]["refusal"].startswith("performance undisclosed")


def test_claims_json_has_exactly_its_keys() -> None:
    done = gigawatt("claims", "neocloud", "--json")
    rows = json.loads(done.stdout)
    assert all(list(row) == CLAIM_KEYS for row in rows)
    assert len({one for row in rows for one in row["id"].split(", ")}) == 123


def test_a_run_leaves_claims_alone(tmp_path: Path) -> None:
    """A company's plan does not even load what checks the articles' statements."""
    code = (
        "import sys; from gigawatt.cli.app import app; app(['run', 'neocloud', '--json'], standalone_mode=False)\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    loaded = done.stderr.splitlines()[-1].split()
    assert "gigawatt.report.html" in loaded
    assert not [name for name in loaded if name.startswith("gigawatt.report.claims")]
    folder = tmp_path / json.loads(done.stdout)["run"]
    assert not (folder / "claims.json").exists()
    assert 'id="claims"' not in (folder / "report.html").read_text(encoding="utf-8")


def test_claims_are_in_a_report_where_they_are_asked_for(made: Path) -> None:
    text = (made / "my.yaml").read_text().replace("buyer: example-neocloud", "buyer: openai")
    (made / "lab.yaml").write_text(text)
    done = gigawatt("run", "lab.yaml", "--claims", "--json", cwd=made)
    assert done.returncode == 0, done.stderr
    folder = made / json.loads(done.stdout)["run"]
    rows = json.loads((folder / "claims.json").read_text())
    assert all(list(row) == CLAIM_KEYS for row in rows)
    assert 'id="claims"' in (folder / "report.html").read_text(encoding="utf-8")
    assert refused("run", "my.yaml", "--claims", cwd=made) == (
        "ScenarioError: my.yaml: --claims is about the programme of openai, and the buyer here is example-neocloud; "
        "leave it out, or 'gigawatt claims' with this scenario says which statements it can be held to"
    )


def test_schema_is_json() -> None:
    assert json.loads(gigawatt("schema").stdout)["title"] == "Scenario"


def test_version_and_help() -> None:
    assert gigawatt("--version").stdout.startswith("gigawatt 0.")
    assert "claims" in gigawatt("--help").stdout


def test_import_is_light() -> None:
    """``import gigawatt`` loads nothing but Python's own and the version (its time is in ``make bench``)."""
    code = "import sys; before = set(sys.modules); import gigawatt; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names} == {
        "gigawatt", "gigawatt.__about__",
    }  # fmt: skip


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("run", "--help"), ("tree", "--help")], ids=" ".join)
def test_help_loads_no_engine(words: tuple[str, ...]) -> None:
    heavy = {"numpy", "xarray", "pandas", "plotly", "highspy", "scipy", "numba", "pyarrow", "yaml"}
    code = (
        "import sys; from gigawatt.cli.app import app\n"
        f"try: app({list(words)}, standalone_mode=False)\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert heavy.isdisjoint(done.stderr.splitlines()[-1].split())


def test_lumps_and_short_views_at_the_door(tmp_path: Path) -> None:
    short = gigawatt("run", "neocloud", "--look-ahead", "3", "--out", str(tmp_path))
    assert short.returncode == 2
    assert "'--look-ahead': 3 is less than 4" in short.stderr
    both = refused("run", "neocloud", "--look-ahead", "8", "--simulate", "2027Q4", "--out", str(tmp_path))
    assert "--look-ahead and --simulate are two studies: run them one after the other" in both
    done = gigawatt("run", "neocloud", "--lumps", "--mip-gap", "0.02", "--out", str(tmp_path), "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["bound_usd"] <= found["objective_usd"] * (1 + 1e-9)
    assert {row["item"] for row in found["orders"] if row["before_start"] and row["kind"] == "site"} == {
        "substation-transformer"
    }
