"""One operator template, compiled: the parser of its requests. Pure.

Specification, "Configuration": a URL with `%variables%`, perhaps post data in a content type. What a request must look
like follows from that, and nothing else is configured.
"""

import re
from typing import Final, Literal

from msgspec import Struct

from ingest.auth.declared import declared
from ingest.names import Names, json_names, json_variables, pair_names, pair_variables, parse_json
from ingest.pattern import Pattern, meanings, path_pattern
from ingest.template_text import Piece, TemplateError, TextError, Variable, pieces
from ingest.variables import TOKENS, Field
from schemas.secret import Secret
from schemas.settings import Template

RESERVED: Final = frozenset({"/healthz", "/readyz", "/metrics"})
FORM: Final = "application/x-www-form-urlencoded"
_URL: Final = re.compile(r"https?://([^/?#@\s]+)(/[^?#\s]*)?(?:\?([^#\s]*))?", re.IGNORECASE)
_JSON_TYPE: Final = re.compile(r"(?:application|text)/(?:[\w.-]+\+)?json", re.IGNORECASE)


class Path(Struct, frozen=True):
    """The path of a template.

    Attributes:
        parts: the path taken apart, without a final `/`.
        pattern: parser of `parts`.
        end: what may follow: `closed`, a final `/` or none; `open`, the same, but the last value may be absent, so that
            a final `/` is the one before it; `exact`, nothing, since the last value is a token and may end in `/`.
    """

    parts: tuple[Piece, ...]
    pattern: Pattern
    end: Literal["closed", "open", "exact"]

    def fields(self) -> set[Field]:
        """Every field that some part fills."""
        return {field for field in self.pattern.fields if field is not None}

    def value(self, name: str, raw_path: str) -> str:
        """The raw value (str, percent-encoded; empty if it does not fit) of the variable `name` in a path that came."""
        order = [part.name for part in self.parts if isinstance(part, Variable)].index(name)
        bare = raw_path.removesuffix("/")
        forms = {"closed": (bare,), "open": (raw_path, bare), "exact": (raw_path,)}[self.end]
        assert self.pattern.regex is not None
        found = next(filter(None, map(self.pattern.regex.fullmatch, forms)), None)
        return found[order + 1] if found else ""


class Compiled(Struct, frozen=True, kw_only=True):
    """A template as the ingress uses it.

    Attributes:
        methods: HTTP methods; `open_methods` are more that it takes if no other template at that path wants them.
        query, body: names in the query, and in a form or JSON body; one and the same object where the template has
            variables in one of them only, so that the values may come either way.
        auth_secrets: the shared secret, or the password of Digest and Basic, and the one before it while it counts.
        auth_parameter: the name whose values are kept aside for the gate; empty: there is none.
        source: what the operator wrote.
        removals_off: an unauthenticated removal beside an authenticated report (design.md section 3).
    """

    name: str
    kind: Literal["report", "removal"]
    path: Path
    methods: frozenset[str]
    open_methods: frozenset[str]
    query: Names
    body: Names
    auth: str
    auth_secrets: tuple[Secret, ...]
    auth_parameter: str
    source: Template
    removals_off: bool = False


def compile_template(template: Template) -> Compiled:
    """Compile one template.

    Raises:
        TemplateError: a template that cannot be parsed back without doubt, with the reason.
    """
    try:
        return _compile(template)
    except TextError as error:
        raise TemplateError(template.name, str(error)) from None


def is_json(content_type: str, text: str) -> bool:
    """Whether a body is JSON: its content type says so, or it is the form type (or none) on what starts like JSON."""
    media = content_type.partition(";")[0].strip()
    return names_json(media) or (media.lower() in ("", FORM) and looks_like_json(text))


def names_json(media: str) -> bool:
    """Whether a media type is JSON's."""
    return _JSON_TYPE.fullmatch(media.strip()) is not None


def looks_like_json(text: str) -> bool:
    """Whether a text starts as a JSON object does."""
    return text.lstrip("\ufeff \t\r\n").startswith("{")


def _compile(template: Template) -> Compiled:
    path_text, query_text = _split(template.url)
    path_parts = pieces(path_text, escaped=True)
    document = parse_json(template.post_data) if is_json(template.content_type, template.post_data) else None
    in_path = {part.name for part in path_parts if isinstance(part, Variable)}
    in_body = _body_variables(template, document)
    known = meanings(in_path | pair_variables(query_text) | in_body)
    path = _path(path_parts, known)
    query = pair_names(query_text, known)
    body = _body_names(template, document, known)
    _check_fields(template, path.fields() | query.fields() | body.fields())
    auth = declared(template, path_parts, query, body)
    if (
        auth.parameter
        and template.auth == "external"
        and "username" not in path.fields() | query.fields() | body.fields()
    ):
        raise TextError("auth `external` with auth_parameter needs a user name, such as %account[username]%")
    query, body = _shared(auth.query, auth.body)
    methods = frozenset({template.method or ("POST" if template.post_data else "GET")})
    usual = {"GET", "POST", "PUT"} if template.kind == "report" else {"GET", "POST"}
    return Compiled(
        name=template.name,
        kind=template.kind,
        path=path,
        methods=methods,
        open_methods=frozenset() if template.method else frozenset(usual - methods),
        query=query,
        body=body,
        auth=template.auth,
        auth_secrets=auth.secrets,
        auth_parameter=auth.parameter,
        source=template,
    )


def _split(url: str) -> tuple[str, str]:
    """Path and query of a template's URL."""
    match = _URL.fullmatch(url)
    if match is None:
        raise TextError("its URL must be http(s)://host/path?query, without user name, fragment or spaces")
    path = match[2] or "/"
    if path.rstrip("/") in RESERVED:
        raise TextError(f"the path {path} is taken by the ingress itself")
    if "&amp;" in path or "&amp;" in (match[3] or ""):
        raise TextError("it holds `&amp;`: write a plain `&`; the account XML is escaped when it is printed")
    return path, match[3] or ""


def _path(parts: tuple[Piece, ...], known: dict[str, Field]) -> Path:
    last = parts[-1]
    if isinstance(last, Variable):
        return Path(parts, path_pattern(parts, known), "exact" if known.get(last.name) in TOKENS else "open")
    text = last.text.removesuffix("/")
    bare = (*parts[:-1], type(last)(text)) if text else parts[:-1]
    return Path(bare, path_pattern(bare, known), "closed")


def _body_variables(template: Template, document: dict[str, object] | None) -> set[str]:
    if document is not None:
        return json_variables(document)
    if _is_form(template):
        return pair_variables(template.post_data)
    if meanings({part.name for part in pieces(template.post_data, escaped=False) if isinstance(part, Variable)}):
        raise TextError(f"post data as {template.content_type} cannot be read back: use a form or JSON")
    return set()


def _body_names(template: Template, document: dict[str, object] | None, known: dict[str, Field]) -> Names:
    if document is not None:
        return json_names(document, known)
    return pair_names(template.post_data, known) if _is_form(template) else Names()


def _is_form(template: Template) -> bool:
    return template.content_type.partition(";")[0].strip().lower() in ("", FORM)


def _check_fields(template: Template, fields: set[Field]) -> None:
    if "selector" not in fields:
        raise TextError("it has no %selector%, and every record is kept under one")
    if template.kind == "report" and not fields & TOKENS:
        raise TextError("it has no push token (%pushTokenIncomingCall%, %pushTokenOther% or %pushToken%)")
    if template.auth == "external" and template.auth_parameter and "username" not in fields:
        raise TextError("auth `external` with auth_parameter needs a user name, such as %account[username]%")
    if template.method in ("GET", "DELETE") and template.post_data:
        raise TextError(f"it has post data, but its method is {template.method}")


def _shared(query: Names, body: Names) -> tuple[Names, Names]:
    """One set of names for both places where only one of them has variables and no name stands in both."""
    every = [{*place.patterns, *place.literals, *place.nested} for place in (query, body)]
    if (query.fields() and body.fields()) or every[0] & every[1]:
        return query, body
    both = Names(query.patterns | body.patterns, query.literals | body.literals, query.nested | body.nested)
    return both, both
