"""matsim-tools reads the population, the document type (where a file of it is given) holds, and days are chains with places.

python run_matsim.py EXPORT EXPECTED.json WORK [population_v6.dtd]
"""

import gzip
import json
import sys
from importlib.metadata import version
from pathlib import Path

import matsim
from lxml import etree

export, expected = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
path = export / "population.xml.gz"
plans = matsim.plan_reader_dataframe(str(path))
assert len(plans.persons) == expected["person"], f"{len(plans.persons)} persons of {expected['person']}"
assert len(plans.legs) == expected["trip"], f"{len(plans.legs)} legs of {expected['trip']}"
assert plans.persons["age"].astype(int).sum() == expected["age"], "ages are not ours"
assert plans.activities[["x", "y"]].astype(float).notna().all().all(), "activities without a place"
streamed = 0
for _, plan in matsim.plan_reader(str(path), selected_plans_only=True):
    if plan is None:
        continue
    streamed += 1
    kinds = [own.tag for own in plan]
    assert kinds[::2] == ["activity"] * (len(kinds) // 2 + 1), "a day does not begin and end with an activity"
    assert kinds[1::2] == ["leg"] * (len(kinds) // 2), "a day is no chain"
    ends = [own.get("end_time") for own in plan[::2]]
    assert all(ends[:-1]), "an activity has no end"
    assert ends[:-1] == sorted(ends[:-1]), "activities end in another order"
assert streamed == expected["person"], f"{streamed} plans of {expected['person']} persons"
counts = f"{len(plans.persons):,} persons, {streamed:,} plans, {len(plans.activities):,} activities with places"
what = f"{counts}, {len(plans.legs):,} legs"
if len(sys.argv) > 4:
    kind = etree.DTD(sys.argv[4])
    with gzip.open(path) as file:
        document = etree.parse(file, etree.XMLParser(load_dtd=False, no_network=True))
    assert kind.validate(document), str(kind.error_log.filter_from_errors()[:3])
    what += "; valid by population_v6.dtd"
else:
    what += "; the DTD was not at hand: structure by matsim-tools alone"
print(json.dumps({"version": version("matsim-tools"), "checked": what}))
