"""What a template says about authentication, checked at start. Pure."""

import re
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from ingest.names import Names
from ingest.template_text import Piece, TextError, Variable
from schemas.secret import Secret
from schemas.settings import Template

# Where the shared secret stands in a path: `https://h/r/%secret%/%selector%/…`. No variable of the app's.
PLACE: Final = "secret"
SIGNATURE: Final = "sig"  # the parameter of a signed URL, unless the template names another
MODES: Final[dict[str, frozenset[str]]] = {
    mode: frozenset(f"auth_{name}" for name in names.split())
    for mode, names in {
        "none": "",
        "parameter": "password previous_password parameter",
        "path": "password previous_password",
        "header": "password previous_password header",
        "basic": "username password previous_password users_file callback realm algorithms username_differs",
        "digest": "username password previous_password users_file callback realm algorithms username_differs",
        "signed": "keys parameter username_differs",
        "external": "check_url parameter realm username_differs",
    }.items()
}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 section 5.6.2
_ENTRY: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)
_SHORTEST_KEY: Final = 16  # characters; RFC 2104 section 3 advises as many bytes as the hash has


class Declared(Struct, frozen=True):
    """What `declared` found: the secrets that count (Secret), the parameter whose values are kept aside, the names of
    query and body without it."""

    secrets: tuple[Secret, ...]
    parameter: str
    query: Names
    body: Names


def declared(template: Template, path: tuple[Piece, ...], query: Names, body: Names) -> Declared:
    """Check the `auth…` settings of a template.

    Args:
        template: as the operator wrote it.
        path: its path, taken apart.
        query, body: its names in both places.

    Raises:
        TextError: settings that are missing, of another mode, or contradict each other.
    """
    _only_its_own(template)
    places = sum(isinstance(part, Variable) and part.name == PLACE for part in path)
    if places != (template.auth == "path"):
        raise TextError(f"auth `path` and one %{PLACE}% in the path belong together")
    secrets = tuple(secret for secret in (template.auth_password, template.auth_previous_password) if secret)
    if template.auth == "parameter":
        return _parameter(template, query, body)
    if template.auth in ("path", "header"):
        _shared(template)
    elif template.auth in ("basic", "digest"):
        _accounts(template)
    elif template.auth == "signed":
        return _signed(template, query, body)
    elif template.auth == "external":
        return _external(template, query, body)
    return Declared(secrets, "", query, body)


def personal(template: Template) -> bool:
    """Whether its credentials are those of accounts, each its own."""
    in_list = template.auth in ("basic", "digest") and bool(template.auth_users_file or template.auth_callback)
    return in_list or template.auth in ("signed", "external")


def _only_its_own(template: Template) -> None:
    """A setting that its mode does not use is a mistake, and perhaps an open door."""
    for setting in msgspec.structs.fields(template):
        if not setting.name.startswith("auth_") or setting.name in MODES[template.auth]:
            continue
        default = Secret() if setting.default is msgspec.NODEFAULT else setting.default
        if getattr(template, setting.name) != default:
            raise TextError(f"auth `{template.auth}` does not use {setting.name}")


def _shared(template: Template) -> None:
    if not template.auth_password:
        raise TextError(f"auth `{template.auth}` needs auth_password, the shared secret")
    if template.auth == "header" and not _TOKEN.fullmatch(template.auth_header):
        raise TextError("auth `header` needs auth_header, the name of the header that carries the shared secret")


def _accounts(template: Template) -> None:
    one = bool(template.auth_username or template.auth_password or template.auth_previous_password)
    if one + bool(template.auth_users_file) + bool(template.auth_callback) > 1:
        raise TextError("accounts come from one place: auth_username, auth_users_file or auth_callback")
    if template.auth_callback and not _ENTRY.fullmatch(template.auth_callback):
        raise TextError("auth_callback must be `module:function`")
    if template.auth_users_file or template.auth_callback:
        return
    if not template.auth_username or not template.auth_password:
        needed = "auth_username and auth_password, or auth_users_file, or auth_callback"
        raise TextError(f"auth `{template.auth}` needs {needed}")
    if ":" in template.auth_username and template.auth == "basic":
        raise TextError("a user name with a colon cannot be told from its password in auth `basic` (RFC 7617)")
    if template.auth_username_differs:
        raise TextError("auth_username_differs is about accounts, and auth_username is one for all of them")


def _parameter(template: Template, query: Names, body: Names) -> Declared:
    name = template.auth_parameter
    if not name:
        raise TextError("auth `parameter` needs auth_parameter, the name that carries the shared secret")
    if any(name in place.patterns and place.patterns[name].fields != (None,) for place in (query, body)):
        raise TextError(f"`{name}` carries the shared secret and a %variable% at once")
    written = {place.literals[name] for place in (query, body) if name in place.literals}
    if template.auth_password:
        written.add(template.auth_password.reveal())
    if len(written) != 1:
        raise TextError(f"auth `parameter` needs one secret: auth_password, or a fixed value of `{name}`")
    secrets = [Secret(written.pop())]
    if template.auth_previous_password:
        secrets.append(template.auth_previous_password)
    return Declared(tuple(secrets), name, _without(query, name), _without(body, name))


def _signed(template: Template, query: Names, body: Names) -> Declared:
    name = template.auth_parameter or SIGNATURE
    if not template.auth_keys:
        raise TextError("auth `signed` needs auth_keys")
    ids = [key.id for key in template.auth_keys]
    if len(set(ids)) < len(ids):
        raise TextError("two of its auth_keys have the same id")
    short = [key.id for key in template.auth_keys if len(key.secret.reveal()) < _SHORTEST_KEY]
    if short:
        raise TextError(f"the secret of auth key `{short[0]}` must have {_SHORTEST_KEY} characters or more")
    if any(name in place.patterns or name in place.literals for place in (query, body)):
        raise TextError(f"`{name}` carries the signature, which `account-xml` adds: leave it out of the template")
    return Declared((), name, query, body)


def _external(template: Template, query: Names, body: Names) -> Declared:
    if not _is_url(template.auth_check_url.reveal()):
        raise TextError("auth `external` needs auth_check_url, http(s)://host[:port]/path")
    name = template.auth_parameter
    if not name:
        return Declared((), "", query, body)
    if template.auth_username_differs:
        raise TextError("with auth_parameter the reported name is the one that is checked: drop auth_username_differs")
    found = [place.patterns[name].fields for place in (query, body) if name in place.patterns]
    if not found or any(fields != (None,) for fields in found):
        raise TextError(f"auth `external` with auth_parameter needs `{name}=%account[password]%` in the template")
    return Declared((), name, _without(query, name), _without(body, name))


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.fragment
    except ValueError:
        return False


def _without(names: Names, name: str) -> Names:
    patterns = {key: value for key, value in names.patterns.items() if key != name}
    literals = {key: value for key, value in names.literals.items() if key != name}
    return Names(patterns=patterns, literals=literals, nested=names.nested, fold=names.fold)
