"""What a model of lm-evaluation-harness is called here: hubs' names as they are, models on disk by their path.

The harness takes `--model_args pretrained=PATH` for the model's name. A path is no name that headers and file names
can carry, so it becomes one, and a note says so.
"""

import posixpath
import re

from modelsat.data.candidate_names import fault_in_candidate, suggest_candidate

_HUB_CACHE = re.compile(r"(?:^|/)models--([^/]+?)--([^/]+)/snapshots/[^/]+$")
_MOST_PARTS = 4


def usable_name(given: str) -> str:
    """Return the name of a candidate for what the harness calls its model.

    A snapshot in the cache of a hub is the model it is a snapshot of; any other path gives its last four parts.
    """
    if fault_in_candidate(given) is None:
        return given
    path = re.sub(r"^[A-Za-z]:/", "", model_key(given))
    parts = [part for part in path.split("/") if part.strip("._-~")]
    return suggest_candidate("/".join(parts[-_MOST_PARTS:]))


def model_key(given: str) -> str:
    """Return what is equal for two names of the same model: a path without detours, or the model behind a snapshot."""
    path = given.replace("\\", "/").rstrip("/")
    cached = _HUB_CACHE.search(path)
    return f"{cached[1]}/{cached[2]}" if cached else posixpath.normpath(path)
