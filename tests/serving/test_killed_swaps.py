"""A server killed while it swaps bundles comes back with a complete one; `MODELSAT_KILLS=50` kills more often."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from endpoint_process import Endpoint, promote

from modelsat.bundle.bundle import Bundle

KILLS = int(os.environ.get("MODELSAT_KILLS", "2"))


def test_killed_server_serves_a_complete_version_when_it_is_back(
    start_endpoint: Callable[..., Endpoint], write_neighbours: Callable[..., Bundle], tmp_path: Path
) -> None:
    store, rng = str(tmp_path / "champions"), np.random.default_rng(0)
    last = write_neighbours(tmp_path / "bundle-0", seed=0)
    promote(store, tmp_path / "bundle-0", last.digest)
    endpoint = start_endpoint("--champions", store)
    endpoint.wait_until_serving(last.digest)

    for i in range(1, KILLS + 1):
        folder = tmp_path / f"bundle-{i}"
        # A large bundle takes as long to verify and to load as the server looks for champions: the kill falls anywhere.
        last = write_neighbours(folder, copies=2000, seed=i)
        promote(store, folder, last.digest)
        time.sleep(float(rng.uniform(0.0, 1.5)))
        endpoint.process.send_signal(signal.SIGKILL)
        endpoint.process.wait()

        endpoint = start_endpoint("--champions", store)
        endpoint.wait_until_serving(last.digest)

        answer = endpoint.infer(["Add 17 and 25."])
        assert (answer.status, answer.version) == (200, last.digest[:12])
        assert sorted(answer.output("candidates")) == ["a", "b", "c"]
