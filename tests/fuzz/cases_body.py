"""What stands in a body: content types, encodings, forms and JSON that try to be something else."""

import gzip
import json

from tests.fuzz.case import (
    FORM_TYPE,
    JSON,
    JSON_TYPE,
    OTHER,
    PAIRS,
    SELECTOR,
    TOKEN,
    Case,
    S,
    document,
    form,
    post,
)

BOTH = {"selector": SELECTOR, "calls": {"token": TOKEN, "app_id": None}}
NOT_JSON = "RFC 8259 §2; the frame is not trusted either"
TYPE = "RFC 9110 §15.5.16: neither form nor JSON in UTF-8"
ZIPPED = gzip.compress(PAIRS, mtime=0)


def typed(text: bytes, body: bytes = JSON, **given: bytes) -> bytes:
    return post(body, b"Content-Type: " + text, **given)


def with_selector(raw: bytes) -> bytes:
    """JSON with this for its selector, raw."""
    return document(b'{"token_calls": "x", "selector": ' + raw + b"}")


def also(raw: bytes) -> bytes:
    """Good JSON with this as one more member."""
    return document(JSON[:-1] + b', "x": ' + raw + b"}")


TYPES = [
    Case("no content type, a form", post(PAIRS), (200,), "the app's default", stays=True, record=BOTH),
    Case("no content type, JSON", post(JSON), (200,), "seen in the field", stays=True, record=BOTH),
    Case("JSON as a form", form(JSON), (200,), "seen in the field", stays=True, record=BOTH),
    Case("a form as JSON", document(PAIRS), (400,), NOT_JSON),
    Case("APPLICATION/JSON", typed(b"APPLICATION/JSON"), (200,), "RFC 9110 §8.3.1: no case", stays=True, record=BOTH),
    Case("application/vnd.x+json", typed(b"application/vnd.x+json"), (200,), "RFC 6839 §3.1", stays=True, record=BOTH),
    Case(
        "charset=UTF-8", typed(b'application/json; charset="UTF-8"'), (200,), "RFC 8259 §8.1", stays=True, record=BOTH
    ),
    Case("charset=utf-16", typed(b"application/json; charset=utf-16"), (415,), TYPE, stays=True),
    Case("charset=utf-7", typed(b"application/json;charset=utf-7"), (415,), TYPE, stays=True),
    Case("two media types in one", typed(b"application/json, text/plain"), (415,), TYPE, stays=True),
    Case("application/jsonx", typed(b"application/jsonx"), (415,), TYPE, stays=True),
    Case("text/plain with a selector in the body only", typed(b"text/plain", PAIRS), (415,), TYPE, stays=True),
    Case(
        "text/plain with all in the query",
        typed(b"text/plain", b"x" * 50, target=b"/token/?" + PAIRS),
        (200,),
        "an unrelated body is seen in the field",
        stays=True,
        record=BOTH,
    ),
    Case(
        "multipart/form-data",
        typed(
            b"multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="selector"\r\n\r\n' + S + b"\r\n--x--\r\n",
        ),
        (415,),
        TYPE,
        stays=True,
    ),
    Case(
        "XML with an entity",
        typed(b"text/xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
        (415,),
        "never parsed",
        stays=True,
    ),
    Case("a content type of 20 KB", typed(b"a" * 20_000), (415,), TYPE, stays=True),
    Case(
        "gzip",
        post(ZIPPED, FORM_TYPE, b"Content-Encoding: gzip"),
        (415,),
        "RFC 9110 §8.4: bombs are not unpacked",
        stays=True,
    ),
    Case("gzip that does not say so", form(ZIPPED), (400,), "no selector", stays=True),
    Case("gzip that is none", post(PAIRS, FORM_TYPE, b"Content-Encoding: gzip"), (415,), "RFC 9110 §8.4", stays=True),
    Case(
        "Content-Encoding: identity",
        post(PAIRS, FORM_TYPE, b"Content-Encoding: identity"),
        (200,),
        "RFC 9110 §8.4.1",
        stays=True,
        record=BOTH,
    ),
]

FORMS = [
    Case("NUL in a form", form(b"selector=" + S + b"\0"), (400,), "control character", stays=True),
    Case(
        "bytes that are not UTF-8 in a form", form(b"selector=" + S + b"\xff"), (400,), "control character", stays=True
    ),
    Case(
        "raw UTF-8 in a form",
        form(PAIRS + "&username=aé".encode()),
        (200,),
        "WHATWG URL §5.1",
        stays=True,
        record={"username": "aé"},
    ),
    Case(
        "a byte order mark before a form",
        form(b"\xef\xbb\xbf" + PAIRS),
        (400,),
        "part of the first name: no selector",
        stays=True,
    ),
    Case(
        "a form with a line feed at its end",
        form(PAIRS + b"\r\n"),
        (200,),
        "seen in the field",
        stays=True,
        record=BOTH,
    ),
    Case("a form of nothing", form(b""), (400,), "no selector", stays=True),
    Case("a form of 60,000 &", form(b"&" * 60_000), (400,), "more than 1,000 parameters", stays=True),
    Case(
        "a token of 60 KB", form(b"selector=" + S + b"&token_calls=" + b"a" * 60_000), (400,), "`max_field`", stays=True
    ),
]

JSONS = [
    Case(
        "a byte order mark before JSON",
        document(b"\xef\xbb\xbf" + JSON),
        (200,),
        "RFC 8259 §8.1: MAY be ignored",
        stays=True,
        record=BOTH,
    ),
    Case(
        "more than 1,000 names in JSON",
        document(json.dumps({"selector": SELECTOR} | {str(name): "" for name in range(1000)}).encode()),
        (400,),
        "each name costs time",
        stays=True,
        shown="a JSON object of 1,001 names",
    ),
    Case("JSON in UTF-16", document(JSON.decode().encode("utf-16")), (400,), NOT_JSON),
    Case("JSON that is not UTF-8", document(JSON.replace(b"token_calls", b"\xff")), (400,), NOT_JSON),
    Case("NUL in JSON", document(JSON + b"\0"), (400,), NOT_JSON),
    Case(
        "a name twice, the same",
        document(JSON[:-1] + b', "selector": "' + S + b'"}'),
        (200,),
        "RFC 8259 §4: one value",
        stays=True,
        record=BOTH,
    ),
    Case(
        "a name twice, different",
        document(JSON[:-1] + b', "selector": "' + OTHER.encode() + b'"}'),
        (400,),
        "RFC 8259 §4: neither is chosen",
        stays=True,
    ),
    Case(
        "a name by escapes, different",
        document(JSON[:-1] + b', "\\u0073elector": "x"}'),
        (400,),
        "RFC 8259 §8.3: the same name",
        stays=True,
    ),
    Case("30,000 lists in each other", also(b"[" * 30_000 + b"]" * 30_000), (400,), NOT_JSON),
    Case("10,000 objects in each other", document(b'{"a":' * 10_000 + b"1" + b"}" * 10_000), (400,), NOT_JSON),
    Case("50 lists in each other", also(b"[" * 50 + b"]" * 50), (200,), "nobody named them", stays=True, record=BOTH),
    Case(
        "a number for a selector",
        with_selector(b"42"),
        (200,),
        "written so in the field",
        stays=True,
        record={"selector": "42"},
    ),
    Case(
        "-0 for a selector",
        with_selector(b"-0"),
        (200,),
        "an integer like any other",
        stays=True,
        record={"selector": "0"},
    ),
    Case("1e999 for a selector", with_selector(b"1e999"), (400,), "not a text", stays=True),
    Case("1.5 for a selector", with_selector(b"1.5"), (400,), "not a text", stays=True),
    Case("a number of 6,000 digits", with_selector(b"9" * 6000), (400,), "RFC 8259 §6: MAY be limited"),
    Case("NaN", also(b"NaN"), (400,), "RFC 8259 §6: no number"),
    Case("Infinity for a selector", with_selector(b"-Infinity"), (400,), "RFC 8259 §6: no number"),
    Case("true for a selector", with_selector(b"true"), (400,), "not a text", stays=True),
    Case("a list for a selector", with_selector(b'["' + S + b'"]'), (400,), "not a text", stays=True),
    Case("an object for a selector", with_selector(b'{"$ne": ""}'), (400,), "not a text", stays=True),
    Case("null for a selector", with_selector(b"null"), (400,), "absent", stays=True),
    Case(
        "a lone surrogate in a selector", with_selector(b'"a\\ud800"'), (400,), "RFC 8259 §8.2: not a text", stays=True
    ),
    Case("a lone surrogate elsewhere", also(b'"\\udfff"'), (200,), "nobody named it", stays=True, record=BOTH),
    Case(
        "a pair of surrogates in a user name",
        document(json.dumps({"selector": SELECTOR, "username": "a😀"}).encode()),
        (200,),
        "RFC 8259 §7",
        stays=True,
        record={"username": "a😀"},
    ),
    Case("\\u0000 in a selector", with_selector(b'"a\\u0000"'), (400,), "control character", stays=True),
    Case("a list", document(b"[" + JSON + b"]"), (400,), "an object is wanted"),
    Case("a text", document(b'"' + S + b'"'), (400,), "an object is wanted"),
    Case("two objects", document(JSON + JSON), (400,), NOT_JSON),
    Case("a comma too many", document(JSON[:-1] + b",}"), (400,), NOT_JSON),
    Case("a comment", document(b"/* */" + JSON), (400,), NOT_JSON),
    Case("quotes of another kind", document(JSON.replace(b'"', b"'")), (400,), NOT_JSON),
    Case(
        "__proto__",
        document(JSON[:-1] + b', "__proto__": {"selector": "x"}}'),
        (200,),
        "nobody named it",
        stays=True,
        record=BOTH,
    ),
    Case("spaces around JSON", document(b" \r\n\t" + JSON + b" \r\n"), (200,), "RFC 8259 §2", stays=True, record=BOTH),
    Case("no JSON at all", post(b"", JSON_TYPE), (400,), "no selector", stays=True),
]
