"""The command line: quick, clear, with the exit codes of the contract."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import pytest

from llmsynthor.cli.commands import main
from llmsynthor.llm import models
from llmsynthor.spec.reading.files import save
from llmsynthor.spec.specification import Spec

COMMAND = [sys.executable, "-m", "llmsynthor"]


def call(*words: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run([*COMMAND, *map(str, words)], capture_output=True, text=True, check=False, env=given)


def answer(*words: Any) -> subprocess.CompletedProcess[str]:
    """What the command line answers, asked in this process: for what needs no start of its own."""
    out, err = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["llmsynthor", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
    code = ended.value.code
    return subprocess.CompletedProcess(words, code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())


@pytest.fixture
def spec_file(document: Any, tmp_path: Path) -> Path:
    return save(Spec.load(document), tmp_path / "spec")


def test_help_is_quick() -> None:
    """--help costs less than 0.3 s of processor time (median of five)."""
    costs = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert call("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert median(costs) < 0.3


def test_import_is_light() -> None:
    """Importing the package and its command line loads nothing heavy."""
    heavy = ["numba", "polars", "pandas", "scipy", "httpx", "xllamacpp", "vl_convert", "jsonschema", "numpy"]
    code = f"import sys, llmsynthor, llmsynthor.cli.commands; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_run_loads_no_solver_that_it_does_not_need(tmp_path: Path) -> None:
    """Flat records whose rules some record keeps are made without programs, the engine of nested records or statistics."""
    code = (
        "import sys, llmsynthor; llmsynthor.synthesize('examples/quickstart', records=200, llm='none', progress=False); "
        "print([m for m in sys.modules if m in ('scipy.sparse', 'scipy.optimize', 'scipy.special', 'scipy.stats') "
        "or m.startswith('llmsynthor.alignment.trees.')])"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert result.stdout.strip() == "[]"


@pytest.mark.slow
def test_whole_tour(spec_file: Path, tmp_path: Path) -> None:
    """check, synthesize, evaluate, measure and report work one after another, a line a stage where nobody watches."""
    out = tmp_path / "out"
    checked = answer("check", spec_file)
    assert checked.returncode == 0
    assert "Expected LLM calls: at most" in checked.stdout
    made = call("synthesize", spec_file, "--records", 300, "--out", out, "--llm", "none")
    assert made.returncode == 0
    stages = ["fitting to the tables", "correcting to whole records", "drawing values"]
    assert [line for line in made.stderr.splitlines() if line in stages] == stages
    assert "error" not in made.stderr
    assert "3 targets" in made.stdout
    evaluated = answer("evaluate", out, "--reference", out)
    figures = json.loads(evaluated.stdout)
    assert figures["records"] == 300
    assert figures["reference"]["tvd_3way"] == 0
    measured = answer("measure", spec_file, out / "records" / "person.parquet", "--out", tmp_path / "tables")
    assert measured.returncode == 0
    assert pl.read_csv(tmp_path / "tables" / "age.csv")["count"].sum() == 300
    (out / "report.html").unlink()
    assert answer("report", out).returncode == 0
    assert (out / "report.html").stat().st_size > 20_000


def test_all_problems_and_exit_code_two(tmp_path: Path) -> None:
    """A bad spec is refused with a line per problem and exit code 2, without a traceback."""
    path = tmp_path / "spec.yaml"
    path.write_text("llmsynthor: 1\nunits: {a: {variables: {x: {kind: colour}}}}\ntargets: [{unit: a}]\n")
    for words in (("check", path), ("synthesize", path, "--records", 5, "--out", tmp_path / "out")):
        result = answer(*words)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr
        assert result.stderr.count("error: ") == 2


def test_contradiction_is_found_by_check(document: Any, tmp_path: Path) -> None:
    """check names a rule that forbids a cell with a positive target, and answers 2."""
    document["rules"].append({"name": "nobody works", "unit": "person", "forbid": "employment == 'Employed'"})
    result = answer("check", save(Spec.load(document), tmp_path))
    assert result.returncode == 2
    assert "nobody works" in result.stderr


def test_missing_weights_are_exit_code_three(spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without weights the run ends with 3 and says which command fetches them; the folder says so too."""
    monkeypatch.setenv("LLMSYNTHOR_CACHE", str(tmp_path / "none"))
    result = answer("synthesize", spec_file, "--records", 9, "--out", tmp_path / "out")
    assert result.returncode == 3
    assert "llmsynthor models fetch qwen2.5-coder-1.5b" in result.stderr
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] == "failed"


def test_models_are_listed() -> None:
    """models list names the pinned models; an unknown name is wrong input."""
    listed = answer("models", "list")
    assert all(model.name in listed.stdout for model in models.MODELS)
    assert answer("models", "fetch", "gpt").returncode == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_folder_is_said(spec_file: Path, tmp_path: Path) -> None:
    """A folder that cannot be written is exit code 2 with what to do."""
    tmp_path.chmod(0o500)
    result = answer("synthesize", spec_file, "--records", 9, "--out", tmp_path / "out", "--llm", "none")
    tmp_path.chmod(0o700)
    assert result.returncode == 2
    assert "cannot be written" in result.stderr


def test_file_in_place_of_a_folder_is_said(spec_file: Path, tmp_path: Path) -> None:
    """A file where the folder should be is exit code 2."""
    (tmp_path / "out").write_text("x")
    for out in (tmp_path / "out", tmp_path / "out" / "below"):
        result = answer("synthesize", spec_file, "--records", 9, "--out", out, "--llm", "none")
        assert result.returncode == 2
        assert "Traceback" not in result.stderr


def test_ledger_is_a_command(spec_file: Path, tmp_path: Path) -> None:
    """`llmsynthor ledger` prints the account and exports the rows, and writes over no file."""
    (tmp_path / "script.json").write_text('{"answers": [{"groups": []}, "prose"], "repeat": true}')
    out, target = tmp_path / "out", tmp_path / "rows.jsonl"
    words = ("--records", 50, "--llm", f"scripted:{tmp_path / 'script.json'}", "--out", out)
    assert answer("synthesize", spec_file, *words).returncode == 0
    assert "proposals" in answer("ledger", out).stdout
    assert answer("ledger", out, "--export", target).returncode == 0
    assert all(json.loads(line) for line in target.read_text().splitlines())
    assert answer("ledger", out, "--export", target).returncode == 2


@pytest.mark.slow
def test_log_can_be_lines_of_json(spec_file: Path, tmp_path: Path) -> None:
    """With --log-format json, before the command or behind it, all of stderr is JSON, errors too; another form is refused."""
    words = ("synthesize", spec_file, "--records", 20, "--llm", "none", "--out", tmp_path / "out")
    lines = [json.loads(line) for line in call(*words, "--log-format=json").stderr.splitlines()]
    assert {"stage"} == {line["event"] for line in lines}
    assert all(line["time"].endswith("Z") for line in lines)
    lines = [json.loads(line) for line in call("--log-format", "json", "check", tmp_path / "none").stderr.splitlines()]
    assert [line["level"] for line in lines] == ["ERROR"]
    assert call("--log-format", "xml", "models", "list").returncode == 2


def listen_to_interrupts() -> None:
    """A test run in the background ignores SIGINT, and its children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.model
def test_interrupt_is_answered_while_the_model_writes(spec_file: Path, tmp_path: Path) -> None:
    """Ctrl-C while a real model writes ends the run within seconds with 130, and run.json says where."""
    models.fetch("smollm2-135m")
    out = tmp_path / "out"
    words = [
        "synthesize",
        spec_file,
        "--records",
        "9",
        "--out",
        out,
        "--llm",
        "local:smollm2-135m",
        "--iterations",
        "50",
    ]
    command = [*COMMAND, *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=listen_to_interrupts) as process:  # noqa: PLW1509  (nothing runs beside it yet)
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            text = (out / "run.json").read_text() if (out / "run.json").exists() else "{}"
            if json.loads(text).get("stage") == "proposals":
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        try:
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
        assert process.returncode == 130
    assert time.monotonic() - began < 15
    assert "--resume" in said
    manifest = json.loads((out / "run.json").read_text())
    assert (manifest["status"], manifest["stage"]) == ("stopped", "proposals")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("init", "missing.csv", "--out", "a/" * 2_000), "the path has more than"),
        (("models", "fetch", "\ud800"), "\\ud800"),
    ],
)
def test_odd_words_are_named(words: tuple[str, ...], said: str) -> None:
    """Bytes that are no text, and paths deeper than any system has, end in a plain error that shows them."""
    ended = answer(*words)
    assert ended.returncode in (2, 3)
    assert said in ended.stderr
    assert "defect" not in ended.stderr


def test_a_spec_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """A spec of random bytes is a plain error, not a defect."""
    (tmp_path / "spec.yaml").write_bytes(bytes(range(128, 256)))
    ended = answer("synthesize", tmp_path / "spec.yaml", "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert "defect" not in ended.stderr
