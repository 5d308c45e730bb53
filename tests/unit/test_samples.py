"""The sample settings say nothing that the code does not know."""

import tomllib
from pathlib import Path

from schemas.settings import Settings
from schemas.settings_source import read_settings

SAMPLES = Path(__file__).resolve().parent.parent.parent / "deploy" / "samples"
DEFAULTS = Settings()


def test_the_full_sample_is_the_defaults() -> None:
    assert read_settings({"PUSHTOKENS_CONFIG": str(SAMPLES / "full.toml")}) == Settings()


def test_the_full_sample_names_every_setting() -> None:
    tree = tomllib.loads((SAMPLES / "full.toml").read_text(encoding="utf-8"))
    for name in Settings.__struct_fields__:
        value = getattr(DEFAULTS, name)
        if name == "templates":
            continue  # a list of tables: shown in a remark, since an example there would switch the built-in ones off
        if hasattr(value, "__struct_fields__"):
            assert set(tree[name]) == set(value.__struct_fields__)
        else:
            assert name in tree


def test_the_minimal_sample_is_an_external_kafka_and_clickhouse() -> None:
    settings = read_settings({"PUSHTOKENS_CONFIG": str(SAMPLES / "minimal.toml")})
    assert not settings.embedded_kafka
    assert not settings.embedded_clickhouse
    assert (settings.partition_count, settings.replicas) == (8, 3)
