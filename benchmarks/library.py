"""Build the libraries of dependence that the package ships, from prepared public micro-data.

    python benchmarks/library.py acs2024  DATA_DIR
    python benchmarks/library.py nhts2022 DATA_DIR

DATA_DIR holds households.parquet and persons.parquet in the words of benchmarks/libraries/NAME.yaml, which says what is kept. It
does what `llmsynthor library build` does, into the package's folder. A library that has a place held back for judging must not
hold that place: name the states with --without (column `state` of the households).
"""

import argparse
import tempfile
from pathlib import Path

import polars as pl

from llmsynthor.run.library import build

HERE = Path(__file__).parent
SHIPPED = HERE.parent / "src" / "llmsynthor" / "library" / "shipped"


def main() -> None:
    """Read the arguments, build, say where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=["acs2024", "nhts2022"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--without", nargs="*", default=[], help="states that are left out")
    arguments = parser.parse_args()
    recipe = HERE / "libraries" / f"{arguments.name}.yaml"
    with tempfile.TemporaryDirectory() as folder:
        data = held_back(arguments.data, arguments.without, Path(folder)) if arguments.without else arguments.data
        made = Path(folder) / "made"
        file, digest, _ = build(data, made, recipe=recipe)
        arguments.out.mkdir(parents=True, exist_ok=True)
        target = arguments.out / file.name
        target.write_bytes(file.read_bytes())
    readme = arguments.out / "README.md"
    if readme.is_file():
        lines = [renewed(line, arguments.name, digest) for line in readme.read_text(encoding="utf-8").splitlines()]
        readme.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{target}: {target.stat().st_size:,} bytes, digest {digest}")


def renewed(line: str, name: str, digest: str) -> str:
    """The line of the README with the library's digest."""
    return f"- `{name}`: `{digest}`" if line.startswith(f"- `{name}`: ") else line


def held_back(data: Path, states: list[str], folder: Path) -> Path:
    """Copy the data without some states."""
    homes = pl.read_parquet(data / "households.parquet").filter(~pl.col("state").is_in(states))
    persons = pl.read_parquet(data / "persons.parquet").filter(
        pl.col("household_id").is_in(homes["household_id"].implode())
    )
    homes.write_parquet(folder / "households.parquet")
    persons.write_parquet(folder / "persons.parquet")
    return folder


if __name__ == "__main__":
    main()
