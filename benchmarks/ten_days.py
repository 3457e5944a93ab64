"""Ten days in the life of a router, played on ours and on a kNN router of an afternoon with LiteLLM below it.

    python benchmarks/ten_days.py --clients .bench/clients [--requests 200] [--days 10]

Both get the same prompts of a real set, which local models answer with what the real ones scored. The table goes to
`benchmarks/results/versus.json`. Needs the set beside the checkout and an environment with LiteLLM (`make versus`).
"""

import argparse
import os
import shutil
import sys
import time
from importlib.metadata import PathDistribution
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from quality import DATA, KEPT, RESULTS, line
from versus import book, days, page
from versus.days import Play
from versus.ours import Ours
from versus.team import PROGRAM, Rival
from versus.untrained import Untrained, kept
from versus.upstreams import Upstreams
from versus.world import KNOWN_SHARE, World

from modelsat.io.atomic import write_json
from modelsat.text import embeddings

INTO = RESULTS.with_name("versus.json")
TIMEOUT_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=Path, required=True, help="environment with LiteLLM")
    parser.add_argument("--set", type=Path, default=DATA / "specialists")
    parser.add_argument("--requests", type=int, default=200, help="of a day")
    parser.add_argument("--known", type=float, default=KNOWN_SHARE, help="share of the prompts that were measured")
    parser.add_argument("--days", type=int, default=len(days.DAYS))
    parser.add_argument("--folder", type=Path, default=KEPT / "versus")
    parser.add_argument("--into", type=Path, default=INTO)
    arguments = parser.parse_args()
    if not arguments.set.is_dir():
        print(f"skipped: {str(arguments.set)!r} is not there")
        return
    began = time.monotonic()
    found = play(arguments)
    write_json(arguments.into, found | {"seconds": round(time.monotonic() - began)})
    print(page.section(found))


def play(arguments: argparse.Namespace) -> dict:
    """Play the days; return what `page.section` shows."""
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)
    folder = arguments.folder.resolve()
    packages = next(iter(arguments.clients.resolve().glob("lib/python*/site-packages")))
    world = World.read(arguments.set, arguments.known)
    vectors = embeddings.vectors(world.texts, KEPT / "vectors", progress=line("encoding"))
    kept(folder / "vectors.npz", world.texts, vectors)
    upstreams = Upstreams(world.outcomes(), dict(world.prices))
    with upstreams.running() as url:
        ours = Ours(folder / "ours", url, dict(world.prices), Untrained(dict(zip(world.texts, vectors, strict=True))))
        rival = Rival(folder / "rival", url, dict(world.prices), folder / "vectors.npz", packages, TIMEOUT_SECONDS)
        results = world.measured()
        with rival.running(results), ours.running(TIMEOUT_SECONDS):
            stage = Play(world, upstreams, ours, rival, arguments.requests, results)
            first = stage.retrain(results, "first")
            print(f"before the first day: {first}", flush=True)
            for day in days.DAYS[: arguments.days]:
                since = time.monotonic()
                day(stage)
                print(f"{time.monotonic() - since:.0f} s", stage.book[-1].row(), flush=True)
    return {
        "lines": len(PROGRAM.read_text(encoding="utf-8").splitlines()),
        "litellm": version(packages),
        "known": len(world.known),
        "familiar": len(world.familiar),
        "foreign": len(world.foreign),
        "first": first,
        "days": [day.row() for day in stage.book],
        "total": book.total(stage.book),
        "load": round(os.getloadavg()[0], 1),
    }


def version(packages: Path) -> str:
    """Return the version of LiteLLM among packages."""
    (found,) = packages.glob("litellm-*.dist-info")
    return PathDistribution(found).version


if __name__ == "__main__":
    main()
