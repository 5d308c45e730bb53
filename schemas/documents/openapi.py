"""The OpenAPI 3.1 document of the HTTP interfaces: the ingress with its built-in templates, and the lookup API."""

from typing import Any, Final

import msgspec

from schemas.lookup import AccountAnswer, SelectorAnswer, SelectorsAnswer, SelectorsQuery

_INGEST: Final = [{"url": "http://127.0.0.1:8080", "description": "ingress"}]
_LOOKUP: Final = [{"url": "http://127.0.0.1:6066", "description": "lookup API"}]
_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_FORM: Final = "application/x-www-form-urlencoded"

# The names of the specification's own query template; the others it knows mean the same and are matched in any case.
_NAMES: Final = {
    "username": "The account's user name.",
    "selector": "Identifies the account (specification, `selector`).",
    "token_calls": "Push token for incoming calls (`pushTokenIncomingCall`).",
    "appid_calls": "App id to use with it (`app_id_calls`, `pushappid_incoming_call`).",
    "token_msgs": "Push token for everything else (`pushTokenOther`, `pushToken`).",
    "appid_msgs": "App id to use with it (`app_id_msgs`, `pushappid_other`, `pushappid`, `appid`).",
    "installid": "Survives updates, lost on uninstall.",
}
# The specification's own example.
_EXAMPLES: Final = {
    "username": "johndow",
    "selector": "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14",
    "token_calls": "Udl99X2JFP1bWwS5gR/wGeLE1hmAB2CMpr1Ej0wxkrY=",
    "appid_calls": "com.cloudsoftphone.app.pushkit",
    "token_msgs": "QVBBOTFiRzlhcVd2bW54bllCWldHOWh4dnRrZ3pUWFNvcGZpdWZ6bWM2dFAzS2J",
    "appid_msgs": "com.cloudsoftphone.app",
}
_REFUSALS: Final = {
    "400": "A value that cannot be, two different ones for one variable, or no selector.",
    "401": "A template that asks for a login.",
    "403": "A wrong shared secret, or a removal that is off.",
    "404": "No template has this path.",
    "405": "This path has other methods.",
    "408": "The request did not arrive in time.",
    "413": "The body is too large.",
    "414": "The URL is too long.",
    "431": "The header is too large.",
    "415": "A body that is neither form nor JSON, where the selector is not in path or query.",
}
_AGAIN: Final = {
    "429": "Too many of one selector, account or address.",
    "503": "Kafka does not confirm now, or too much waits for it.",
}


def openapi() -> dict[str, Any]:
    """The document (dict) for the default ports and the built-in templates."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Push-token pipeline",
            "version": "1",
            "description": "The ingress takes what the operator's templates say; shown are the built-in ones, in force "
            "while none are configured. Values are taken from path, query and body, in this order.",
        },
        "paths": _ingest() | _lookup() | _own(),
        "components": {"schemas": _schemas(), "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _ingest() -> dict[str, Any]:
    pushed = "/pushToken/{username}/{selector}/{token}&appid={appid}"
    return {
        "/token/": _service(("get", "post", "put"), ("delete",), ()),
        "/token/{username}/": _service(("get", "post", "put"), ("delete",), ("username",)),
        pushed: _service(("get", "post", "put"), (), ("username", "selector", "token", "appid")),
        "/account-removal/": _service((), ("get", "post"), ()),
    }


def _service(reports: tuple[str, ...], removals: tuple[str, ...], in_path: tuple[str, ...]) -> dict[str, Any]:
    """A path of the ingress, with the methods that report and those that remove."""
    item: dict[str, Any] = {"servers": _INGEST}
    if in_path:
        item["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in in_path]
    for method in (*reports, *removals):
        what = "Report the push tokens of a selector" if method in reports else "Remove a selector (log-out)"
        operation: dict[str, Any] = {"summary": what, "responses": _taken()}
        # Elsewhere the selector may stand in the body.
        needed = {"selector"} if method in ("get", "delete") else set()
        operation["parameters"] = [_named(name, name in needed) for name in _NAMES if name not in in_path]
        if method in ("post", "put"):
            body = {"schema": {"$ref": "#/components/schemas/Names"}}
            operation["requestBody"] = {"content": {_FORM: body, "application/json": body}}
        item[method] = operation
    return item


def _named(name: str, required: bool) -> dict[str, Any]:
    """A parameter of the query."""
    found: dict[str, Any] = {"name": name, "in": "query", "description": _NAMES[name], "schema": _TEXT}
    if required:
        found["required"] = True
    return found | ({"example": _EXAMPLES[name]} if name in _EXAMPLES else {})


def _taken() -> dict[str, Any]:
    """The answers of the ingress: an empty 200 once Kafka has confirmed, or a refusal."""
    found: dict[str, Any] = {"200": {"description": "Kafka has confirmed the record. No content type, no body."}}
    for status, text in _REFUSALS.items():
        found[status] = {"description": text, "content": _PROBLEM}
    for status, text in _AGAIN.items():
        header = {"Retry-After": {"description": "s", "schema": {"type": "integer", "minimum": 1}}}
        found[status] = {"description": f"{text} The app tries again later.", "headers": header, "content": _PROBLEM}
    return found


def _lookup() -> dict[str, Any]:
    one = _asked("The newest pairs of a selector", "SelectorAnswer", "Unknown selector.")
    account = _asked("All selectors of an account", "AccountAnswer", "Unknown account.")
    many = _asked("Many selectors at once", "SelectorsAnswer", None)
    query = {"$ref": "#/components/schemas/SelectorsQuery"}
    many["requestBody"] = {"required": True, "content": {"application/json": {"schema": query}}}
    many["responses"] |= {
        "400": {"description": "The body is no such query.", "content": _PROBLEM},
        "413": {"description": "Too many selectors.", "content": _PROBLEM},
    }
    return {
        "/v1/selectors/{selector}": {"servers": _LOOKUP, "parameters": [_parameter("selector")], "get": one},
        "/v1/accounts/{username}": {"servers": _LOOKUP, "parameters": [_parameter("username")], "get": account},
        "/v1/selectors": {"servers": _LOOKUP, "post": many},
    }


def _asked(what: str, answer: str, unknown: str | None) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{answer}"}
    responses: dict[str, Any] = {
        "200": {"description": "Found.", "content": {"application/json": {"schema": schema}}},
        "401": {"description": "An API key is needed.", "content": _PROBLEM},
        "503": {"description": "The holder of a partition cannot answer now; never a wrong 404.", "content": _PROBLEM},
    }
    if unknown is not None:
        responses["404"] = {"description": unknown, "content": _PROBLEM}
    return {"summary": what, "security": [{}, {"key": []}], "responses": responses}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _own() -> dict[str, Any]:
    """What every role answers about itself, on its own port."""
    servers = [*_INGEST, *_LOOKUP]
    ready = {"200": {"description": "It can."}, "503": {"description": "It cannot; the body says why."}}
    asked = {
        "/healthz": ("Whether the process is alive", {"200": {"description": "It is."}}),
        "/readyz": ("Whether it can do its work now", ready),
        "/metrics": ("Prometheus text, all workers together", {"200": {"description": "The metrics."}}),
    }
    return {
        path: {"servers": servers, "get": {"summary": what, "responses": answers}}
        for path, (what, answers) in asked.items()
    }


_TEXT: Final = {"type": "string"}


def _schemas() -> dict[str, Any]:
    _, parts = msgspec.json.schema_components(
        [SelectorAnswer, AccountAnswer, SelectorsQuery, SelectorsAnswer], ref_template="#/components/schemas/{name}"
    )
    for part in parts.values():
        if "description" in part:
            part["description"] = " ".join(str(part["description"]).split())
    names = {name: {"type": ["string", "null"], "description": text} for name, text in _NAMES.items()}
    problem = {
        "type": "object",
        "description": "RFC 9457.",
        "required": ["title", "status"],
        "properties": {
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "reason": {"type": "string", "description": "One word for programs."},
            "field": {"type": "string", "description": "The field that is to blame."},
            "instance": {"type": "string", "description": "urn:uuid: and the request's id, which the log has too."},
        },
    }
    return dict(
        sorted(
            {
                **parts,
                "Names": {"type": "object", "properties": names, "examples": [_EXAMPLES]},
                "Problem": problem,
            }.items()
        )
    )
