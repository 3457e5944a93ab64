"""Texts that say nothing: empty, or of spaces and characters that nobody sees."""

import unicodedata

_UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Zs")


def is_blank(text: str) -> bool:
    """Say whether a text holds nothing but spaces, control characters and zero-width characters."""
    return all(character.isspace() or unicodedata.category(character) in _UNSEEN for character in text)
