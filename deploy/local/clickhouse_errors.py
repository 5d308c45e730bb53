"""Engine errors as the real server's HTTP answers (src/Server/HTTP/exceptionCodeToHTTPStatus.cpp, ErrorCodes.cpp)."""

import re
from typing import Final

# Only the codes whose status is not 500.
_STATUS: Final[dict[int, int]] = {
    **dict.fromkeys((33, 36, 53, 62, 26, 27, 38, 41, 43, 44, 45, 46, 47, 69, 72, 115, 117, 131, 170, 456, 457), 400),
    **dict.fromkeys((60, 81, 16, 218, 36, 161), 404),
    **dict.fromkeys((193, 194, 516, 497), 403),
    159: 408,
    160: 408,
    48: 501,
    1: 501,
    164: 500,
    271: 400,
    202: 503,
    439: 503,
    307: 413,
    396: 413,
}

SYNTAX_ERROR: Final = 62
READONLY: Final = 164
TOO_MANY_SIMULTANEOUS_QUERIES: Final = 202
NOT_IMPLEMENTED: Final = 48
AUTHENTICATION_FAILED: Final = 516
CANNOT_DECOMPRESS: Final = 271
_UNKNOWN_EXCEPTION: Final = 1002

_CODE: Final = re.compile(r"Code: (\d+)\. ")


class EngineError(Exception):
    """A request the engine refused: ClickHouse's error `code` (int) and its text as the real server words it."""

    def __init__(self, text: str) -> None:
        found = _CODE.search(text)
        self.code = int(found[1]) if found else _UNKNOWN_EXCEPTION
        self.text = text[found.start() :].strip() if found else f"Code: {self.code}. DB::Exception: {text.strip()}"
        super().__init__(f"ClickHouse error {self.code}")  # not the text: it may quote rows

    @property
    def status(self) -> int:
        """The HTTP status that the real server answers with."""
        return _STATUS.get(self.code, 500)


def engine_error(code: int, name: str, text: str) -> EngineError:
    """An error of this server in the engine's form."""
    return EngineError(f"Code: {code}. DB::Exception: {text} ({name})")
