"""Settings as environment variables, so that a child process has exactly its parent's: `read_settings` turned round."""

from collections.abc import Mapping

import msgspec

from schemas.secret import Secret
from schemas.settings import Settings
from schemas.settings_source import PREFIX


def environment(settings: Settings, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables of a child process: `inherited` without our own, and every setting that is not its default.

    Secrets are given in the clear, as they have to be; a process's environment is readable by its own user only.
    """
    found = {name: text for name, text in inherited.items() if not name.startswith(PREFIX)}
    for name, value in _differing(settings, Settings()).items():
        found[PREFIX + name.upper()] = value
    return found


def _differing(settings: msgspec.Struct, defaults: msgspec.Struct, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name in settings.__struct_fields__:
        value, default = getattr(settings, name), getattr(defaults, name)
        if isinstance(value, msgspec.Struct):
            found |= _differing(value, default, f"{prefix}{name}_")
        elif value != default:
            found[prefix + name] = _text(value)
    return found


def _text(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return msgspec.json.encode(value, enc_hook=_reveal).decode()
    return str(value)


def _reveal(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} is not a setting's type")
