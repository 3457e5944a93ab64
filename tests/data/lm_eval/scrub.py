"""Take machine facts out of the outputs of lm-evaluation-harness, as text, so that all else stays as it was written.

python scrub.py out
"""

import re
import sys
from pathlib import Path

ENVIRONMENT = re.compile(r'("pretty_env_info": )"(?:[^"\\]|\\.)*"')
HERE = re.compile(re.escape(str(Path.cwd())) + r"(?=/)")


def main(root: Path) -> None:
    """Scrub every file below `root` in place, and say where something was replaced."""
    for path in sorted(item for item in root.rglob("*") if item.is_file()):
        text = path.read_bytes().decode("utf-8")
        text, environments = ENVIRONMENT.subn(r'\1"scrubbed"', text)
        text, folders = HERE.subn("/scrubbed", text)
        path.write_bytes(text.encode("utf-8"))
        sys.stdout.write(f"{path}: {environments} environment, {folders} paths\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
