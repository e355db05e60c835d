"""SUMO's importer of MATSim plans: everybody is there, every stop has a place.

python run_sumo.py EXPORT EXPECTED.json WORK
"""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import sumo

export, expected, work = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3])
home = Path(sumo.SUMO_HOME)
importer = home / "tools" / "import" / "matsim" / "matsim_importPlans.py"
surroundings = {**os.environ, "SUMO_HOME": str(home)}


def run(*words: object) -> str:
    """Run a program of SUMO; what it says of failing is an error."""
    done = subprocess.run([str(own) for own in words], env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-1500:]
    return done.stderr


plans, routes = export / "population.xml.gz", work / "persons.rou.xml"
warnings = run(sys.executable, importer, "-p", plans, "-o", routes, "--prefer-coordinate")
root = ElementTree.parse(routes).getroot()
people = root.findall("person")
assert len(people) == expected["person"], f"{len(people)} persons of {expected['person']}"
stages = [stage for person in people for stage in person if stage.tag != "param"]
stops = [stage for stage in stages if stage.tag == "stop"]
assert len(stops) == expected["trip"] + expected["person"], f"{len(stops)} stops"
placed = [stop for stop in stops if stop.get("lon") or stop.get("x")]
assert len(placed) == len(stops), "stops without a place"
cars = root.findall("trip")
what = f"{len(people):,} persons, {len(stops):,} stops with places, {len(cars):,} trips of vehicles"
what += f"; said: {warnings.strip()[:120]}" if warnings.strip() else ""
print(json.dumps({"version": version("eclipse-sumo"), "checked": what}))
