"""What ClickHouse's refusals mean: "refused for ever", "not now", and whether the rows are at fault.

No error's text holds anything of a row: a parse error quotes the data (and so a push token), which is why the server's
own words stand in `RefusedError.detail` and go to no log.
"""

from typing import Final

from schemas.tls import explain_tls

# src/Common/ErrorCodes.cpp of ClickHouse: the same request may succeed later, unchanged.
AWAY_CODES: Final = frozenset(
    {
        3,  # UNEXPECTED_END_OF_FILE: the connection broke in the middle of the body
        24,  # CANNOT_WRITE_TO_OSTREAM
        159,  # TIMEOUT_EXCEEDED
        164,  # READONLY (a server in maintenance)
        198,  # DNS_ERROR
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        216,  # QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING
        225,  # NO_ZOOKEEPER
        236,  # ABORTED
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS: merges are behind (the other meaning, too many partitions, is prevented by the sink)
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        425,  # SYSTEM_ERROR
        473,  # DEADLOCK_AVOIDED
        999,  # KEEPER_EXCEPTION
    }
)
# The same file: what is wrong is in the rows, so other rows may land. (Everything else that is refused, a missing table
# or a right not granted, is the operator's to mend, and no row's fault.)
ROW_CODES: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        25,  # CANNOT_PARSE_ESCAPE_SEQUENCE
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        131,  # TOO_LARGE_STRING_SIZE
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        469,  # VIOLATED_CONSTRAINT
    }
)


# The same file: UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, AUTHENTICATION_FAILED.
_LOGIN_CODES: Final = frozenset({192, 193, 194, 516})
_LOGIN: Final = ": see PUSHTOKENS_CLICKHOUSE_USER and PUSHTOKENS_CLICKHOUSE_PASSWORD (or _FILE)"


class RefusedError(Exception):
    """The server refused this request and would again: `code` and `name` as ClickHouse gives them (int, str or None).

    `detail` is the server's text. It may quote data: show it for statements of our own, never for rows.
    """

    def __init__(self, doing: str, code: int | None, name: str | None, detail: str) -> None:
        login = _LOGIN if code in _LOGIN_CODES else ""
        super().__init__(f"ClickHouse refused to {doing}: code {code} {name or ''}".rstrip() + login)
        self.code = code
        self.name = name
        self.detail = detail

    @property
    def about_rows(self) -> bool:
        """Whether the rows are at fault, so that others may land."""
        return self.code in ROW_CODES


class AwayError(Exception):
    """No answer, or "not now". A write may have happened all the same: whoever retries must stand that."""


class UntrustedError(AwayError):
    """TLS is the reason why there is no answer; the text names the setting to look at."""


def look_at_tls(error: BaseException) -> None:
    """Do nothing, unless TLS is behind `error`, however deep in the libraries' errors.

    Raises:
        UntrustedError: it is.
    """
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        if said := explain_tls("PUSHTOKENS_CLICKHOUSE", found):
            raise UntrustedError(f"ClickHouse {said}") from None
        seen.append(found)
        found = found.__cause__ or found.__context__
