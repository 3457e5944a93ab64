"""Whether feedback is kept, where, and how much of it; the key comes from the environment."""

from dataclasses import dataclass
from pathlib import Path

from modelsat.errors import InputError
from modelsat.io import storage

KEY = "MODELSAT_FEEDBACK_KEY"
"""Environment variable with the key of ids and digests, the same for all gateways of a log."""
DAYS, PER_MINUTE = 7.0, 600.0
_LEAST_CHARACTERS = 32


@dataclass(frozen=True)
class FeedbackSettings:
    """What is kept, and what is taken.

    Attributes:
        log: Folder or `s3://` prefix.
        key: Of ids and digests.
        keeps_text: Whether the text that is routed on is kept.
        days: How old an answer may be, above 0.
        per_minute: Outcomes that one client may send, above 0.
    """

    log: str
    key: bytes
    keeps_text: bool = False
    days: float = DAYS
    per_minute: float = PER_MINUTE


def read(place: str, keeps_text: bool, days: float, key: str) -> FeedbackSettings | None:
    """Return the settings of a log, None where none is asked for; its folder is made, for its owner alone.

    Args:
        place: Folder or `s3://` prefix, "" for no log.
        keeps_text: Whether the text that is routed on is kept.
        days: How old an answer may be, above 0.
        key: As the environment has it.

    Raises:
        InputError: The key is too short to be secret, or the folder cannot be made.
    """
    if not place:
        if keeps_text:
            raise InputError("text is kept in the feedback log alone; name its place with --feedback-log")
        return None
    if len(key.strip()) < _LEAST_CHARACTERS:
        raise InputError(f"{KEY} has fewer than {_LEAST_CHARACTERS} characters; set it to a longer secret")
    if not storage.is_s3(place):
        try:
            Path(place).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{place!r} cannot be made ({error.strerror}); name another folder") from error
    return FeedbackSettings(place, key.strip().encode(), keeps_text, days)
