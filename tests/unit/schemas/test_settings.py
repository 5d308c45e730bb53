"""Settings: defaults fixed by the design, and where they come from: TOML, environment, secret files."""

from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

from schemas.secret import Secret
from schemas.settings import Settings, Template
from schemas.settings_source import SettingsError, read_settings


def read(**variables: str) -> Settings:
    return read_settings({f"PUSHTOKENS_{name}": value for name, value in variables.items()})


def test_the_defaults_are_the_designs() -> None:
    found = read_settings({})
    assert found == Settings()
    ports = (found.ingest, found.lookup, found.sink, found.dashboard, found.kafka, found.clickhouse)
    assert [section.port for section in ports] == [8080, 6066, 8090, 8088, 9092, 8123]
    assert [section.host for section in (found.ingest, found.lookup, found.sink, found.dashboard)] == [
        "0.0.0.0",
        "127.0.0.1",
        "127.0.0.1",
        "127.0.0.1",
    ]
    assert (found.kafka.topic_prefix, found.clickhouse.database) == ("push-token", "push_tokens")


@pytest.mark.parametrize(
    ("variable", "value", "path", "expected"),
    [
        ("DATA_DIR", "/var/lib/x", "data_dir", "/var/lib/x"),
        ("PARTITIONS", "12", "partitions", 12),
        ("REPLICATION_FACTOR", "3", "replication_factor", 3),
        ("INGEST_PORT", "18080", "ingest.port", 18080),
        ("LOOKUP_PORT", "16066", "lookup.port", 16066),
        ("DASHBOARD_PORT", "18088", "dashboard.port", 18088),
        ("KAFKA_PORT", "19092", "kafka.port", 19092),
        ("CLICKHOUSE_PORT", "18123", "clickhouse.port", 18123),
        ("KAFKA_BOOTSTRAP", "a:1,b:2", "kafka.bootstrap", "a:1,b:2"),
        ("CLICKHOUSE_URL", "https://ch:8443", "clickhouse.url", "https://ch:8443"),
        ("CLICKHOUSE_PASSWORD", "s3cret", "clickhouse.password", Secret("s3cret")),
        ("COMPACT_TOUCH_INTERVAL", "0.5", "compact.touch_interval", 0.5),
        ("CLICKHOUSE_REPLICATED", "true", "clickhouse.replicated", True),
        ("LOG_FORMAT", "text", "log.format", "text"),
        (
            "TEMPLATES",
            '[{"name": "a", "url": "https://h/t?s=%selector%"}]',
            "templates",
            (Template(name="a", url="https://h/t?s=%selector%"),),
        ),
    ],
)
def test_a_variable_sets_its_field_and_no_other(variable: str, value: str, path: str, expected: object) -> None:
    section, _, name = path.rpartition(".")
    if section:
        expected = msgspec.structs.replace(getattr(Settings(), section), **{name: expected})
        name = section
    assert read(**{variable: value}) == msgspec.structs.replace(Settings(), **{name: expected}) != Settings()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"INGEST_PROT": "1"}, "PUSHTOKENS_INGEST_PROT is not a setting"),
        ({"INGEST_PORT": "eighty"}, "setting `ingest.port`: a whole number is expected"),
        ({"CLICKHOUSE_REPLICATED": "maybe"}, "setting `clickhouse.replicated`: `true` or `false` is expected"),
        ({"INGEST_PORT": "0"}, "setting `ingest.port`: Expected `int` >= 1"),
        ({"INGEST_PORT": "65536"}, "ingest.port"),
        ({"PARTITIONS": "-1"}, "partitions"),
        ({"DATA_DIR": ""}, "data_dir"),
        ({"COMPACT_LATE_AFTER": "0"}, "compact.late_after"),
        ({"LOG_LEVEL": "LOUD"}, "log.level"),
        ({"KAFKA_TOPIC_PREFIX": "a b"}, "kafka.topic_prefix"),
        ({"CLICKHOUSE_DATABASE": "x; DROP"}, "clickhouse.database"),
        ({"TEMPLATES": "[{"}, "PUSHTOKENS_TEMPLATES must be a JSON list"),
        ({"TEMPLATES": '[{"name": "a", "url": "u", "colour": 1}]'}, "colour"),
        ({"TEMPLATES": '[{"name": "A B", "url": "u"}]'}, "templates"),
        ({"INGEST": "1"}, "PUSHTOKENS_INGEST is not a setting"),
        ({"INGEST_PORT_FILE": "/etc/hostname"}, "PUSHTOKENS_INGEST_PORT_FILE is not a setting"),
    ],
)
def test_what_cannot_be_used_is_named(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(**variables)
    assert message in str(raised.value)


def config(tmp_path: Path, text: str, **variables: str) -> Settings:
    path = tmp_path / "pushtokens.toml"
    path.write_text(text, encoding="utf-8")
    return read(CONFIG=str(path), **variables)


TOML = """
partitions = 6
[ingest]
port = 1080
retry_after = 9
[[templates]]
name = "main"
url = "https://h/token/?s=%selector%"
auth = "parameter"
auth_parameter = "key"
auth_password = "p4ss"
"""


def test_a_toml_file_and_variables_that_win(tmp_path: Path) -> None:
    found = config(tmp_path, TOML, INGEST_PORT="2080")
    assert (found.partitions, found.ingest.port, found.ingest.retry_after) == (6, 2080, 9)
    assert found.templates[0].auth_password == Secret("p4ss")


@pytest.mark.parametrize(
    ("text", "variables", "message"),
    [
        ("partitions =", {}, "not valid TOML"),
        ("[ingest]\ncolour = 1", {}, "colour"),
        ("ingest = 3", {"INGEST_PORT": "1"}, "`ingest` in the TOML file must be a table"),
        ("[clickhouse]\npassword = 5", {}, "clickhouse.password"),
        ("[nothing]\n", {}, "nothing"),
    ],
)
def test_a_toml_file_that_cannot_be_used(tmp_path: Path, text: str, variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        config(tmp_path, text, **variables)
    assert message in str(raised.value)


def test_what_is_wrong_in_the_file_is_said_with_its_name_and_what_is_in_a_variable_is_not(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"pushtokens\.toml: .*colour"):
        config(tmp_path, "[ingest]\ncolour = 1")
    with pytest.raises(SettingsError, match=r"^setting `ingest\.port`"):
        config(tmp_path, "partitions = 6", INGEST_PORT="eighty")


def test_a_toml_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"PUSHTOKENS_CONFIG: cannot read .*missing\.toml: No such file"):
        read(CONFIG=str(tmp_path / "missing.toml"))
    (tmp_path / "bytes.toml").write_bytes(b'data_dir = "\xff"')
    with pytest.raises(SettingsError, match="not valid TOML"):
        read(CONFIG=str(tmp_path / "bytes.toml"))


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("k3y with space \n", encoding="utf-8")
    assert read(LOOKUP_API_KEY_FILE=str(path)).lookup.api_key == Secret("k3y with space ")
    with pytest.raises(SettingsError, match="PUSHTOKENS_LOOKUP_API_KEY_FILE: cannot read"):
        read(LOOKUP_API_KEY_FILE=str(tmp_path / "missing"))


def secret_variables() -> list[str]:
    return [
        f"{top}_{name}".upper()
        for top, section in get_type_hints(Settings).items()
        if isinstance(section, type) and issubclass(section, msgspec.Struct)
        for name, kind in get_type_hints(section).items()
        if kind is Secret
    ]


def test_settings_never_show_a_secret() -> None:
    names = secret_variables()
    assert "CLICKHOUSE_PASSWORD" in names and "LOOKUP_API_KEY" in names
    found = read(**dict.fromkeys(names, "s3cret-text"))
    assert "s3cret-text" not in f"{found!r} {found}"
    assert repr(found).count("Secret(***)") == len(names)


@pytest.mark.parametrize(
    "text",
    ["password = 1337133713371337", "[lookup]\napi_key = [ 'hush-hush' ]", "[lookup]\napi_key = { a = 'hush-hush' }"],
)
def test_an_error_never_shows_what_was_given(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as raised:
        config(tmp_path, text)
    assert "hush" not in str(raised.value) and "1337" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "partitions", "replicas", "bootstrap", "url"),
    [
        ({}, 4, 1, "127.0.0.1:9092", "http://127.0.0.1:8123"),
        ({"KAFKA_PORT": "5", "CLICKHOUSE_PORT": "6"}, 4, 1, "127.0.0.1:5", "http://127.0.0.1:6"),
        ({"KAFKA_BOOTSTRAP": "k:1"}, 8, 3, "k:1", "http://127.0.0.1:8123"),
        (
            {"KAFKA_BOOTSTRAP": "k:1", "PARTITIONS": "2", "REPLICATION_FACTOR": "1"},
            2,
            1,
            "k:1",
            "http://127.0.0.1:8123",
        ),
        ({"CLICKHOUSE_URL": "http://c:2"}, 4, 1, "127.0.0.1:9092", "http://c:2"),
    ],
)
def test_embedded_or_external(given: dict[str, str], partitions: int, replicas: int, bootstrap: str, url: str) -> None:
    found = read(**given)
    assert (found.partition_count, found.replicas) == (partitions, replicas)
    assert (found.bootstrap, found.clickhouse_url) == (bootstrap, url)
    assert found.embedded_kafka == ("KAFKA_BOOTSTRAP" not in given)
    assert found.embedded_clickhouse == ("CLICKHOUSE_URL" not in given)


def test_settings_do_not_change() -> None:
    frozen: Any = Settings()
    with pytest.raises(AttributeError):
        frozen.partitions = 3
    with pytest.raises(AttributeError):
        frozen.kafka.port = 3


def test_a_late_producer_is_given_up_only_when_its_records_are_late() -> None:
    """What a stuck producer still writes after a newer one took over must count as late (design.md section 5)."""
    assert Settings().ingest.stuck_after > Settings().compact.late_after
