"""What the app fills in comes back unchanged, under every encoding it may use; what it leaves out comes back absent."""

import json
import re
import string
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.fill import Encoding, fill, form_encoded, json_escaped, percent_encoded, raw
from ingest.read import read
from ingest.template_set import TemplateSet, template_set
from ingest.template_text import TemplateError
from ingest.values import Limits
from schemas.settings import Settings, Template
from tests.unit.ingest.many import many

MANY = many(100)
BASE64 = string.ascii_letters + string.digits + "+/"
URLSAFE = string.ascii_letters + string.digits + "-_"


def base64_text(alphabet: str) -> st.SearchStrategy[str]:
    body = st.text(alphabet, min_size=1, max_size=60)
    return st.builds(str.__add__, body, st.sampled_from(["", "=", "=="]))


TOKENS = st.one_of(
    base64_text(BASE64),
    base64_text(URLSAFE),
    st.builds("{}:{}".format, st.text(URLSAFE, min_size=1, max_size=22), st.text(URLSAFE, min_size=1, max_size=60)),
).filter(lambda token: token.lower() != "null")  # base64 by its letters, and means absent
SELECTORS = st.builds(
    "{}:{}".format,
    st.text("0123456789ABCDEF", min_size=40, max_size=40),
    st.text("0123456789ABCDEF", min_size=8, max_size=8),
)
APP_IDS = st.from_regex(r"[a-z][a-z0-9_-]{0,8}(\.[a-z0-9_-]{1,8}){0,3}", fullmatch=True)
PLAIN = st.from_regex(r"[A-Za-z0-9._~-]{1,20}", fullmatch=True)
USERNAMES = st.one_of(
    PLAIN,
    st.from_regex(r"\+[0-9]{3,15}", fullmatch=True),
    st.builds("{}@{}".format, st.from_regex(r"(\+?[0-9]|[A-Za-z])[A-Za-z0-9._+-]{0,10}", fullmatch=True), APP_IDS),
    st.builds("{}@{}@qrcode".format, PLAIN, APP_IDS),
)
INSTALL_IDS = st.from_regex(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}", fullmatch=True)

VALUES: dict[str, tuple[str, st.SearchStrategy[str]]] = {
    "selector": ("selector", SELECTORS),
    "account[username]": ("username", USERNAMES),
    "pushTokenIncomingCall": ("calls_token", TOKENS),
    "pushappid_incoming_call": ("calls_app_id", APP_IDS),
    "pushTokenOther": ("other_token", TOKENS),
    "pushappid_other": ("other_app_id", APP_IDS),
    "installid": ("install_id", INSTALL_IDS),
}
ABSENT_FORMS = ["", " ", "null", "(null)"]
MAX_LENGTH = Limits(max_field=4096)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)


@st.composite
def variables(draw: st.DrawFn) -> list[str]:
    chosen = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=2, unique=True))
    for needed in ("selector", "pushTokenIncomingCall"):
        if needed not in chosen:
            chosen.append(needed)
    return draw(st.permutations([*chosen, "unknown_thing"]))


@st.composite
def templates(draw: st.DrawFn) -> Template:
    """Variables spread over path, query and body, now and then with fixed text around them."""
    path, query, form, document = "/r", [], [], {}
    place = st.sampled_from(["query", "query", "path"])
    body = draw(st.sampled_from(["none", "form", "json", "nested"]))
    for at, name in enumerate(draw(variables())):
        where = draw(place if body == "none" else st.sampled_from(["query", "path", "body", "body"]))
        prefix = draw(st.sampled_from(["", "", "sip:", "é "]))
        if where == "path":
            path += draw(st.sampled_from(["/", "/x-", "&y="])) + f"%{name}%"
        elif where == "query":
            query.append(f"q{at}={prefix if prefix != 'é ' else '%C3%A9%20'}%{name}%")
        elif body == "form":
            form.append(f"f{at}={prefix if prefix != 'é ' else '%C3%A9+'}%{name}%")
        else:
            document[f"j{at}"] = f"{prefix}%{name}%" if body == "json" else {"k": f"{prefix}%{name}%"}
    query.append("v=1")
    post = "&".join(form) if body == "form" else json.dumps(document) if document else ""
    return Template(
        name="t",
        url=f"https://h.example{path}?{'&'.join(query)}",
        post_data=post,
        content_type=draw(st.sampled_from(["", "application/json"])) if document else "",
    )


def compiled(template: Template) -> TemplateSet:
    try:
        return template_set(Settings(templates=(template,)))
    except TemplateError as error:
        # Two tokens side by side in a path, and the like: refusing those is what another test is about.
        assume("separate" not in error.reason)
        raise


def parsed(template: Template, values: dict[str, str], url: Encoding, body: Encoding | None) -> dict[str, str]:
    request = fill(template, values, url, body)
    path, _, query = request.target.partition("?")
    (candidate,) = compiled(template).find(path)
    assert request.method in candidate.template.methods
    found = read(candidate, query.encode(), request.content_type, request.body.encode() or None, MAX_LENGTH)
    return {str(field): value for field, value in found.values.items()}


@MANY
@given(templates(), st.data(), st.sampled_from([percent_encoded, form_encoded, raw]), st.booleans())
def test_values_come_back_unchanged(template: Template, data: st.DataObject, url: Encoding, plain: bool) -> None:
    values, expected = {}, {}
    for name, (field, strategy) in VALUES.items():
        if f"%{name}%" in template.url + template.post_data and (name == "selector" or data.draw(st.booleans())):
            values[name] = expected[field] = data.draw(strategy)
    in_json = template.post_data.startswith("{")
    body: Encoding = (raw if plain else json_escaped) if in_json else data.draw(st.sampled_from([url, raw]))
    # A form-encoded path is a percent-encoded one: nobody writes `+` for a space there, and no value here has a space.
    assert parsed(template, values, url, body) == expected


@MANY
@given(templates(), st.data())
def test_absent_values_come_back_absent(template: Template, data: st.DataObject) -> None:
    values = {}
    for name in VALUES:
        placeholder = f"%{name}%"
        values[name] = data.draw(st.sampled_from([*ABSENT_FORMS, placeholder]))
    values["selector"] = "A" * 40 + ":7C3A0D14"
    encoding = data.draw(st.sampled_from([percent_encoded, form_encoded]))
    assert parsed(template, values, encoding, None) == {"selector": values["selector"]}


@MANY
@given(templates(), st.data())
def test_unsubstituted_placeholders_are_absent(template: Template, data: st.DataObject) -> None:
    values = {name: f"%{name}%" for name in VALUES} | {"selector": "A" * 40 + ":7C3A0D14"}
    assert parsed(template, values, raw, None) == {"selector": values["selector"]}


@MANY
@given(templates(), TOKENS)
def test_a_space_in_a_token_was_a_plus(template: Template, token: str) -> None:
    values = {"selector": "S:1", "pushTokenIncomingCall": token.strip("+").replace("+", " ") or "x"}
    expected = values["pushTokenIncomingCall"].replace(" ", "+")
    assert parsed(template, values, percent_encoded, None)["calls_token"] == expected


@given(NAMES, NAMES, SELECTORS, TOKENS, st.sampled_from(["amp;", "amp;amp;"]))
def test_names_escaped_twice(one: str, two: str, selector: str, token: str, prefix: str) -> None:
    assume(one != two)
    template = Template(name="t", url=f"https://h/t?{one}=%selector%&{two}=%pushTokenIncomingCall%")
    request = fill(template, {"selector": selector, "pushTokenIncomingCall": token})
    path, _, query = request.target.partition("?")
    (candidate,) = compiled(template).find(path)
    found = read(candidate, re.sub("&", f"&{prefix}", query).encode(), "", None, MAX_LENGTH)
    values: dict[Any, str] = dict(found.values)
    assert values == {"selector": selector, "calls_token": token}
