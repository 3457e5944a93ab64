"""Follows the champion record: fetches each new champion, verifies it and swaps it in while the old one serves."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from modelsat.bundle import champions, opening
from modelsat.bundle.bundle import Bundle
from modelsat.bundle.champions import Champion
from modelsat.errors import InputError
from modelsat.io import storage
from serving import heap
from serving.predictor import Predictor

logger = logging.getLogger("modelsat.serving")

SHOWN = 5
"""How many promotions the endpoint's metadata tell of."""
LONGEST_PAUSE_SECONDS = 60.0
"""Longest time between two tries at the same champion, as long as nothing changes."""


def pause_after(tries: int) -> float:
    """Return how long to wait after a failed try, in seconds: 1, 2, 4 and so on, at most a minute.

    Args:
        tries: How often the champion failed, at least 1.
    """
    return float(min(2 ** min(tries - 1, 10), LONGEST_PAUSE_SECONDS))


@dataclass(frozen=True)
class Setback:
    """A champion, or a look at the records, that failed.

    Attributes:
        champion: Which one; None where the records themselves could not be used.
        fault: What went wrong.
        tries: How often it failed.
        again_at: When to try again though nothing has changed, in seconds of the watch's clock.
        marks: Fingerprints of records and bundle at that time.
    """

    champion: Champion | None
    fault: str
    tries: int
    again_at: float
    marks: tuple[str, str]


class ChampionWatch:
    """Keeps a predictor at the newest champion.

    Args:
        predictor: Receives the bundles.
        store: Folder or `s3://` prefix of the champion records.
        poll_seconds: How long to wait between two looks, above 0.
        clock: Returns seconds that never go back.
    """

    def __init__(
        self,
        predictor: Predictor,
        store: str,
        poll_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.predictor = predictor
        self.store = store
        self.poll_seconds = poll_seconds
        self._clock = clock
        self._serving: Champion | None = None
        self._followed = ""
        self._setback: Setback | None = None
        self._stopped = threading.Event()

    @property
    def epoch(self) -> int:
        """Return the epoch of the champion that serves, 0 for none."""
        return self._serving.epoch if self._serving is not None else 0

    def start(self) -> None:
        """Watch in a daemon thread."""
        threading.Thread(target=self._run, name="champion-watch", daemon=True).start()

    def stop(self) -> None:
        """End the watch after the look in progress."""
        self._stopped.set()

    def look(self) -> bool:
        """Look once; return whether a new champion serves.

        The champion before serves on while a new one cannot. That one is tried again as soon as the records or its
        bundle change, otherwise after pauses that double. A fault is logged once.
        """
        champion: Champion | None = None
        try:
            if self._is_waiting():
                return False
            records = storage.fingerprint(self.store)
            if records == self._followed:
                self._recovered()
                return False
            champion = champions.current(self.store)
            self._require_onward(champion)
            # Asked for before the swap: behind it, a store that fails would leave a swap half told.
            deleted = champions.missing(self.store)
            is_new = champion is not None and champion != self._serving
            if champion is not None and is_new:
                with opening.opened_champion(champion) as bundle:
                    _serve(self.predictor, bundle)
        except Exception as error:
            # Whatever a store or a bundle does, the watch goes on: nothing else would ever swap again.
            self._set_back(error, champion)
            return False
        self._recovered()
        self._followed, self._serving = records, champion
        if deleted:
            logger.warning("champion records of epochs %s were deleted in %r", deleted, self.store)
        if champion is not None and is_new:
            self.predictor.telemetry.promoted(champion)
            self.predictor.promotions = self._latest()
            logger.info("champion of epoch %d serves: %s from %s", self.epoch, champion.verdict, champion.bundle_uri)
        return is_new

    def _latest(self) -> list[Champion]:
        """Return the last promotions; none where an older record cannot be read, which keeps no router from serving."""
        try:
            return champions.latest(self.store, SHOWN)
        except Exception as error:
            logger.warning("the promotions before cannot be listed: %s", error)
            return []

    def _is_waiting(self) -> bool:
        last = self._setback
        return last is not None and self._clock() < last.again_at and self._marks(last.champion) == last.marks

    def _require_onward(self, champion: Champion | None) -> None:
        champions.require_not_behind(self.store, champion, self.epoch, "this endpoint")
        if champion is not None and champion.epoch == self.epoch and champion != self._serving:
            raise InputError(
                f"the champion record of epoch {self.epoch} in {self.store!r} was replaced after this endpoint "
                "followed it; records are never changed: restore it, and find out who wrote the other one"
            )

    def _set_back(self, error: Exception, champion: Champion | None) -> None:
        last, fault = self._setback, str(error) or type(error).__name__
        is_repeated = last is not None and last.champion == champion
        tries = last.tries + 1 if last is not None and is_repeated else 1
        if last is None or not is_repeated or last.fault != fault:
            self._report(error, fault, champion)
        self._setback = Setback(champion, fault, tries, self._clock() + pause_after(tries), self._marks(champion))

    def _report(self, error: Exception, fault: str, champion: Champion | None) -> None:
        kept = f"epoch {self.epoch} keeps serving" if self._serving is not None else "none serves yet"
        if not isinstance(error, InputError):
            logger.warning("the champion could not be followed, %s, trying again: %s", kept, fault)
            return
        self.predictor.telemetry.champions_refused.inc()
        refused = f"champion of epoch {champion.epoch} is" if champion is not None else "the champion records are"
        logger.error("%s refused, %s: %s", refused, kept, fault)

    def _recovered(self) -> None:
        if self._setback is not None:
            logger.info("the champion records can be followed again after %d failed tries", self._setback.tries)
        self._setback = None

    def _marks(self, champion: Champion | None) -> tuple[str, str]:
        """Return what the records and a champion's bundle look like; nothing of a store that does not answer."""
        try:
            bundle = storage.fingerprint(champion.bundle_uri) if champion is not None else ""
            return storage.fingerprint(self.store), bundle
        except Exception:
            return "", ""

    def _run(self) -> None:
        while not self._stopped.wait(self.poll_seconds if self._serving is not None else 0.2):
            self.look()


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
    heap.settle()
