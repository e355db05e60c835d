"""Replay: the same command, with the ledger of a run and no model on the machine, gives the same bytes.

    python benchmarks/replay.py SPEC --records 2000 --llm local [--first RUN_FOLDER]

Runs once (or takes a finished run), copies its ledger into a new folder, runs again with an empty model cache, and compares
the SHA-256 of every file.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path)
    parser.add_argument("--records", default="2000")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--llm", default="local")
    arguments = parser.parse_args()
    words = ["--records", arguments.records, "--llm", arguments.llm, "--seed", arguments.seed]
    command = [sys.executable, "-m", "llmsynthor", "synthesize", str(arguments.spec), *words, "--out"]
    with tempfile.TemporaryDirectory() as scratch:
        first, second = Path(scratch) / "first", Path(scratch) / "second"
        subprocess.run([*command, str(first)], check=True)
        second.mkdir()
        shutil.copy(first / "ledger.sqlite", second)
        environment = {**os.environ, "LLMSYNTHOR_CACHE": str(Path(scratch) / "no-models")}
        subprocess.run([*command, str(second)], check=True, env=environment)
        one, two = hashes(first), hashes(second)
        different = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
    print(f"{len(one)} files, different: {different or 'none'}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
