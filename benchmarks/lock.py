"""Write requirements.lock from what pip resolves: `pip install --dry-run --ignore-installed --report REPORT '.[local]'`, then this.

python benchmarks/lock.py REPORT > requirements.lock
"""

import json
import platform
import sys
from pathlib import Path


def lines(report: Path) -> list[str]:
    """A line a package: name, version, SHA-256 of the file for this platform; the licence as a comment."""
    found = []
    for entry in json.loads(report.read_text(encoding="utf-8"))["install"]:
        about, file = entry["metadata"], entry["download_info"].get("archive_info", {})
        if about["name"] == "llmsynthor":
            continue
        stated = [own.rpartition(" :: ")[2] for own in about.get("classifier", ()) if own.startswith("License ::")]
        words = (
            about.get("license_expression")
            or ", ".join(stated)
            or (about.get("license") or "see the package").split("\n")[0]
        )
        digest = file["hashes"]["sha256"]
        found.append(f"{about['name'].lower()}=={about['version']} --hash=sha256:{digest}  # {words[:60]}")
    return sorted(found)


if __name__ == "__main__":
    print(f"# Python {platform.python_version()}, {platform.system()} {platform.machine()}; made by benchmarks/lock.py")
    print("\n".join(lines(Path(sys.argv[1]))))
