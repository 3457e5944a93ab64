"""Follows the champion record: fetches each new champion, verifies it and swaps it in while the old one serves."""

import contextlib
import ctypes
import gc
import logging
import threading

from modelsat.bundle import champions, opening
from modelsat.bundle.bundle import Bundle
from modelsat.errors import InputError
from serving.predictor import Predictor

logger = logging.getLogger("modelsat.serving")


class ChampionWatch:
    """Keeps a predictor at the newest champion.

    Args:
        predictor: Receives the bundles.
        store: Folder or `s3://` prefix of the champion records.
        poll_seconds: How long to wait between two looks, above 0.
    """

    def __init__(self, predictor: Predictor, store: str, poll_seconds: float = 1.0) -> None:
        self.predictor = predictor
        self.store = store
        self.poll_seconds = poll_seconds
        self.epoch = 0
        self._refused = 0
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watch in a daemon thread."""
        threading.Thread(target=self._run, name="champion-watch", daemon=True).start()

    def stop(self) -> None:
        """End the watch after the look in progress."""
        self._stopped.set()

    def look(self) -> bool:
        """Look once; return whether a new champion serves.

        A champion that cannot be fetched or is broken is reported once and left; the one before keeps serving.
        """
        champion = champions.current(self.store)
        if champion is None or champion.epoch in (self.epoch, self._refused):
            return False
        try:
            with opening.opened_champion(champion) as bundle:
                _serve(self.predictor, bundle)
        except InputError as error:
            self._refused = champion.epoch
            self.predictor.telemetry.champions_refused.inc()
            kept = f"epoch {self.epoch} keeps serving" if self.epoch else "none serves yet"
            logger.error("champion of epoch %d is refused, %s: %s", champion.epoch, kept, error)
            return False
        self.epoch = champion.epoch
        self.predictor.telemetry.promoted(champion)
        logger.info("champion of epoch %d serves: %s from %s", champion.epoch, champion.verdict, champion.bundle_uri)
        return True

    def _run(self) -> None:
        while not self._stopped.wait(self.poll_seconds if self.epoch else 0.2):
            try:
                self.look()
            except Exception as error:
                # Whatever a store or a bundle does, the watch goes on: nobody else would ever swap again.
                logger.warning("the champion could not be followed, trying again: %s", error)


def load(predictor: Predictor, uri: str) -> None:
    """Fetch, verify, load and probe a bundle, then serve it.

    Raises:
        InputError: The bundle is unusable.
    """
    with opening.opened(uri) as bundle:
        _serve(predictor, bundle)


def _serve(predictor: Predictor, bundle: Bundle) -> None:
    predictor.serve(bundle)
    # The bundle before is garbage now; without this the heap keeps its size for good.
    gc.collect()
    _give_back()


def _give_back() -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
