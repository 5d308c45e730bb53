"""The settings of the ingress: its section, and the operator's templates."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from schemas.secret import Secret
from schemas.settings_types import Port, Positive, Seconds


class Template(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One operator template with `%variables%`, as it goes into the account XML (specification, "Configuration")."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    url: Annotated[str, Meta(min_length=1, max_length=4096)]
    kind: Literal["report", "removal"] = "report"
    post_data: Annotated[str, Meta(max_length=16384)] = ""
    content_type: str = ""
    method: Literal["", "GET", "POST", "PUT", "DELETE"] = ""
    auth: Literal["none", "digest", "basic", "parameter"] = "none"
    auth_username: str = ""  # the app's AuthUsername, which answers a Digest challenge (companions.md)
    auth_password: Secret = field(default_factory=Secret)  # AuthPassword, or the value of `auth_parameter`
    auth_parameter: str = ""  # with `parameter`: the query, form or JSON name that carries the shared secret


class Ingest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The public HTTP endpoint. Sizes in bytes, times in seconds."""

    host: str = "0.0.0.0"  # design.md section 2: the one role that binds all interfaces
    port: Port = 8080
    workers: Positive = 1
    confirm_timeout: Seconds = 1.5  # 503 within 2 s (issue 3), less the time to answer
    stuck_after: Seconds = 6.0  # then a new producer; beyond `compact.late_after`, so that what it still writes is late
    drain_timeout: Seconds = 10.0
    retry_after: Positive = 5
    max_body: Positive = 65536
    max_url: Positive = 16384
    max_header: Positive = 32768  # all header lines; what common servers allow (nginx: 4 x 8 KiB)
    max_field: Annotated[int, Meta(ge=1, le=8192)] = (
        4096  # APNs tokens are up to 100 bytes, FCM about 200; records: 8192
    )
    max_connections: Positive = 10000
    max_in_flight: Positive = 20000
    max_in_flight_bytes: Positive = 64 * 1024 * 1024
    header_timeout: Seconds = 10.0
    body_timeout: Seconds = 15.0
    idle_timeout: Seconds = 60.0
    nonce_timeout: Seconds = 300.0  # HTTP Digest: how long a challenge may be answered (RFC 7616 section 5.4)
    strict_selector: bool = False
    public_metrics: bool = False  # /metrics for peers beyond loopback
    rejected_bytes_per_second: Positive = 262144
    rejected_queue: Positive = 1000  # records waiting for `push-token.rejected`; about 1 MiB at their usual size
