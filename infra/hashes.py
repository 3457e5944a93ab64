"""Writes `hashes.txt`: the pins of `constraints.txt` with the SHA-256 of all files of each, and who needs whom.

    python infra/hashes.py [WHEEL...]

Needs uv. Digests are those of the package index, so that they hold for other platforms, too; what a CUDA build of torch
needs is pinned beside. Wheels of torch that come from another index, such as its CPU builds, are named as files; those
that are in `hashes.txt` stay there as long as the version does.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "images"))
from requirements import WEIGHTS, name_of, pins

ROOT = Path(__file__).parents[1]
CONSTRAINTS, INTO = ROOT / "constraints.txt", ROOT / "hashes.txt"
HEAD = """\
# The pins of constraints.txt with the SHA-256 of their files, and who needs whom. Written by infra/hashes.py.
# infra/images/requirements.py writes the part of it that an extra needs.
"""


def compiled(*arguments: str, given: str = "") -> str:
    """Return what uv makes of requirements on standard input and the project's own."""
    command = [
        "uv",
        "pip",
        "compile",
        *arguments,
        "--quiet",
        "--no-header",
        "--generate-hashes",
        "--python",
        sys.executable,
    ]
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return re.sub(r" *#   -c constraints\.txt\n", "", done.stdout)


def main(wheels: list[str]) -> None:
    """Write the file.

    Args:
        wheels: Files of torch from other indexes.
    """
    constraint = ("-c", "constraints.txt")
    building = ["hatchling", "editables", "setuptools"]
    text = compiled("pyproject.toml", "-", "--all-extras", *constraint, given="\n".join(building))
    text += compiled("-", "--no-deps", *constraint, given=WEIGHTS)
    before = pins(INTO.read_text(encoding="utf-8")) if INTO.is_file() else {}
    torch = pins(text)["torch"]
    known = before["torch"].hashes if "torch" in before and before["torch"].line == torch.line else ()
    more = {*known, *(hashlib.sha256(Path(wheel).read_bytes()).hexdigest() for wheel in wheels)} - {*torch.hashes}
    added = "".join(f"    --hash=sha256:{one} \\\n" for one in sorted(more))
    INTO.write_text(HEAD + text.replace(f"\n{torch.line} \\\n", f"\n{torch.line} \\\n{added}"), encoding="utf-8")
    constrained = set(map(name_of, CONSTRAINTS.read_text(encoding="utf-8").split()))
    beyond = ", ".join(sorted(pins(text).keys() - constrained))
    sys.stdout.write(f"{INTO.name}: {len(pins(text))} packages; not in {CONSTRAINTS.name}: {beyond}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
