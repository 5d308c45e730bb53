"""Whole requests, made up by hypothesis: what was sent is what is recorded, and whatever else comes is refused as said.

A failing input that hypothesis finds is added as an `@example` here, or as a case of docs/http-answers.md.
"""

import re
import string
import unicodedata
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from ingest.fill import Encoding, fill, form_encoded, json_escaped, percent_encoded, raw
from tests.fuzz.asking import Asking, Tried, asking, fuzz, texts, values, was_sent
from tests.fuzz.setups import PASSWORD, SECRET, SETUPS, Setup

__all__ = ["asking"]

WORDS = string.ascii_letters + string.digits
HEX = "0123456789ABCDEF"
SELECTORS = st.builds("{}:{}".format, st.text(HEX, min_size=40, max_size=40), st.sampled_from(["7C3A0D14", "1"]))
TOKENS = st.builds(
    "{}{}".format, st.text(WORDS + "+/-_:", min_size=1, max_size=40), st.sampled_from(["", "=", "=="])
).filter(lambda text: bool(text.strip("+")))
APP_IDS = st.sampled_from(["com.cloudsoftphone.app", "com.x.pushkit", "a", "App-1_b.c"])
TAME_USERS = st.sampled_from(["johndow", "+441632960961", "1001", "a.b@example.com", "u@d.e@qrcode", "+1@x.y", "x_y~z"])
WILD = st.text(min_size=1, max_size=12)
NAMES: dict[str, tuple[str, Any]] = {
    "selector": ("selector", SELECTORS),
    "account[username]": ("username", TAME_USERS),
    "pushTokenIncomingCall": ("calls_token", TOKENS),
    "pushappid_incoming_call": ("calls_app_id", APP_IDS),
    "pushTokenOther": ("other_token", TOKENS),
    "pushToken": ("other_token", TOKENS),
    "pushappid_other": ("other_app_id", APP_IDS),
    "pushappid": ("other_app_id", APP_IDS),
    "installid": ("install_id", st.sampled_from(["5f0c-11", "{A-b}", "0"])),
}
ABSENT = st.sampled_from(["", " ", "null", "NULL", "(null)", "\t"])
SETUP = st.sampled_from(SETUPS)
ENCODINGS = st.sampled_from([percent_encoded, form_encoded, raw])


def headers_of(setup: Setup, content_type: str, body: bytes) -> list[tuple[bytes, bytes]]:
    found = [(b"host", b"t"), (b"user-agent", b"CloudSoftphone/1.5.6"), *setup.headers]
    if body:
        found += [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    return found


def expected(field: str, text: str) -> str | None:
    """What a value means, said again from docs/templates.md. Raises ValueError: it is refused."""
    text = text.strip(" \t\r\n")
    if text.lower() in ("", "null", "(null)") or not text.strip("+") or re.fullmatch(r"%[A-Za-z_]\w*%", text, re.ASCII):
        return None
    bad = any(unicodedata.category(sign) in ("Cc", "Zl", "Zp", "Cs") for sign in text)
    if bad or len(text.encode("utf-8", "surrogatepass")) > 4096:
        raise ValueError(field)
    return text


CHOSEN = st.fixed_dictionaries(
    {
        name: strategy if name == "selector" else st.one_of(strategy, strategy, strategy, ABSENT)
        for name, (_, strategy) in NAMES.items()
    }
)


# A token that reads like a word of the log.
SAID = dict.fromkeys(NAMES, "App-1_b.c") | {"selector": f"{'6A' * 20}:1", "pushToken": "request_id"}


@fuzz("filled in by an app", 1600, 7500)
@example(chosen=SAID, wild="\x12\xcd\x01", url=percent_encoded)
@given(chosen=CHOSEN, wild=st.one_of(st.none(), WILD), url=ENCODINGS)
def test_what_was_sent_is_recorded(
    asking: Asking, tried: Tried, chosen: dict[str, str], wild: str | None, url: Encoding
) -> None:
    """Every encoding an app may use, values present and absent, tame and wild: the record holds them, no others."""
    # A user name of any signs, where it is escaped; a / or nothing at all in a path is another path.
    if wild is not None and url is percent_encoded and wild.strip(" \t\r\n./"):
        chosen = {**chosen, "account[username]": wild.replace("/", "")}
    for setup in SETUPS:
        filled_in(asking, tried, setup, chosen, url)


def filled_in(asking: Asking, tried: Tried, setup: Setup, chosen: dict[str, str], url: Encoding) -> None:
    text = setup.template.url + setup.template.post_data
    chosen = {name: value for name, value in chosen.items() if f"%{name}%" in text}
    in_json = setup.template.post_data.startswith("{")
    request = fill(setup.template, chosen, url, json_escaped if in_json else form_encoded if url is raw else url)
    body = request.body.encode()
    if not tried.note(id(setup.settings), request.method, request.target, body):
        return
    secrets = [value for name, value in chosen.items() if "oken" in name]
    headers = headers_of(setup, request.content_type, body)
    answer, record = asking.ask(setup, request.method, request.target.encode(), headers, body, secrets)
    tried.answered(answer.status)
    try:
        wanted = {NAMES[name][0]: expected(NAMES[name][0], value) for name, value in chosen.items()}
    except ValueError:
        assert answer.status == 400, (answer, request)
        return
    assert record is not None, (answer.body, request)
    for slot in ("calls", "other"):
        if wanted.get(f"{slot}_token") is None:  # an app id alone says nothing
            wanted[f"{slot}_app_id"] = None
    assert values(record) == {field: value for field, value in wanted.items() if value is not None}, request
    assert record["user_agent"] == "CloudSoftphone/1.5.6"
    assert record["kind"] == setup.template.kind and record["origin"] == "app"


METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE"])
PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [
            *(
                b"&",
                b"=",
                b"%",
                b"%00",
                b"%2F",
                b"%252F",
                b"%C3%A9",
                b"%C0%AF",
                b"%ED%A0%80",
                b"%u0041",
                b"+",
                b"%2B",
                b";",
                b"?",
            ),
            *(
                b"/",
                b"//",
                b"..",
                b"%2e%2e",
                b"&amp;",
                b"amp;",
                b"selector=a",
                b"&selector=b",
                b"&token_calls=c",
                b"&s=d",
                b"&v=2",
            ),
            *(
                b'"',
                b"\\",
                b"\\ud800",
                b"\\u0000",
                b"{",
                b"}",
                b"[",
                b"]",
                b":",
                b",",
                b"null",
                b"NaN",
                b"1e999",
                b"-0",
                b"true",
            ),
            *(
                b"\xef\xbb\xbf",
                b"\xff",
                b"\x00",
                b"\r\n",
                b" ",
                b"%pushToken%",
                b"%selector%",
                b"(null)",
                b'"selector":"e",',
            ),
        ]
    ),
)
CHANGES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 4), PIECES), min_size=1, max_size=4)
TYPES = st.sampled_from(
    [
        *(
            b"",
            b"application/json",
            b"application/x-www-form-urlencoded",
            b"text/plain",
            b"application/json; charset=utf-16",
        ),
        *(
            b"APPLICATION/JSON;charset=UTF-8",
            b"multipart/form-data; boundary=x",
            b"application/x+json",
            b"\xff",
            b"a" * 300,
        ),
    ]
)
BASES = {
    setup.name: fill(
        setup.template,
        {
            "selector": "12869E0E6E553673C54F29105A0647204C416A2A:7C3A0D14",
            "account[username]": "johndow",
            **dict.fromkeys(
                ("pushTokenIncomingCall", "pushTokenOther", "pushToken"), "Udl99X2JFP1bWwS5gR/wGeLE1hmAB2CM="
            ),
            **dict.fromkeys(("pushappid_incoming_call", "pushappid_other", "pushappid"), "com.cloudsoftphone.app"),
        },
    )
    for setup in SETUPS
}


def changed(text: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for at, removed, added in changes:
        at %= len(text) + 1
        text = text[:at] + added + text[at + removed :]
    return text


def on_the_wire(target: bytes) -> bytes:
    """What of a target the server layer lets through (docs/http-answers.md)."""
    return b"/" + bytes(byte for byte in target if 33 <= byte < 127 and byte != 35).lstrip(b"/")


@fuzz("valid ones, changed", 850, 7000)
@given(
    method=st.one_of(st.just(""), st.just(""), METHODS),
    content_type=st.one_of(st.none(), st.none(), TYPES),
    in_target=st.one_of(st.just([]), CHANGES),
    in_body=CHANGES,
)
def test_changed_requests(
    asking: Asking,
    tried: Tried,
    method: str,
    content_type: bytes | None,
    in_target: list[tuple[int, int, bytes]],
    in_body: list[tuple[int, int, bytes]],
) -> None:
    """A few bytes of a valid request are others: it is refused as documented, or what is recorded was sent."""
    for setup in SETUPS:
        base = BASES[setup.name]
        target = on_the_wire(changed(base.target.encode(), in_target))
        # Where there is no body, the target is changed once more in its place.
        body = changed(base.body.encode(), in_body) if base.body else b""
        target = target if base.body else on_the_wire(changed(target, in_body))
        headers = headers_of(setup, base.content_type if content_type is None else "", body)
        if content_type:
            headers.append((b"content-type", content_type))
        check(asking, tried, setup, method or base.method, target, headers, body)


# One setup for each application, and the paths that it has.
APPS = [setup for setup in SETUPS if setup.name == "builtin-query" or not setup.name.startswith("builtin")]
BUILTIN = [b"/token/", b"/token/u/", b"/pushToken/u/S:1/", b"/account-removal/"]
PAIRS = st.sampled_from(
    [
        b"selector=S:1",
        b"s=S:1",
        b"t=tok",
        b"token_calls=tok",
        b"username=u",
        b"key=x",
        b"key=" + SECRET.encode(),
        b"v=1",
        b"e=a+b",
        b"password=" + PASSWORD.encode(),
        b'{"selector":"S:1"',
        b'"id":"sip:S:1"',
        b'"v":1',
        b'"push":{"t":"x"}',
        b"}",
    ]
)
SOUP = st.lists(st.one_of(PAIRS, PAIRS, PIECES, st.sampled_from([b"&", b",", b"?"])), max_size=8).map(b"".join)
HEADER = st.tuples(
    st.sampled_from(
        [
            b"authorization",
            b"user-agent",
            b"content-encoding",
            b"content-type",
            b"traceparent",
            b"x-request-id",
            b"cookie",
        ]
    ),
    st.one_of(
        st.binary(max_size=20).map(lambda data: bytes(byte for byte in data if byte >= 32 and byte != 127)),
        st.sampled_from(
            [
                b"Basic ",
                b"Basic cHVzaDp4",
                b"Digest a=b",
                b'Digest username="',
                b"gzip",
                b"identity",
                b"00-" + b"0" * 32 + b"-x",
            ]
        ),
    ),
)


@fuzz("made up altogether", 1000, 5500)
@given(
    method=st.one_of(METHODS, st.sampled_from(["GET", "POST"])),
    builtin=st.sampled_from(BUILTIN),
    mark=st.sampled_from([b"?", b"?", b"?", b""]),
    target=SOUP,
    headers=st.lists(HEADER, max_size=3),
    body=SOUP,
)
def test_any_request(
    asking: Asking,
    tried: Tried,
    method: str,
    builtin: bytes,
    mark: bytes,
    target: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    """Names, values and signs in any order, in any place."""
    for setup in APPS:
        path = BASES[setup.name].target.encode().partition(b"?")[0]
        path = builtin if setup.name.startswith("builtin") else path
        check(asking, tried, setup, method, on_the_wire(path + mark + target), [(b"host", b"t"), *headers], body)


def check(
    asking: Asking,
    tried: Tried,
    setup: Setup,
    method: str,
    target: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    if not tried.note(id(setup.settings), method, target, tuple(headers), body):
        return
    answer, record = asking.ask(setup, method, target, headers, body, ["Udl99X2JFP1bWwS5gR"])
    tried.answered(answer.status)
    if record is not None:
        sent = texts(target, body)
        assert [value for value in values(record).values() if not was_sent(value, sent)] == [], (target, body, record)
