"""The shapes in which apps report, as the specification's templates and real deployments have them (companions.md)."""

import json
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from deploy.simulate.phone import Phone
from deploy.simulate.request import Wire
from schemas.records import Pair

PASSWORD: Final = "simulated-password"  # sent as many apps do; it must be dropped at the edge
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"

# How an app writes a token it does not have yet; None: it leaves the name out.
_ABSENT: Final = ("", "null", "(null)", "%pushTokenOther%", None)

Content = dict[str, str | None]  # names and values in the template's order; None is JSON null
Names = tuple[str, str, str, str, str, str]

_LONG: Final[Names] = ("username", "selector", "token_calls", "appid_calls", "token_msgs", "appid_msgs")
_VARIABLES: Final[Names] = (
    "username",
    "selector",
    "pushTokenIncomingCall",
    "pushappid_incoming_call",
    "pushTokenOther",
    "pushappid_other",
)
_CAMEL: Final[Names] = ("username", "selector", "token_calls", "appId_calls", "token_msgs", "appId_msgs")


def _content(phone: Phone, names: Names, calls: Pair | None, other: Pair | None) -> Content:
    """Names and values; an absent token is written in the phone's own way, and its app id is sent all the same."""
    absent = _ABSENT[phone.habits[3] % len(_ABSENT)]
    found: Content = {names[0]: phone.username, names[1]: phone.selector}
    slots = ((names[2], names[3], calls, phone.calls), (names[4], names[5], other, phone.other))
    for token_name, app_name, pair, known in slots:
        if (token := pair.token if pair else absent) is not None:
            found[token_name] = token
        if known is not None:
            found[app_name] = known.app_id
    return found


def _encoded(phone: Phone, content: Content, prefix: str = "") -> str:
    """`name=value&…`; every eighth phone leaves base64's own signs as they are."""
    safe = "/+=" if phone.habits[4] < 32 else ""
    pairs = ((name, value or "") for name, value in content.items())
    return "&".join(
        # Only base64 is sent raw: in a user name `+` must be escaped, for it means a space there.
        f"{prefix}{name}={value if value.startswith('%push') else quote(value, safe=safe if 'oken' in name else '')}"
        for name, value in pairs
    )


def _extra(phone: Phone, content: Content) -> Content:
    return {**content, "password": PASSWORD, "installid": phone.install_id}


def _get(phone: Phone, calls: Pair | None, other: Pair | None) -> Wire:
    query = _encoded(phone, _extra(phone, _content(phone, _LONG, calls, other)))
    return Wire(method="GET", target=f"/token/?{query}")


def _get_variables(phone: Phone, calls: Pair | None, other: Pair | None) -> Wire:
    query = _encoded(phone, _extra(phone, _content(phone, _VARIABLES, calls, other)))
    return Wire(method="GET", target=f"/token/?{query}")


def _get_escaped_twice(phone: Phone, calls: Pair | None, other: Pair | None) -> Wire:
    query = _encoded(phone, _extra(phone, _content(phone, _LONG, calls, other)), prefix="amp;")
    return Wire(method="GET", target=f"/token/?{query}")


def _form(phone: Phone, calls: Pair | None, other: Pair | None) -> Wire:
    body = _encoded(phone, _extra(phone, _content(phone, _LONG, calls, other)))
    return Wire(method="POST", target="/token/", content_type=FORM, body=body.encode())


def _put(phone: Phone, calls: Pair | None, other: Pair | None) -> Wire:
    body = _encoded(phone, _extra(phone, _content(phone, _VARIABLES, calls, other)))
    return Wire(method="PUT", target="/token/", content_type=FORM, body=body.encode())


def _json(phone: Phone, calls: Pair | None, other: Pair | None) -> Wire:
    body = json.dumps(_extra(phone, _content(phone, _CAMEL, calls, other)), separators=(", ", " : "))
    return Wire(method="POST", target="/token/", content_type=f"{JSON}; charset=utf-8", body=body.encode())


def _json_path(phone: Phone, calls: Pair | None, other: Pair | None) -> Wire:
    content = _content(phone, _LONG, calls, other)
    content.pop("username")
    if other is None:
        content["token_msgs"] = None
    target = f"/token/{quote(phone.username, safe='')}/"
    return Wire(method="POST", target=target, content_type=JSON, body=json.dumps(content).encode())


def _json_as_form(phone: Phone, calls: Pair | None, other: Pair | None) -> Wire:
    return Wire(method="POST", target="/token/", content_type=FORM, body=_json(phone, calls, other).body)


def _query_and_text(phone: Phone, calls: Pair | None, other: Pair | None) -> Wire:
    query = _encoded(phone, _extra(phone, _content(phone, _LONG, calls, other)))
    return Wire(method="POST", target=f"/token/?{query}", content_type="text/plain", body=b"token report")


def _legacy_query(phone: Phone, calls: Pair | None, other: Pair | None) -> Wire:
    del calls
    pair = other or phone.other
    content = {
        "username": phone.username,
        "selector": phone.selector,
        "pushToken": pair.token,
        "pushappid": pair.app_id,
    }
    return Wire(method="GET", target=f"/token/?{_encoded(phone, _extra(phone, content))}")


def _legacy_path(phone: Phone, calls: Pair | None, other: Pair | None) -> Wire:
    """`/pushToken/…/%pushToken%&appid=%pushappid%`: base64's `/` goes raw or as `%2F`."""
    del calls
    pair = other or phone.other
    user, token = quote(phone.username, safe=""), quote(pair.token, safe="/" if phone.habits[4] < 128 else "")
    return Wire(method="GET", target=f"/pushToken/{user}/{quote(phone.selector)}/{token}&appid={pair.app_id}")


Build = Callable[[Phone, Pair | None, Pair | None], Wire]

TWO_PAIRS: Final[dict[str, Build]] = {
    "get": _get,
    "form": _form,
    "json": _json,
    "json_path": _json_path,
    "get_variables": _get_variables,
    "put": _put,
    "json_as_form": _json_as_form,
    "query_and_text": _query_and_text,
    "get_escaped_twice": _get_escaped_twice,
}
ONE_PAIR: Final[dict[str, Build]] = {"legacy_query": _legacy_query, "legacy_path": _legacy_path}
WITHOUT_INSTALL_ID: Final = frozenset({"json_path", "legacy_path"})


def shape_of(phone: Phone) -> str:
    """The shape this phone always reports in: what one pair can say may go in any shape."""
    names = (*TWO_PAIRS, *TWO_PAIRS, *ONE_PAIR) if phone.calls is None else tuple(TWO_PAIRS)
    return names[phone.habits[5] % len(names)]


def report(phone: Phone, shape: str, calls: Pair | None, other: Pair | None) -> Wire:
    """A report in `shape`; a pair of None is one the app does not have (yet)."""
    return (TWO_PAIRS | ONE_PAIR)[shape](phone, calls, other)


def removal(phone: Phone) -> tuple[str, Wire]:
    """A log-out (companions.md, "Account Removal Reporter"): its shape's name and the request."""
    content = _encoded(phone, {"username": phone.username, "selector": phone.selector, "password": PASSWORD})
    choice = phone.habits[6] % 3
    if choice == 0:
        return "removal_get", Wire(method="GET", target=f"/account-removal/?{content}")
    if choice == 1:
        return "removal_form", Wire(method="POST", target="/account-removal/", content_type=FORM, body=content.encode())
    return "removal_delete", Wire(method="DELETE", target=f"/token/?{content}")
