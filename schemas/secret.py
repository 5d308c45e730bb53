"""A text that never shows itself by accident."""

from typing import final

MASK = "***"


@final
class Secret:
    """A password, key or other credential (str); `str`, `repr` and formatting print a mask.

    The plain text is given out only by `reveal()`, so every place that uses one can be found by name.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """The plain text (str). Never log or print what this returns."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)" if self._text else "Secret()"

    def __str__(self) -> str:
        return MASK if self._text else ""


def mask_token(token: str | None) -> str | None:
    """A push token for people to read: its length and nothing of its text (`<token 44>`); None stays None."""
    return None if token is None else f"<token {len(token)}>"
