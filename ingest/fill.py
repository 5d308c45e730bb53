"""What the app does with a template: puts values in the place of `%variables%`. For simulator and tests. Pure."""

import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus

from msgspec import Struct

from ingest.template import is_json
from ingest.template_text import Literal, pieces
from schemas.settings import Template

Encoding = Callable[[str], str]


def percent_encoded(value: str) -> str:
    """Every reserved sign escaped, a space as `%20`."""
    return quote(value, safe="")


def form_encoded(value: str) -> str:
    """As a browser's form: a space as `+`."""
    return quote_plus(value)


def raw(value: str) -> str:
    """As it is."""
    return value


def json_escaped(value: str) -> str:
    """As the inside of a JSON string."""
    return json.dumps(value)[1:-1]


class Filled(Struct, frozen=True):
    """The request an app makes: method, target (path and query), content type, body; all str."""

    method: str
    target: str
    content_type: str
    body: str


def fill(
    template: Template,
    values: Mapping[str, str],
    url_encoding: Encoding = percent_encoded,
    body_encoding: Encoding | None = None,
) -> Filled:
    """Fill `template` with `values` (variable name to text); a variable without a value becomes empty.

    Args:
        template: as the operator wrote it.
        values: by the specification's variable names.
        url_encoding: how a value is written in the URL.
        body_encoding: how it is written in the post data; None: as its content type asks.

    Raises:
        TextError: the text is no template.
    """
    target = re.sub(r"^https?://[^/?]+", "", template.url, flags=re.IGNORECASE)
    in_json = is_json(template.content_type, template.post_data)
    encode = body_encoding or (json_escaped if in_json else form_encoded)
    return Filled(
        method=template.method or ("POST" if template.post_data else "GET"),
        target=_substitute(target if target.startswith("/") else f"/{target}", values, url_encoding, escaped=True),
        content_type=template.content_type or "application/x-www-form-urlencoded",
        body=_substitute(template.post_data, values, encode, escaped=not in_json),
    )


def _substitute(text: str, values: Mapping[str, str], encode: Encoding, *, escaped: bool) -> str:
    return "".join(
        part.text if isinstance(part, Literal) else encode(values.get(part.name, ""))
        for part in pieces(text, escaped=escaped)
    )
