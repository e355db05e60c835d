"""ActivitySim's own example, from its wheel, run on our households and persons: every model it lists, to the trips.

python run_activitysim.py EXPORT EXPECTED.json WORK
"""

import csv
import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import yaml

export, expected, work = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3])
program = str(Path(sys.executable).parent / "activitysim")
subprocess.run([program, "create", "-e", "prototype_mtc", "-d", str(work)], check=True, stdout=subprocess.DEVNULL)
example = work / "prototype_mtc"
for name in ("households.csv", "persons.csv"):
    shutil.copy(export / name, example / "data" / name)
command = [program, "run", "-c", "configs", "-d", "data", "-o", "output"]
with (work / "log.txt").open("w") as log:
    code = subprocess.run(command, cwd=example, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
text = (work / "log.txt").read_text(errors="replace")
models = yaml.safe_load((example / "configs" / "settings.yaml").read_text())["models"]
ran = [name for name in models if f"run_model {name}" in text or f"#run_model running step {name}" in text]
assert code == 0, f"ended with {code} after {ran[-1:] or 'nothing'}: " + text[-1500:]


def rows(name: str) -> list[dict[str, str]]:
    """A table that the model wrote."""
    with (example / "output" / f"final_{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


homes, people, tours, trips = (rows(name) for name in ("households", "persons", "tours", "trips"))
assert len(homes) == expected["household"], f"{len(homes)} households of {expected['household']}"
assert len(people) == expected["person"], f"{len(people)} persons of {expected['person']}"
assert sum(int(float(own["age"])) for own in people) == expected["age"], "ages are not ours"
assert trips, "no trips were made"
steps = [name for name in {own["checkpoint_name"]: 1 for own in rows("checkpoints")} if name in models]
what = (
    f"exit 0; all {len(models)} models of its settings, {models[0]} to {models[-1]}, of which {len(steps)} changed tables; "
    f"{len(homes):,} households, {len(people):,} persons, {len(tours):,} tours, {len(trips):,} trips"
)
print(json.dumps({"version": version("activitysim"), "checked": what}))
