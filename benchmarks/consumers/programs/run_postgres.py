"""PostgreSQL of the system: a cluster in a folder of its own, on a unix socket alone, load.sql, counts; then it is stopped.

    python run_postgres.py EXPORT EXPECTED.json WORK

As root everything is run as the user postgres, since the server refuses root.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COUNTS = ", ".join(f"(SELECT count(*) FROM {unit})" for unit in ("household", "person", "trip", "dictionary"))
JOINED = "trip JOIN person USING (person_id) JOIN household ON household.household_id = person.household_id"
QUESTION = f"SELECT {COUNTS}, (SELECT sum(age) FROM person), (SELECT count(*) FROM {JOINED})"


def programs() -> Path:
    """The folder of initdb; raises SystemExit where there is none."""
    found = shutil.which("initdb")
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda own: int(own.parent.name))
    if found is None and not folders:
        raise SystemExit("PostgreSQL is not installed: apt-get install postgresql")
    return Path(found).resolve().parent if found else folders[-1]


def run(*words: str, cwd: Path) -> str:
    """Run a program, as the user postgres where we are root; what goes wrong is an error."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    done = subprocess.run([*user, *words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words[0]}: {done.stderr[-1500:]}"
    return done.stdout.strip()


def main(export: Path, expected: dict[str, int]) -> None:
    binaries = programs()
    with tempfile.TemporaryDirectory(prefix="consumers-") as name:
        place = Path(name)
        data, loaded = place / "data", place / "export"
        shutil.copytree(export, loaded)
        if os.geteuid() == 0:
            for path in (place, loaded, *loaded.iterdir()):
                shutil.chown(path, "postgres")
        run(str(binaries / "initdb"), "-D", str(data), "--auth=trust", "--encoding=UTF8", "--no-sync", cwd=place)
        options = f"-c listen_addresses='' -c unix_socket_directories='{place}' -c fsync=off"
        run(
            str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(place / "log"), "-o", options, "start", cwd=place
        )
        try:
            psql = ["psql", "-X", "-h", str(place), "-d", "postgres"]
            run(*psql, "-f", "load.sql", cwd=loaded)
            found = [int(own) for own in run(*psql, "-At", "-F", " ", "-c", QUESTION, cwd=loaded).split()]
            version = run(*psql, "-At", "-c", "SHOW server_version", cwd=loaded).split()[0]
        finally:
            run(str(binaries / "pg_ctl"), "-D", str(data), "-m", "fast", "-w", "stop", cwd=place)
    wanted = [expected[name] for name in ("household", "person", "trip", "age", "trip")]
    entries = found.pop(3)
    assert found == wanted, f"{found} of {wanted}"
    assert entries > 0, "the dictionary is empty"
    what = f"load.sql: {found[0]:,} households, {found[1]:,} persons, {found[2]:,} trips, joined over their keys"
    print(json.dumps({"version": version, "checked": what}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))
