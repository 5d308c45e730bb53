"""The `%variables%` of the specification: what each fills in our record, and which characters its values hold."""

import re
import string
from typing import Final, Literal

Field = Literal["selector", "username", "calls_token", "calls_app_id", "other_token", "other_app_id", "install_id"]

FIELDS: Final[tuple[Field, ...]] = (
    "selector",
    "username",
    "calls_token",
    "calls_app_id",
    "other_token",
    "other_app_id",
    "install_id",
)
TOKENS: Final[frozenset[Field]] = frozenset({"calls_token", "other_token"})

# Specification, "Parameters"; `installid` and the account's user names: companions.md.
VARIABLES: Final[dict[str, Field]] = {
    "selector": "selector",
    "pushToken": "other_token",
    "pushTokenOther": "other_token",
    "pushTokenIncomingCall": "calls_token",
    "pushappid": "other_app_id",
    "pushappid_other": "other_app_id",
    "pushappid_incoming_call": "calls_app_id",
    "account[username]": "username",
    "username": "username",
    "installid": "install_id",
}
# The user name for authentication names the account only where the template has no better name for it.
FALLBACKS: Final[dict[str, Field]] = {"account[authUsername]": "username", "authUsername": "username"}

# A value that the app sent as it stands in the template, because it knew no value (companions.md).
PLACEHOLDER: Final = re.compile(r"%[A-Za-z_]\w*(?:(?:\[|%5B)\w+(?:\]|%5D))?%", re.IGNORECASE | re.ASCII)

_NAME: Final = string.ascii_letters + string.digits
# Which characters stand for themselves in a value sent raw (not percent-encoded); anything else arrives encoded.
ALPHABETS: Final[dict[Field, frozenset[str]]] = {
    "selector": frozenset(_NAME + ":-_."),  # a SHA1 in hex, `:`, a suffix
    "username": frozenset(_NAME + "+@.-_~!*'(),;:$"),  # RFC 3261 `user`, less what separates in a URL
    "calls_token": frozenset(_NAME + "+/=-_:.~"),  # base64, base64url, FCM's own `:`
    "other_token": frozenset(_NAME + "+/=-_:.~"),
    "calls_app_id": frozenset(_NAME + ".-_"),
    "other_app_id": frozenset(_NAME + ".-_"),
    "install_id": frozenset(_NAME + "-_.:{}"),
}
# A variable without a meaning here may hold any printable sign that separates nothing in a URL.
ANY: Final = frozenset(chr(code) for code in range(0x20, 0x7F)) - frozenset("/&?#")


def alphabet(field: Field | None) -> frozenset[str]:
    """The characters (set of one-letter str) that may stand raw in a value of `field`; None: it is dropped."""
    return ANY if field is None else ALPHABETS[field]
