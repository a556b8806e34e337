"""Print what runs need on a machine that has torch and numpy alone, as requirements of pip.

Usage: pip wheel --no-deps -w WHEELS $(python tools/gpu/wheels.py EXTRA ...), on a machine of the same kind

EXTRA: train for all runs, with vision for images, text for text, video for MP4. It lists what the installed toolkit
depends on, at the versions of constraints.txt; WHEELS=WHEELS bash tools/gpu/run.sh … installs the wheels there.
"""

import argparse
import re
import sys
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement

THERE = ("torch", "numpy")
"""What an image for GPUs has, with all that these need."""
CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extras", nargs="*", default=["train"], metavar="EXTRA", help="extras of the toolkit (train)")
    args = parser.parse_args()
    needed: dict[str, set[str]] = {}
    collect_needed("vqspeech", {"train", *args.extras}, needed)
    there: dict[str, set[str]] = {}
    for name in THERE:
        collect_needed(name, set(), there)
    pinned = read_pins()
    for name in sorted(needed.keys() - there.keys() - {"vqspeech"}):
        print(f"{name}=={pinned.get(name) or version(name)}")
    return 0


def collect_needed(name: str, extras: set[str], found: dict[str, set[str]]) -> None:
    """Add a package and all that it depends on to `found`, by name, with the extras that were looked at."""
    if name in found and extras <= found[name]:
        return
    found.setdefault(name, set()).update(extras)
    for line in requires(name) or []:
        one = Requirement(line)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            collect_needed(normalise(one.name), set(one.extras), found)


def read_pins() -> dict[str, str]:
    """Return the versions of constraints.txt by package."""
    lines = (line.split("#")[0].strip() for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines())
    pairs = (line.split(";")[0].split("==") for line in lines if "==" in line)
    return {normalise(name): pin.strip() for name, pin in pairs}


def normalise(name: str) -> str:
    """Return a package's name as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


if __name__ == "__main__":
    sys.exit(main())
