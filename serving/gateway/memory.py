"""What this gateway remembers by itself: short texts under digests, the oldest forgotten first."""

from collections import OrderedDict

MOST_ENTRIES = 150_000


class Memory:
    """A bounded memory.

    Args:
        most: How many entries are kept.
    """

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        self._most = most
        self._entries: OrderedDict[str, str] = OrderedDict()

    def get(self, key: str) -> str | None:
        """Return what is kept under a key, None where nothing is."""
        return self._entries.get(key)

    def put(self, key: str, value: str) -> None:
        """Keep something, in the place of what was kept under this key."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)
