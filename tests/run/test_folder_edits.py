"""What a person edits in a run folder is never replaced, whatever the run in it has come to."""

from pathlib import Path

import pytest

import llmsynthor as ls
from llmsynthor.errors import RunFolderError


def test_edits_beside_a_run_that_was_interrupted_are_kept(
    spec: ls.Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that was stopped knows the files of its spec: an edited one is not replaced when it is repeated, or kept with force."""
    out = tmp_path / "out"

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("llmsynthor.run.synthesize.run_loop", interrupted)
        ls.synthesize(spec, records=50, llm="none", seed=1, out=out)
    written = out / "spec" / "spec.yaml"
    before = written.read_text(encoding="utf-8")
    written.write_text(before + "# mine\n", encoding="utf-8")
    with pytest.raises(RunFolderError, match="edited"):
        ls.synthesize(spec, records=50, llm="none", seed=1, out=out, resume=True)
    ls.synthesize(spec, records=50, llm="none", seed=1, out=out, resume=True, force=True)
    assert written.read_text(encoding="utf-8") == before
    assert (out / "spec" / "spec.yaml.before").read_text(encoding="utf-8").endswith("# mine\n")


def test_edits_while_a_run_works_are_not_the_runs(
    spec: ls.Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the spec that is edited while the run works is left, and the next run refuses to replace it."""
    out = tmp_path / "out"
    written = out / "spec" / "spec.yaml"
    from llmsynthor.run import synthesize as running  # noqa: PLC0415  (what is put in its place below)

    loop = running.run_loop

    def meanwhile(*given: object, **more: object) -> object:
        with written.open("a", encoding="utf-8") as file:
            file.write("# mine\n")
        return loop(*given, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr("llmsynthor.run.synthesize.run_loop", meanwhile)
        ls.synthesize(spec, records=50, llm="none", seed=1, out=out)
    assert written.read_text(encoding="utf-8").endswith("# mine\n")
    with pytest.raises(RunFolderError, match="edited"):
        ls.synthesize(spec, records=50, llm="none", seed=1, out=out)
