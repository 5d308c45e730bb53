"""The settings of the ingress: its section, and the operator's templates."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from schemas.secret import Secret
from schemas.settings_types import NotNegative, Port, Positive, Seconds

Algorithm = Literal["SHA-256", "MD5"]


class SigningKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that signs URLs. To change it, put the new one first and take the old one out once no URL needs it."""

    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
    secret: Secret


class Template(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One operator template with `%variables%`, as it goes into the account XML (specification, "Configuration")."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    url: Annotated[str, Meta(min_length=1, max_length=4096)]
    kind: Literal["report", "removal"] = "report"
    post_data: Annotated[str, Meta(max_length=16384)] = ""
    content_type: str = ""
    method: Literal["", "GET", "POST", "PUT", "DELETE"] = ""
    auth: Literal["none", "parameter", "path", "header", "basic", "digest", "signed", "external"] = "none"
    auth_username: str = ""  # the app's AuthUsername, which answers a Digest challenge
    auth_password: Secret = field(default_factory=Secret)  # AuthPassword, or the shared secret
    auth_previous_password: Secret = field(default_factory=Secret)  # still taken while apps learn the new one
    auth_parameter: str = ""  # the name that carries the shared secret, the signature or the password
    auth_header: str = ""  # with `header`: the one that carries the shared secret
    auth_users_file: str = ""  # with `digest` or `basic`: lines `user:realm:HA1`, as htdigest writes them
    auth_callback: str = ""  # instead of a file: `module:function` that is asked for HA1
    auth_realm: Annotated[str, Meta(pattern=r"^[A-Za-z0-9 ._@-]{1,64}$")] = "push-token"
    auth_algorithms: tuple[Algorithm, ...] = ()  # of Digest; none: both, or those every user of the file has
    auth_keys: tuple[SigningKey, ...] = ()  # with `signed`: the first signs, all verify
    auth_check_url: Secret = field(default_factory=Secret)  # with `external`: who is asked; may hold credentials
    auth_username_differs: bool = False  # accounts authenticate under another name than the one they report


class Ingest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The public HTTP endpoint. Sizes in bytes, times in seconds."""

    host: str = "0.0.0.0"  # the one role that binds all interfaces: phones must reach it
    port: Port = 8080
    workers: Positive = 1
    confirm_timeout: Seconds = 1.5  # 503 within 2 s, less the time to answer
    stuck_after: Seconds = 6.0  # then a new producer; beyond `compact.late_after`, so that what it still writes is late
    drain_timeout: Seconds = 10.0
    retry_after: Positive = 5  # least of what 429 and 503 ask for, up to twice that; an outage here takes a few seconds
    max_body: Positive = 65536
    max_url: Positive = 16384
    max_header: Positive = 32768  # all header lines; what common servers allow (nginx: 4 x 8 KiB)
    max_field: Annotated[int, Meta(ge=1, le=8192)] = (
        4096  # APNs tokens are up to 100 bytes, FCM about 200; records: 8192
    )
    max_connections: Positive = 10000
    max_in_flight: Positive = 20000
    max_in_flight_bytes: Positive = 64 * 1024 * 1024
    max_unfinished_bytes: Positive = 32 * 1024 * 1024  # requests not complete; 10,000 slow ones of the usual size: 10
    # Reports (removals too) a minute, all at once if need be; each worker counts alone; 0: off. See docs/ingress.md
    selector_rate: NotNegative = 0  # 60 stops only what is broken: an app reports at its start, twice at most on iOS
    account_rate: NotNegative = 0  # of one account: only where accounts are authenticated
    address_rate: NotNegative = 0  # requests; thousands of phones may share one address (carrier-grade NAT)
    rate_cells: Positive = 1024 * 1024  # of each rate that is on, 16 bytes each; a minute of a worker's full load
    ipv6_prefix: Annotated[int, Meta(ge=16, le=128)] = 64  # bits that are one client: what a household gets (RFC 6177)
    trusted_proxies: str = ""  # whose `forwarded_header` is believed: addresses or networks, comma-separated
    forwarded_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"  # which one they append to
    tls_cert_file: str = ""  # PEM, the chain; with it the port speaks TLS only. Read again when it changes
    tls_key_file: str = ""  # PEM, without a password; empty: it is in `tls_cert_file`
    tls_client_ca_file: str = ""  # clients must have a certificate of one of these authorities
    header_timeout: Seconds = 10.0
    body_timeout: Seconds = 15.0
    idle_timeout: Seconds = 60.0
    nonce_timeout: Seconds = 300.0  # HTTP Digest: how long a challenge may be answered (RFC 7616 section 5.4)
    auth_nonce_key: Secret = field(default_factory=Secret)  # signs Digest nonces; one for all instances
    auth_timeout: Seconds = 1.5  # of an external check or a callback: within the 2 s of a 503
    auth_concurrency: Positive = 64  # questions to a service or a callback at once, by template and worker
    auth_yes_seconds: Seconds = 300.0  # how long a yes of an external check counts: so late does a new password
    auth_no_seconds: Seconds = 10.0  # and a no; short, so that a new account does not wait
    auth_cache_size: Positive = 50_000  # answers kept, of each kind, by template and worker; about 250 bytes each
    auth_reload_seconds: Seconds = 1.0  # how often a users file is looked at
    strict_selector: bool = False
    request_id_header: str = ""  # where a proxy in front says its id of a request; believed only if it is a UUID
    refusals_logged_per_second: NotNegative = 10  # by each worker; what is beyond is counted; 0: none. Enough to read
    access_log_every: NotNegative = (
        0  # 1: log every accepted request; 100: one in a hundred; 0: none (a fleet's are many)
    )
    public_metrics: bool = False  # /metrics for peers beyond loopback
    rejected_bytes_per_second: Positive = 262144
    rejected_queue: Positive = 1000  # records waiting for `push-token.rejected`; about 1 MiB at their usual size
