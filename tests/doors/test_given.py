"""Numbers and places on the command line: read as figures are, refused before any work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.doors.inside import called, refused

PERF = ("perf", "llama-70b", "--systems", "h200")


def _usage(*words: str) -> str:
    """The sentence of a call that is refused as it stands, without its frame."""
    code, out, error = called(*words)
    assert code == 2
    assert out == ""
    assert "Traceback" not in error
    return " ".join(line.strip("│ ") for line in error.splitlines() if line.startswith("│"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((*PERF, "--isl", "9" * 400), "is 400 characters long"),
        ((*PERF, "--osl", "1e400"), "'1e400' is not a finite number"),
        ((*PERF, "--osl", "1,5"), "'1,5': a comma parts thousands, as in 1,234; write 1.5, with a decimal point"),
        ((*PERF, "--osl", "1.5"), "1.5 is not a whole number; write for example 28"),
        ((*PERF, "--isl", "0"), "0 is less than 1"),
        ((*PERF, "--prefix-hit", "nan"), "'nan' is not a finite number"),
        ((*PERF, "--prefix-hit", "1.5"), "1.5 is more than 1"),
        (("delays", "starter", "--draws", "٢٠"), "'٢٠' has digits of another script; write 0 to 9"),
        (("delays", "starter", "--site-mean", "9**9**9"), "'9**9**9' does not read as a number"),
        (("tree", "starter", "--time-limit", "inf"), "'inf' is not a finite number; write for example 1.5"),
        (("run", "starter", "--time-limit", "1e400"), "'1e400' is not a finite number; write for example 1.5"),
        (("run", "starter", "--mip-gap", "1e400"), "'1e400' is not a finite number; write for example 0.25 or 25 %"),
    ],
)
def test_a_number_is_a_figure(words: tuple[str, ...], sentence: str) -> None:
    assert sentence in _usage(*words)


def test_ten_thousand_may_be_short() -> None:
    code, out, error = called(*PERF, "--isl", "10k", "--osl", "1,000", "--json")
    assert code == 0, error
    asked = json.loads(out)
    assert (asked["prompt_tokens"], asked["output_tokens"]) == (10_000, 1_000)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((*PERF, "--slo", "ttft=2s,ttft=3s"), "CatalogError: the limit 'ttft' is given twice; write it once, "
         "for example ttft=3s"),
        ((*PERF, "--slo", "ttft=9**9**9 s"), "UnitError: '9**9**9 s' does not read as a number with a unit; "
         "write for example --slo ttft=2s,speed=50,p=99"),
        (("alternatives", "starter", "--within", "0,5%"), "ScenarioError: --within is '0,5%'; "
         "write percentages from 0 to 100, for example 1%,5%"),
        (("speed", "--scales", "nan"), "ScenarioError: --scales is 'nan'; write factors of 0 and more, "
         "for example 0,0.1,1,10"),
        (("tree", "starter", "--gap", "nan"), "ScenarioError: --gap is 'nan'; write a share, for example 0.5% or 0.005"),
        ((*PERF, "--table", "/dev/null"), "OutputError: cannot write to '/dev/null': it is a device; "
         "choose another file"),
        *(((*PERF, option, place), f"OutputError: cannot write to '{place}': it is a stream, not a file; "
           "choose another file") for option in ("--plot", "--table")
          for place in ("/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/../dev/fd/7")),
        (("run", "starter", "--out", "/proc"), "OutputError: cannot write to '/proc': No such file or directory; "
         "choose another folder"),
        (("delays", "starter", "--figure", "."), "OutputError: cannot write to '.': it is a folder; choose another file"),
        (("delays", "starter", "--figure", "nowhere/x.html"), "OutputError: cannot write to 'nowhere/x.html': "
         "there is no folder nowhere; make it or choose another file"),
        (("delays", "starter", "--figure", "x" * 300), f"OutputError: cannot write to '{'x' * 120}...': "
         "File name too long; choose another file"),
        (("run", "starter", "--out", "/dev/null"), "OutputError: cannot write to '/dev/null': it is not a folder; "
         "choose another folder"),
        (("new", "/dev/null"), "OutputError: cannot write to '/dev/null': it is a device; choose another file"),
        (("validate", "../examples/starter"), "ScenarioError: '../examples/starter' is neither a file nor a shipped "
         "scenario; shipped are announcement, low-latency, neocloud, open-tokens, regions, renegotiated, "
         "value-of-speed, and 'gigawatt new my.yaml' starts your own"),
        (("validate", "x" * 300 + ".yaml"), f"ScenarioError: '{'x' * 60}...' is no name of a file: File name too long"),
        (("validate", "/dev/zero"), "ScenarioError: '/dev/zero' is not a file; name the YAML file of a scenario"),
        (("show", "systems", "[/x]"), "CatalogError: no system is called '[/x]'; 'gigawatt show systems' lists them."),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_any_work(words: tuple[str, ...], sentence: str) -> None:
    assert refused(*words) == sentence


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert refused("delays", "starter", "--figure", str(tmp_path / "x.html")).endswith(
        "Permission denied; choose another file"
    )
