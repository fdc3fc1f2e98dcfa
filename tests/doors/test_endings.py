"""Commands that are stopped, killed, or lose a worker: exit code, one sentence, and nothing left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gigawatt.cli.door import DEBUG
from gigawatt.cli.stops import Stop, stoppable
from gigawatt.plan import recourse
from gigawatt.study.replay import _stoppable
from tests.cases.trees import opened, three_stages
from tests.doors.inside import called
from tests.doors.processes import SIGNALS, Command, ran, session
from tests.unit.plan.test_tree import extensive

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sessions are read from /proc")

TREE = ("tree", "neocloud", "--branches", "2027Q4", "--gap", "0%", "--regret", "0", "--json")


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """The starter scenario, in a folder of its own."""
    assert called("new", "s.yaml", cwd=tmp_path)[0] == 0
    return tmp_path


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: signal.Signals(number).name)
def test_a_run_that_is_stopped_leaves_no_folder(scenario: Path, number: signal.Signals) -> None:
    command = Command.begun("run", "s.yaml", cwd=scenario).says("drawing the report")
    code, sentence = SIGNALS[number]
    assert command.get(number) == code
    assert command.text.strip().splitlines()[-1] == sentence and "Traceback" not in command.text
    assert list((scenario / "runs").iterdir()) == [] and command.out == ""


def test_a_search_that_is_stopped_prints_what_it_has(tmp_path: Path) -> None:
    command = Command.begun(*TREE, cwd=tmp_path).says("round 1:")
    assert command.get(signal.SIGINT, group=True) == 130
    assert "Stopped: " in command.text.splitlines()[-1] and "Traceback" not in command.text
    assert json.loads(command.out)["upper_usd"] > 0.0 and command.alone()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=["kill", "term", "hup"])
def test_no_worker_outlives_its_parent(tmp_path: Path, number: int) -> None:
    command = Command.begun(*TREE, cwd=tmp_path).says("planning the central case")
    workers = [line for line in session(command.process.pid).values() if "spawn_main" in line]
    assert len(workers) == 2
    assert command.get(number) in (-9, 143, 129) and command.alone()
    assert "Traceback" not in command.text


def test_a_worker_that_is_killed_is_named_and_replaced(capfd: pytest.CaptureFixture[str]) -> None:
    whole = extensive(three_stages(lead=1, late=1))
    with opened(whole) as search:
        one = search.run(gap=1e-8)
    crew = recourse.Processes(2)
    with opened(whole, executor=crew) as search:
        search.foresee()
        os.kill(crew._running[1].pid, signal.SIGKILL)
        two = search.run(gap=1e-8)
    assert two.upper == pytest.approx(one.upper, rel=1e-6) and two.ended == "gap"
    said = capfd.readouterr().err
    leaves = len(whole.leaves) // 2
    assert f"worker 2 of 2 was ended by SIGKILL (lack of memory, perhaps): its {leaves} cases are planned again" in said


def test_workers_that_end_again_and_again_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = recourse.Processes(1)
    send = recourse.Processes._send

    def killed(self: recourse.Processes, number: int, what: str, parts: object) -> None:
        os.kill(self._running[number].pid, signal.SIGKILL)
        self._running[number].join()
        send(self, number, what, parts)  # type: ignore[arg-type]

    monkeypatch.setattr(recourse.Processes, "_send", killed)
    with (
        opened(extensive(three_stages(lead=1, late=1)), executor=crew) as search,
        pytest.raises(recourse.SolverError, match=r"worker 1 of 1 was ended by SIGKILL .* as 3 before it"),
    ):
        search.foresee()


def test_what_nobody_expected_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero\nand more")

    monkeypatch.setattr("gigawatt.catalog.load.load_catalog", broken)
    code, out, error = called("show", "systems")
    assert (code, out) == (1, "") and error.count("\n") == 1
    assert error.startswith("InternalError: gigawatt did not expect this (ZeroDivisionError: division by zero). ")
    assert f"{DEBUG}=1" in error
    monkeypatch.setenv(DEBUG, "1")
    assert "Traceback (most recent call last)" in called("show", "systems")[2]


def test_a_signal_is_counted_once_with_its_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("gigawatt.cli.stops.time.monotonic", lambda: clock[0])
    stop = Stop()
    assert stop.nth(signal.SIGTERM) == 1
    clock[0] = 100.2  # a shell sends it to the process, a terminal to its group
    assert stop.nth(signal.SIGINT) == 0
    clock[0] = 100.5
    assert stop.nth(signal.SIGINT) == 2 and stop.number == signal.SIGTERM
    assert stop.sentence == SIGNALS[signal.SIGTERM][1]


def test_a_replay_stops_between_two_instants_at_any_signal_that_is_answered() -> None:
    with stoppable() as stop:
        with _stoppable() as is_stopped:
            assert not is_stopped()
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)  # its echo
            assert is_stopped()
        assert callable(signal.getsignal(signal.SIGTERM))
    assert stop.number == signal.SIGTERM and not callable(signal.getsignal(signal.SIGTERM))


# --- heavy


@pytest.mark.heavy
def test_a_hundred_kills_leave_the_old_run_or_the_new(scenario: Path) -> None:
    """Kills at random moments from the first word of writing on; whatever stands is whole, and what is left goes."""
    draw = random.Random(7)
    assert ran("run", "s.yaml", cwd=scenario).returncode == 0
    (folder,) = (scenario / "runs").iterdir()
    manifests = {(folder / "manifest.json").read_bytes()}
    for k in range(100):
        command = Command.begun("run", "s.yaml", cwd=scenario).says("writing the run")
        try:
            command.process.wait(draw.uniform(0.0, 1.5))
        except subprocess.TimeoutExpired:  # still at work: the case
            command.get(signal.SIGKILL)
        code, _, error = called("cite", str(folder))
        assert code == 0, (k, error)
        manifests.add((folder / "manifest.json").read_bytes())
    assert ran("run", "s.yaml", cwd=scenario).returncode == 0
    assert [path.name for path in (scenario / "runs").iterdir()] == [folder.name] and len(manifests) > 1


@pytest.mark.heavy
@pytest.mark.parametrize("n", [2, 3, 4])
def test_runs_into_one_folder_at_once_end_whole(scenario: Path, n: int) -> None:
    for _ in range(5):
        commands = [Command.begun("run", "s.yaml", cwd=scenario) for _ in range(n)]
        assert [command.process.wait(240) for command in commands] == [0] * n
        (folder,) = (scenario / "runs").iterdir()
        assert called("cite", str(folder))[0] == 0


@pytest.mark.heavy
@pytest.mark.parametrize("words", [TREE, ("run", "s.yaml"), ("delays", "s.yaml"), ("alternatives", "s.yaml")])
def test_stopped_at_any_moment(scenario: Path, words: tuple[str, ...]) -> None:
    """After the first fifth of a second, in which Python itself starts."""
    draw = random.Random(11)
    for _ in range(10):
        command = Command.begun(*words, cwd=scenario)
        try:
            assert command.process.wait(draw.uniform(0.2, 4.0)) == 0
        except subprocess.TimeoutExpired:  # still at work: the case
            assert command.get(signal.SIGINT, group=True) == 130, command.text
            assert "topped" in command.text
        assert "Traceback" not in command.text and command.alone()


def test_the_last_word_needs_no_memory(tmp_path: Path) -> None:
    """Where not even a sentence can be made any more, the one made at the start is written."""
    code = """
        import sys
        from gigawatt.cli import door
        def none(*_): raise MemoryError
        door._said = none
        door._called = none
        door.program()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("; ask for less at once or allow more") and "Traceback" not in done.stderr
