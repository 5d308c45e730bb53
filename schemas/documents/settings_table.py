"""`docs/settings.md`: every setting with its variable, type, default and the remark beside it in the source."""

import ast
import inspect
import io
import sys
import tokenize
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from schemas.secret import Secret
from schemas.settings import Settings, Template
from schemas.settings_ingest import SigningKey
from schemas.settings_source import CONFIG, PREFIX

_HEAD: Final = f"""\
# Settings

Written by `make documents` from `schemas/settings*.py`; a test fails when the two differ.

Each setting is an environment variable, or a key in the TOML file that `{CONFIG}` names. The variable wins.
A secret may also be given as the path of a file that holds it: the variable's name with `_FILE` behind. An unknown
name, a wrong type or a value out of range stops the start, and the message names the setting.

```toml
# pushtokens.toml                        # the same as a variable
partitions = 8                           # {PREFIX}PARTITIONS=8
[ingest]
port = 8080                              # {PREFIX}INGEST_PORT=8080
[[templates]]                            # {PREFIX}TEMPLATES='[{{"name": "main", "url": "…"}}]'
name = "main"
url = "https://push.example.net/token/?u=%account[username]%&s=%selector%&t=%pushTokenIncomingCall%"
```
"""
_PLAIN: Final = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Secret: "secret"}


def settings_table() -> str:
    """The page as Markdown (str)."""
    parts = [_HEAD, "## At the top\n", _table(Settings, "", "")]
    for name, kind in get_type_hints(Settings).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            parts += [f"## `[{name}]`\n", _sentence(kind), _table(kind, f"{name}.", f"{name.upper()}_")]
    for name, kind in (("templates", Template), ("templates.auth_keys", SigningKey)):
        parts += [f"## `[[{name}]]`\n", _sentence(kind), _table(kind, "", None)]
    return "\n".join(parts)


def _sentence(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split()) + "\n"


def _table(kind: type[msgspec.Struct], dotted: str, variable: str | None) -> str:
    """One section. `variable`: what stands behind the prefix in a variable's name; None: there is no variable."""
    found = remarks(kind)
    name = "setting" if variable is None else "setting | variable"
    lines = [f"| {name} | type | default | |", f"|{'---|' * (name.count('|') + 4)}"]
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        if isinstance(hints[field.name], type) and issubclass(hints[field.name], msgspec.Struct):
            continue
        cells = [f"`{dotted}{field.name}`"]
        if variable is not None:
            cells.append(f"`{PREFIX}{variable}{field.name.upper()}`")
        cells += [_type(hints[field.name]), _default(field), found.get(field.name, "")]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _type(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        base, *metas = get_args(hint)
        return ", ".join([_type(base), *(part for meta in metas for part in _limits(meta))])
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(f"`{value}`" if value else "nothing" for value in get_args(hint))
    if get_origin(hint) is tuple and get_origin(inner := get_args(hint)[0]) is Literal:
        return "list of " + ", ".join(f"`{value}`" for value in get_args(inner))
    return _PLAIN.get(hint, "list of tables (JSON in the variable)")


def _limits(meta: msgspec.Meta) -> Iterator[str]:
    if meta.ge is not None and meta.le is not None:
        yield f"{meta.ge} to {meta.le}"
    elif meta.ge is not None:
        yield f"{meta.ge} or more"
    elif meta.gt is not None:
        yield f"over {meta.gt}"
    if meta.max_length is not None:
        yield f"{meta.max_length} characters at most"
    if meta.pattern is not None:
        yield f"`{meta.pattern}`"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "must be given"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "" if isinstance(value, Secret) or value in ("", ()) else f"`{value}`"


def remarks(kind: type) -> dict[str, str]:
    """Field name to the comment on its own line or lines in the source."""
    text = inspect.getsource(sys.modules[kind.__module__])
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    lines = range(field.lineno, (field.end_lineno or field.lineno) + 1)
                    found[field.target.id] = " ".join(comments[line] for line in lines if line in comments)
    return found
