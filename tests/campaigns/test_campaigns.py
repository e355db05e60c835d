"""Small editions of the campaigns of faults (`benchmarks/faults.py` runs large ones)."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

import llmsynthor as ls
from llmsynthor.llm import models
from llmsynthor.spec.reading.files import save
from tests.campaigns.answers import attack_exchange, attack_readers
from tests.campaigns.commands import BASES, calls, commands
from tests.campaigns.folders import attack_folder
from tests.campaigns.fuzz import CORPUS, TARGETS
from tests.campaigns.mutations import change_bytes, change_json
from tests.campaigns.parsers import attack_parsers
from tests.campaigns.processes import Interrupted, campaign_of_interrupts, campaign_of_kills, paid_twice
from tests.campaigns.servers import MODES, attack_servers

ROOT = Path(__file__).parents[2]
QUICK_MODES = ("402", "length of 10^20")


def test_mutations_follow_the_seed() -> None:
    """The same seed changes the same things, and most changes change something."""
    given = b'{"a": [1, 2, {"b": "text"}], "c": null}'
    one, other = ([change_json(given, Random(seed)) for seed in range(50)] for _ in range(2))
    assert one == other
    assert sum(found != given for found in one) > 40
    assert change_bytes(b"", Random(1)) is not None


def test_changed_bodies_are_read_or_refused() -> None:
    """What a server may answer is an answer or a bad one, never an unforeseen error, and never slow."""
    outcomes, faults = attack_readers(count=1_500, rng=Random(5))
    assert faults == []
    assert outcomes["_read_chat read"] > 100
    assert outcomes["_read_chat refused"] > 500


def test_changed_texts_are_read_or_refused(tmp_path: Path) -> None:
    """Specs, expressions, tables, `read:` blocks and answers changed at random are read, or refused by errors of the house."""
    outcomes, faults = attack_parsers(tmp_path, count=300, rng=Random(5))
    assert faults == []
    assert all(outcomes[f"{name} refused"] for name in ("expression", "answer", "table", "read", "spec"))


def test_changed_exchanges_end_in_errors_of_the_house(monkeypatch: pytest.MonkeyPatch) -> None:
    """Status lines, headers and bodies that were changed at random end as answers or as errors of this package."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-campaign-0123")
    outcomes, faults = attack_exchange(count=40, rng=Random(5))
    assert faults == []
    assert sum(outcomes.values()) - outcomes["over two seconds by the clock"] == 40


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK_MODES else [pytest.mark.slow]) for name in sorted(MODES)]
)
def test_servers_that_do_wrong_end_no_run_badly(
    name: str, spec: ls.Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a server sends in the place of answers, always or every second time, a run ends with a status, without the key."""
    key = "sk-planted-key-4711"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setattr("llmsynthor.llm.patience.FIRST_WAIT", 0.01)
    outcomes, faults = attack_servers(tmp_path, spec, key, modes={name: MODES[name]})
    assert faults == []
    assert sum(outcomes.values()) == 2


@pytest.mark.slow
def test_changed_folders_are_read_or_named(spec: ls.Spec, tmp_path: Path) -> None:
    """A run folder with a file that was changed is read, or one error names it."""
    ls.synthesize(spec, records=50, llm="none", seed=1, out=tmp_path / "made")
    outcomes, faults = attack_folder(tmp_path / "made", tmp_path, count=25, rng=Random(5))
    assert faults == []
    assert sum(outcomes.values()) == 25


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pipes with names, forks")
def test_absurd_values_of_options_end_in_plain_errors(tmp_path: Path) -> None:
    """Each command called with absurd values works or says what is wrong, soon, and leaves its inputs as they were."""
    lines = (
        "import sys",
        "from pathlib import Path",
        "from random import Random",
        "from tests.campaigns.commands import attack_commands",
        "outcomes, faults = attack_commands(Path(sys.argv[1]), count=25, rng=Random(5))",
        "sys.exit(repr(faults) if faults or sum(outcomes.values()) != 25 else 0)",
    )  # in a process of its own, which forks: what other tests have left running would not survive that
    called = subprocess.run(
        [sys.executable, "-c", "\n".join(lines), str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert called.returncode == 0, called.stderr


def test_every_command_has_a_line_to_begin_with() -> None:
    """The campaign of absurd values reaches every command, those added later too."""
    assert {name for name, parameters in commands() if parameters} == set(BASES)
    assert len(list(calls())) > 2_000


@pytest.mark.slow
def test_killed_runs_go_on(spec: ls.Spec, tmp_path: Path) -> None:
    """A run that is killed at a random moment and resumed leaves the bytes of one that was not."""
    path = save(spec, tmp_path / "spec")
    words = ["synthesize", str(path), "--llm", "none", "--records", "50", "--seed", "1"]
    _, faults = campaign_of_kills({"flat": words}, tmp_path, count=2, rng=Random(5))
    assert faults == []


def test_what_was_paid_twice_is_told_from_what_was_under_way() -> None:
    """A question answered once more than in a whole run was paid twice, unless it was asked just before the kill."""
    asked = [("a", 1.0), ("b", 9.9), ("a", 12.0), ("b", 12.0), ("c", 12.0)]
    assert paid_twice(["a", "b", "c"], asked, 10.0) == (["a"], 1)
    assert paid_twice(["a", "a", "b", "b", "c"], asked, 10.0) == ([], 0)


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_interrupts_are_heard(spec: ls.Spec, tmp_path: Path) -> None:
    """Ctrl-C while a model is opened or answers ends the run, with 130 and a status; a busy machine has some seconds for it."""
    models.fetch("smollm2-135m")
    words = ["synthesize", str(save(spec, tmp_path / "spec")), "--llm", "local:smollm2-135m", "--records", "50"]
    runs = {"model": Interrupted(words=words, longest=6.0)}
    _, faults, _ = campaign_of_interrupts(runs, tmp_path, count=3, rng=Random(5), limit=8.0)
    assert faults == []


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_corpus_of_the_fuzzer_is_read_or_refused(name: str) -> None:
    """Every input that is kept for the fuzzer, odd ones among them, is read, or refused by an error of the house."""
    kept = sorted((CORPUS / name).iterdir())
    assert len(kept) > 2
    for file in kept:
        TARGETS[name](file.read_bytes())
