"""How much and how long a client may send; sizes in bytes, times in seconds."""

from msgspec import Struct

from schemas.settings import Ingest

LINGER_SECONDS = 2.0  # after a refusal in mid-request: time for the client to read it before the connection is gone
MAX_HEADER_LINES = 100  # as Apache and Go's net/http count or nearly so; the app sends about ten
MAX_PIPELINED = 100  # requests of one connection that wait for the answers before theirs; no app pipelines at all


class HttpLimits(Struct, frozen=True, kw_only=True):
    """The bounds of one connection, and of all in a worker.

    Times are from the first byte (header), from the end of the header (body), from the end of the request until its
    answer is taken (answer), and between requests (idle): absolute, so that a byte now and then does not extend them.
    `retry_after` is the least that a 503 asks for.
    """

    max_url: int
    max_header: int
    max_body: int
    max_connections: int
    max_unfinished_bytes: int
    header_timeout: float
    body_timeout: float
    answer_timeout: float
    idle_timeout: float
    retry_after: float

    @classmethod
    def of(cls, settings: Ingest) -> "HttpLimits":
        """The bounds that the settings name."""
        own = {name: getattr(settings, name) for name in cls.__struct_fields__ if name != "answer_timeout"}
        # The application answers within its own deadline for Kafka; what takes longer is the client, not reading.
        return cls(answer_timeout=settings.confirm_timeout + settings.body_timeout, **own)
