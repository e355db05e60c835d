"""A short epidemic among our people, over the contacts of our households alone.

python run_starsim.py EXPORT EXPECTED.json WORK
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import starsim as ss

export, expected = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())


def columns(name: str) -> dict[str, np.ndarray]:
    """A table of numbers by column."""
    with (export / name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}


people, contacts = columns("people.csv"), columns("contacts_household.csv")
count = len(people["uid"])
assert count == expected["person"], f"{count} people of {expected['person']}"
assert people["uid"].tolist() == list(range(count)), "uid is not 0 to n - 1"
home = people["household_id"]
first, second = contacts["p1"].astype(int), contacts["p2"].astype(int)
assert (home[first] == home[second]).all(), "a contact joins two households"
sizes = np.unique(home, return_counts=True)[1]
assert len(first) == int((sizes * (sizes - 1) // 2).sum()), "pairs are missing"

network = ss.Network(name="household", edges={"p1": first, "p2": second, "beta": contacts["beta"]})
disease = ss.SIR(init_prev=0.02, beta={"household": [0.3, 0.3]})
sim = ss.Sim(people=ss.People(count), networks=network, diseases=disease, start=2020, stop=2025, rand_seed=1, verbose=0)
sim.init()
sim.people.age[:] = people["age"]
sim.people.female[:] = people["female"].astype(bool)
edges = len(sim.networks[0].edges.p1)
assert edges == len(first), f"{edges} edges of {len(first)}"
sim.run()
cases = int(sim.results.sir.cum_infections[-1])
assert int(np.asarray(sim.people.female).sum()) == expected["female"], "women are not ours"
assert cases > 0, "nobody was infected"
reached = set(home[np.asarray(sim.diseases[0].ti_infected.notnan).nonzero()[0]])
what = f"SIR over 5 years: {count:,} people, {edges:,} household contacts, {cases:,} infections in {len(reached):,} households"
print(json.dumps({"version": ss.__version__, "checked": what}))
