"""`deploy/samples/full.toml`: every setting at its default, with its remark."""

from typing import Any, Final, get_type_hints

import msgspec

from schemas.documents.settings_table import remarks
from schemas.secret import Secret
from schemas.settings import Settings
from schemas.settings_source import CONFIG

_HEAD: Final = f"""\
# Every setting at its default. Written by `make documents` from `schemas/settings.py`; a test fails when they differ.
# Copy what you change into a file of your own and name it in {CONFIG}. Types and variables: docs/settings.md.
"""
_TEMPLATE: Final = """\
# An operator's own template; while there is one, the built-in ones are off (docs/templates.md).
# [[templates]]
# name = "main"
# url = "https://push.example.net/token/?u=%account[username]%&s=%selector%&t=%pushTokenIncomingCall%"
# auth = "digest"  # who may report: docs/security.md
# auth_users_file = "/etc/pushtokens/users"
"""


def settings_sample() -> str:
    """The file as TOML (str)."""
    defaults = Settings()
    parts = [_HEAD, _section(Settings, defaults)]
    for name, kind in get_type_hints(Settings).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            parts.append(f"[{name}]\n{_section(kind, getattr(defaults, name))}")
    return "\n".join([*parts, _TEMPLATE])


def _section(kind: type[msgspec.Struct], defaults: Any) -> str:
    said = remarks(kind)
    lines = []
    for name in kind.__struct_fields__:
        value = getattr(defaults, name)
        if not isinstance(value, (msgspec.Struct, tuple)):
            line = f"{name} = {_value(value)}"
            lines.append(f"{line}  # {said[name]}" if said.get(name) else line)
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if isinstance(value, Secret):
        return '""'
    if isinstance(value, bool):
        return str(value).lower()
    return msgspec.json.encode(value).decode()  # texts and numbers are written alike in JSON and TOML
