"""Every setting, once: frozen, typed, passed in. Read by `schemas.settings_source.read_settings`.

A setting `section.field` is the variable `PUSHTOKENS_SECTION_FIELD` or the TOML key `field` in `[section]`; the three
top-level ones have no section (`PUSHTOKENS_DATA_DIR`). Names fixed by design.md section 2 stay as they are.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from schemas.secret import Secret
from schemas.settings_ingest import Ingest, Template
from schemas.settings_types import Identifier, NotNegative, Port, Positive, Seconds, TopicPart

__all__ = [
    "ClickHouse",
    "Compact",
    "Dashboard",
    "Ingest",
    "Kafka",
    "Local",
    "Log",
    "Lookup",
    "Settings",
    "Sink",
    "Template",
]


class Kafka(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to reach Kafka. An empty `bootstrap` means: the embedded broker on `port`."""

    bootstrap: str = ""
    port: Port = 9092
    topic_prefix: TopicPart = "push-token"
    client_id: TopicPart = "pushtokens"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: Secret = field(default_factory=Secret)
    tls_ca_file: str = ""  # PEM; empty: the system's certificate authorities
    tls_cert_file: str = ""  # PEM, the chain: what we show to a broker that asks
    tls_key_file: str = ""  # PEM, without a password; empty: it is in `tls_cert_file`


class ClickHouse(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to reach ClickHouse. An empty `url` means: the embedded engine on `port`."""

    url: str = ""
    port: Port = 8123
    database: Identifier = "push_tokens"
    user: str = "default"
    password: Secret = field(default_factory=Secret)
    tls_ca_file: str = ""  # with an https:// url: PEM; empty: the system's certificate authorities
    tls_cert_file: str = ""  # PEM, the chain; without a password it is the login itself (docs/connections.md)
    tls_key_file: str = ""  # PEM, without a password; empty: it is in `tls_cert_file`
    ttl_days: NotNegative = 0  # 0: keep for ever
    query_timeout: Seconds = 30.0
    replicated: bool = False  # ReplicatedMergeTree and Distributed tables on `cluster`
    cluster: Identifier = "default"
    insert_quorum: NotNegative = 0  # replicas that must have an insert; 0 or 1: one (why: docs/clickhouse.md)
    token_storage: Literal["plain", "hash"] = "plain"
    token_hash_key: Secret = field(default_factory=Secret)


class Compact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The compactor. Times in seconds unless named."""

    group: TopicPart = "push-token-compactor"
    store: Literal["rocksdb", "memory"] = "rocksdb"
    touch_interval: Seconds = 86400.0
    late_after: Seconds = 5.0
    future_tolerance: Seconds = 300.0
    instance_id: str = ""  # Kafka static membership (KIP-345); empty: a dynamic member
    session_timeout: Seconds = 6.0  # the broker's default minimum, group.min.session.timeout.ms
    max_batch: Positive = 5000
    processes: Positive = 1  # of one worker; the second answers lookups on lookup.port + 1, and so on
    compression: Literal["lz4", "none"] = "lz4"  # of latest, changes, removals, rejected; lz4: a sixth of the bytes
    standbys: NotNegative = 1  # copies of each partition's table on other workers
    transaction_timeout: Seconds = 30.0


class Lookup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The lookup API in front of the compactor's table."""

    host: str = "127.0.0.1"
    port: Port = 6066
    advertised_url: str = ""  # how other workers reach this one; empty: http://host:port
    api_key: Secret = field(default_factory=Secret)
    max_batch: Positive = 1000
    timeout: Seconds = 2.0


class Sink(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ClickHouse sink. Times in seconds, sizes in bytes."""

    group: TopicPart = "push-token-sink"
    host: str = "127.0.0.1"
    port: Port = 8090
    batch_seconds: Seconds = 2.0
    batch_bytes: Positive = 64 * 1024 * 1024
    batch_records: Positive = 100_000
    insert_timeout: Seconds = 60.0
    session_timeout: Seconds = 10.0


class Dashboard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The churn pages. Times in seconds."""

    host: str = "127.0.0.1"
    port: Port = 8088
    user: str = "admin"
    password: Secret = field(default_factory=Secret)
    refresh_seconds: Seconds = 30.0  # how often it looks whether the history moved; a build rests 10 x its length too
    rebuild_timeout: Seconds = 1800.0  # one roll-up; 10 million rows take 20 s on 2 cores (benchmarks/churn.py)
    ingest_urls: str = ""  # whose /metrics the page shows, `http://host:port[,…]`; empty: the port on this machine
    compact_urls: str = ""
    sink_urls: str = ""


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logging of every role."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "text"] = "json"


class Local(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The embedded engines and the supervisor (`up`). Times in seconds."""

    cache_dir: str = ""  # where Kafka's jars are kept; empty: ~/.cache/push-token-pipeline
    kafka_heap_mb: Annotated[int, Meta(ge=128)] = 512  # half of Kafka's own default
    clickhouse_connections: Annotated[int, Meta(ge=2, le=32)] = 4  # queries at once: two cores, and one slow reader
    clickhouse_memory_mb: Annotated[int, Meta(ge=256)] = 2048  # one query's limit
    start_timeout: Seconds = 60.0  # Kafka answers after 4 s on two idle cores; the rest is for busy ones
    stop_timeout: Seconds = 20.0  # above `ingest.drain_timeout`, the longest drain


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of all roles; read once at start and passed in."""

    data_dir: Annotated[str, Meta(min_length=1)] = "data"
    partitions: Annotated[int, Meta(ge=0, le=10_000)] = 0  # 0: 4 embedded, 8 external
    replication_factor: Annotated[int, Meta(ge=0, le=32)] = 0  # 0: 1 embedded, 3 external
    templates: tuple[Template, ...] = ()  # none: the built-in ones
    kafka: Kafka = field(default_factory=Kafka)
    clickhouse: ClickHouse = field(default_factory=ClickHouse)
    ingest: Ingest = field(default_factory=Ingest)
    compact: Compact = field(default_factory=Compact)
    lookup: Lookup = field(default_factory=Lookup)
    sink: Sink = field(default_factory=Sink)
    dashboard: Dashboard = field(default_factory=Dashboard)
    log: Log = field(default_factory=Log)
    local: Local = field(default_factory=Local)

    @property
    def embedded_kafka(self) -> bool:
        """Whether `up` starts Kafka itself."""
        return not self.kafka.bootstrap

    @property
    def embedded_clickhouse(self) -> bool:
        """Whether `up` starts the ClickHouse engine itself."""
        return not self.clickhouse.url

    @property
    def bootstrap(self) -> str:
        """Kafka's bootstrap servers, `host:port[,host:port…]`."""
        return self.kafka.bootstrap or f"127.0.0.1:{self.kafka.port}"

    @property
    def clickhouse_url(self) -> str:
        """ClickHouse's HTTP address, `http[s]://host:port` (credentials are separate settings, never in it)."""
        return self.clickhouse.url or f"http://127.0.0.1:{self.clickhouse.port}"

    @property
    def partition_count(self) -> int:
        """Partitions of every topic; fixed after `init`."""
        return self.partitions or (4 if self.embedded_kafka else 8)

    @property
    def replicas(self) -> int:
        """Replication factor of every topic."""
        return self.replication_factor or (1 if self.embedded_kafka else 3)
