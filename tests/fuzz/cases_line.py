"""Request line and header: their form, their sizes, versions, methods, Host, Expect, Upgrade."""

from tests.fuzz.case import (
    FORM_TYPE,
    PAIRS,
    TOKEN,
    Case,
    form,
    get,
    post,
    query,
    request,
)

LINE = "RFC 9112 §3: not a request line"
FIELD = "RFC 9112 §5, RFC 9110 §5.5: not a field line"
HOST = "RFC 9112 §3.2: exactly one Host"
TARGET = b"/token/?" + PAIRS
GOOD = get(TARGET)

LINES = [
    Case(
        "line feeds without carriage returns",
        GOOD.replace(b"\r\n", b"\n"),
        (400,),
        "RFC 9112 §2.2: MAY be taken, is not",
    ),
    Case("carriage returns without line feeds", GOOD.replace(b"\r\n", b"\r"), (400,), "RFC 9112 §2.2: MUST NOT"),
    Case("empty lines in front", b"\r\n\r\n" + GOOD, (200,), "RFC 9112 §2.2: ignored", stays=True),
    Case("spaces in front", b"  " + GOOD, (400,), LINE),
    Case("a space in the target", query(PAIRS + b"&x=a b"), (400,), LINE),
    Case("a tab in the target", query(PAIRS + b"&x=a\tb"), (400,), LINE),
    Case("a carriage return in the target", query(PAIRS + b"&x=a\rb"), (400,), LINE),
    Case("NUL in the target", query(PAIRS + b"&x=\0"), (400,), LINE),
    Case("DEL in the target", query(PAIRS + b"&x=\x7f"), (400,), LINE),
    Case(
        "two spaces behind the method", GOOD.replace(b"GET ", b"GET  "), (200,), "RFC 9112 §3: MAY be taken", stays=True
    ),
    Case("a tab in the request line", GOOD.replace(b"GET ", b"GET\t"), (400,), LINE),
    Case("no target", b"GET HTTP/1.1\r\nHost: t\r\n\r\n", (400,), LINE),
    Case(
        "a fragment in the target", query(PAIRS + b"&username=a#b"), (400,), "RFC 9112 §3.2: a cut value is not stored"
    ),
    Case("no version, as in HTTP/0.9", b"GET " + TARGET + b"\r\n\r\n", (400,), LINE),
    *(
        Case(
            f"HTTP/{text.decode()}",
            request(b"GET", TARGET, version=text),
            (400,),
            "RFC 9112 §2.3: HTTP/1.0 and 1.1 only",
        )
        for text in (b"0.9", b"1.2", b"1.10", b"2.0", b"3.0", b"9.9", b"1", b"1,1", b"x")
    ),
    Case("http/1.1 in small letters", GOOD.replace(b"HTTP/1.1", b"http/1.1"), (400,), "RFC 9112 §2.3: case-sensitive"),
    Case("HTTP/1.0", request(b"GET", TARGET, version=b"1.0"), (200,), "RFC 9112 §9.3: closes"),
    Case("HTTP/1.0 without Host", request(b"GET", TARGET, host=b"", version=b"1.0"), (200,), "RFC 9112 §3.2: 1.1 only"),
    Case(
        "HTTP/1.0 with keep-alive",
        request(b"GET", TARGET, b"Connection: keep-alive", version=b"1.0"),
        (200,),
        "RFC 9112 §9.3: MAY be kept, is not",
    ),
    Case("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400,), "RFC 9113 §3.4: HTTP/2 is not spoken here"),
    Case("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32, (400,), "RFC 9112 §2.2"),
    Case("a TLS hello, its first byte", b"\x16", (400,), "RFC 9112 §2.2"),
    Case("SSH", b"SSH-2.0-OpenSSH_9.9\r\n", (400,), "RFC 9112 §2.2"),
    Case(
        "PROXY protocol", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + GOOD, (400,), "not configured: an unknown method"
    ),
]

FORMS = [
    Case("absolute-form", get(b"http://t" + TARGET), (200,), "RFC 9112 §3.2.2: MUST be taken", stays=True),
    Case("absolute-form, https, with a port", get(b"https://t:443" + TARGET), (200,), "RFC 9112 §3.2.2", stays=True),
    Case(
        "absolute-form without a path",
        get(b"http://t?" + PAIRS),
        (404,),
        "RFC 9112 §3.2.2: the path is empty",
        stays=True,
    ),
    Case("absolute-form with a user", get(b"http://u:p@t" + TARGET), (400,), "RFC 9110 §4.2.4: an error"),
    Case("absolute-form, another scheme", get(b"ftp://t" + TARGET), (400,), "RFC 9110 §4.2: http and https only"),
    Case("authority-form", get(b"t:80"), (400,), "RFC 9112 §3.2.3: for CONNECT only"),
    Case("CONNECT", request(b"CONNECT", b"t:80"), (400,), "RFC 9110 §9.3.6: no proxy here"),
    Case("CONNECT with a path", request(b"CONNECT", TARGET), (405,), "RFC 9110 §15.5.6: with Allow"),
    Case(
        "OPTIONS for the whole server",
        request(b"OPTIONS", b"*"),
        (400,),
        "RFC 9112 §3.2.4: MAY be refused; CORS is off",
    ),
    Case("GET for the whole server", get(b"*"), (400,), "RFC 9112 §3.2.4: for OPTIONS only"),
    Case("a target without a slash", get(b"token/?" + PAIRS), (400,), "RFC 9112 §3.2.1"),
    *(
        Case(f"{method.decode()}", request(method, TARGET), (405,), "RFC 9110 §15.5.6: with Allow", stays=True)
        for method in (b"OPTIONS", b"TRACE", b"PATCH", b"PROPFIND", b"HEAD")
    ),
    Case("DELETE", request(b"DELETE", TARGET), (200,), "a removal", stays=True, record={"kind": "removal"}),
    Case("an unknown method", request(b"BREW", TARGET), (400,), "RFC 9110 §9.1: 501 is no answer of ours"),
    Case("a method in small letters", request(b"get", TARGET), (400,), "RFC 9110 §9.1: case-sensitive"),
    Case("a method of 1 MB", request(b"G" * 1_000_000, TARGET), (400,), LINE),
    Case("a URL of 1 MB", query(PAIRS + b"&x=" + b"a" * 1_000_000), (414,), "RFC 9110 §15.5.15, `max_url`"),
    Case("a path of 1 MB", get(b"/" + b"a/" * 500_000), (414,), "RFC 9110 §15.5.15, `max_url`"),
]

FIELDS = [
    Case("no Host", request(b"GET", TARGET, host=b""), (400,), HOST),
    Case("two Hosts, the same", query(PAIRS, b"Host: t"), (400,), HOST),
    Case("two Hosts, different", query(PAIRS, b"Host: u"), (400,), HOST),
    Case("an empty Host", request(b"GET", TARGET, host=b"Host:"), (200,), "RFC 9112 §3.2: allowed", stays=True),
    Case("a header of 1 MB", query(PAIRS, b"X-A: " + b"a" * 1_000_000), (431,), "RFC 6585 §5, `max_header`"),
    Case("a header name of 1 MB", query(PAIRS, b"a" * 1_000_000 + b": x"), (431,), "RFC 6585 §5, `max_header`"),
    Case(
        "10,000 headers",
        query(PAIRS, *[b"X-A: b"] * 10_000),
        (431,),
        "RFC 6585 §5, 100 lines",
        shown="10,000 × `X-A: b`",
    ),
    Case("a cookie of 30 KB", query(PAIRS, b"Cookie: " + b"a" * 30_000), (200,), "within `max_header`", stays=True),
    Case("a space in a header name", query(PAIRS, b"X A: b"), (400,), FIELD),
    Case("a space before the colon", query(PAIRS, b"X-A : b"), (400,), "RFC 9112 §5.1: MUST be refused"),
    Case("no colon", query(PAIRS, b"X-A"), (400,), FIELD),
    Case("no name", query(PAIRS, b": b"), (400,), FIELD),
    Case("a folded header", query(PAIRS, b"X-A: b\r\n c"), (400,), "RFC 9112 §5.2: no obs-fold"),
    Case("a folded first header", request(b"GET", TARGET, host=b" Host: t"), (400,), "RFC 9112 §2.2"),
    Case("NUL in a header", query(PAIRS, b"X-A: a\0b"), (400,), FIELD),
    Case("a control character in a header", query(PAIRS, b"X-A: a\x01b"), (400,), FIELD),
    Case("DEL in a header", query(PAIRS, b"X-A: a\x7fb"), (400,), FIELD),
    Case("a carriage return in a header", query(PAIRS, b"X-A: a\rb"), (400,), "RFC 9112 §2.2"),
    Case("a header name beyond ASCII", query(PAIRS, "Ä: b".encode()), (400,), FIELD),
    Case(
        "a header value beyond ASCII",
        query(PAIRS, "User-Agent: Tälefon\xff".encode("latin-1")),
        (200,),
        "RFC 9110 §5.5: obs-text, opaque",
        stays=True,
        record={"user_agent": "Tälefon\xff"},
    ),
    Case(
        "Content-Type twice",
        post(PAIRS, FORM_TYPE, b"Content-Type: text/plain"),
        (415,),
        "the last one counts",
        stays=True,
    ),
    Case(
        "Expect: 100-continue",
        post(PAIRS, FORM_TYPE, b"Expect: 100-continue"),
        (100, 200),
        "RFC 9110 §10.1.1",
        stays=True,
    ),
    Case(
        "Expect: 100-continue, HTTP/1.0",
        post(PAIRS, FORM_TYPE, b"Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0"),
        (200,),
        "RFC 9110 §10.1.1: MUST be ignored",
    ),
    Case(
        "Expect: 100-continue, refused",
        post(PAIRS, b"Expect: 100-continue", target=b"/x"),
        (404,),
        "RFC 9110 §10.1.1",
        stays=True,
    ),
    Case(
        "Expect: something else", post(PAIRS, FORM_TYPE, b"Expect: x"), (200,), "RFC 9110 §10.1.1: ignored", stays=True
    ),
    Case(
        "Upgrade: h2c",
        query(PAIRS, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        (200,),
        "RFC 9110 §7.8: ignored; closes",
    ),
    Case(
        "Upgrade: websocket",
        query(PAIRS, b"Connection: Upgrade", b"Upgrade: websocket"),
        (200,),
        "RFC 9110 §7.8: ignored; closes",
    ),
    Case(
        "Upgrade: h2c with a body",
        post(PAIRS, FORM_TYPE, b"Connection: Upgrade", b"Upgrade: h2c"),
        (200,),
        "RFC 9110 §7.8: ignored; the body is read; closes",
        record={"calls": {"token": TOKEN, "app_id": None}},
    ),
    Case(
        "Upgrade: h2c with values in both",
        post(
            b"token_calls=" + TOKEN.encode(),
            FORM_TYPE,
            b"Connection: Upgrade",
            b"Upgrade: h2c",
            target=b"/token/?" + PAIRS.split(b"&")[0],
        ),
        (200,),
        "as before",
        record={"calls": {"token": TOKEN, "app_id": None}},
    ),
    Case("Upgrade without Connection", query(PAIRS, b"Upgrade: h2c"), (200,), "RFC 9110 §7.8: ignored", stays=True),
    Case(
        "X-HTTP-Method-Override",
        query(PAIRS, b"X-HTTP-Method-Override: DELETE"),
        (200,),
        "ignored: a report",
        stays=True,
        record={"kind": "report"},
    ),
    Case("X-Original-URL", get(b"/x", b"X-Original-URL: " + TARGET), (404,), "ignored", stays=True),
    Case("PUT, which is as POST", form(PAIRS).replace(b"POST", b"PUT", 1), (200,), "docs/templates.md", stays=True),
]
