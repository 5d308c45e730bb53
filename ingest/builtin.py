"""The templates in force while the operator configures none (design.md section 3): every one the specification prints,
and every example of it, under any of its own names."""

from typing import Final

import msgspec

from ingest.names import Names
from ingest.pattern import Pattern
from ingest.template import Compiled, compile_template
from ingest.variables import Field
from schemas.settings import Template

# The specification's example host; `account-xml --base-url` puts the operator's own in its place.
HOST: Final = "https://example.com"

# Lower case: matched whatever the case (the specification itself writes `appid_calls` and `appId_calls`).
ALIASES: Final[dict[str, Field]] = {
    "selector": "selector",
    "username": "username",
    "token_calls": "calls_token",
    "pushtokenincomingcall": "calls_token",
    "appid_calls": "calls_app_id",
    "app_id_calls": "calls_app_id",
    "pushappid_incoming_call": "calls_app_id",
    "token_msgs": "other_token",
    "pushtokenother": "other_token",
    "pushtoken": "other_token",
    "appid_msgs": "other_app_id",
    "app_id_msgs": "other_app_id",
    "pushappid_other": "other_app_id",
    "pushappid": "other_app_id",
    "appid": "other_app_id",
    "installid": "install_id",
}

_PAIRS: Final = (
    "username=%account[username]%&selector=%selector%&token_calls=%pushTokenIncomingCall%"
    "&appid_calls=%pushappid_incoming_call%&token_msgs=%pushTokenOther%&appid_msgs=%pushappid_other%"
)
_JSON: Final = """{
  "username" : "%account[username]%",
  "token_calls" : "%pushTokenIncomingCall%",
  "token_msgs" : "%pushTokenOther%",
  "selector" : "%selector%",
  "appId_calls": "%pushappid_incoming_call%",
  "appId_msgs" : "%pushappid_other%"
}"""

# What an operator pastes into the account XML, in the order in which `account-xml` offers it.
PASTED: Final[tuple[Template, ...]] = (
    Template(name="query", url=f"{HOST}/token/?{_PAIRS}"),
    Template(name="form", url=f"{HOST}/token/", post_data=_PAIRS),
    Template(name="json", url=f"{HOST}/token/", post_data=_JSON, content_type="application/json"),
    Template(name="path", url=f"{HOST}/pushToken/%account[username]%/%selector%/%pushToken%&appid=%pushappid%"),
    Template(
        name="removal",
        kind="removal",
        url=f"{HOST}/account-removal/?username=%account[username]%&selector=%selector%",
    ),
)

_NAMES: Final = Names(patterns={name: Pattern(None, (field,)) for name, field in ALIASES.items()}, fold=True)
_REPORT: Final = frozenset({"GET", "POST", "PUT"})
_PATHS: Final = (
    ("token", "/token/"),
    ("token-username", "/token/%account[username]%/"),
    ("path", "/pushToken/%account[username]%/%selector%/%pushToken%&appid=%pushappid%"),
)


def builtin() -> tuple[Compiled, ...]:
    """The built-in templates, compiled."""
    reports = [_compile(name, path, "report", _REPORT) for name, path in _PATHS]
    return (
        *reports,
        _compile("token-removal", "/token/", "removal", frozenset({"DELETE"})),
        _compile("token-username-removal", "/token/%account[username]%/", "removal", frozenset({"DELETE"})),
        _compile("account-removal", "/account-removal/", "removal", frozenset({"GET", "POST"})),
    )


def _compile(name: str, path: str, kind: str, methods: frozenset[str]) -> Compiled:
    """A path of the specification with all the names of it in query and body."""
    known = "" if "%selector%" in path else "?selector=%selector%&token_calls=%pushTokenIncomingCall%"
    template = Template(name=name, url=f"{HOST}{path}{known}")
    compiled = compile_template(template)
    return msgspec.structs.replace(
        compiled,
        kind=kind,
        methods=methods,
        open_methods=frozenset(),
        query=_NAMES,
        body=_NAMES,
    )
