"""Environments of other programs, one each in a folder that is kept: bounded packages, installed once."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {
    "activitysim": ("activitysim>=1.6,<1.7",),
    "starsim": ("starsim>=3.3,<4",),
    "matsim": ("matsim-tools>=0.0.20,<0.1", "lxml>=5,<7"),
    "sumo": ("eclipse-sumo>=1.22,<2", "pyproj>=3.6,<4"),
    "tables": (
        "frictionless>=5.18,<6",
        "csvw>=3.5,<5",
        "mlcroissant>=1,<2",
        "duckdb>=1.4,<3",
        "geopandas>=1,<2",
        "pyarrow>=18",
        "openpyxl>=3.1,<4",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A virtual environment in the folder `cache`, made when it is first asked for."""

    name: str
    cache: Path

    @property
    def folder(self) -> Path:
        return self.cache / self.name

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def make(self) -> None:
        """Install the packages, unless the same were installed before; raises CalledProcessError."""
        wanted = "\n".join(PACKAGES[self.name])
        stamp = self.folder / "installed.txt"
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
            return
        print(f"installing {', '.join(PACKAGES[self.name])}", file=sys.stderr)
        self.cache.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(self.folder)], check=True)
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES[self.name]], check=True)
        stamp.write_text(wanted, encoding="utf-8")
