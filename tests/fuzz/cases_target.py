"""What stands in the target: percent-encoding, UTF-8, paths that try to be others, parameters that repeat."""

from tests.fuzz.case import OTHER, PAIRS, SELECTOR, TOKEN, Case, S, T, document, escaped, form, get, query

UTF8 = "RFC 3629 §3: not UTF-8"
PATH = "paths are compared as they come: nothing is folded away"
KEPT = "RFC 3986 §2.1: no escape, kept as it came"
ONCE = "RFC 3986 §2.4: decoded once"
SEL = b"selector=" + S
SAME = "one value, said twice"
CONFLICT = "two different values for one variable: neither is chosen"


def token(text: str) -> dict[str, object]:
    return {"selector": SELECTOR, "calls": {"token": text, "app_id": None}}


def calls(raw: bytes) -> bytes:
    return query(SEL + b"&token_calls=" + raw)


def user(raw: bytes) -> bytes:
    return query(SEL + b"&username=" + raw)


ESCAPES = [
    Case("%00 in a selector", query(b"selector=a%00" + S), (400,), "control character", stays=True),
    Case("%00 in a token", calls(b"a%00"), (400,), "control character", stays=True),
    Case("%0D%0A in a user name", user(b"a%0D%0ASet-Cookie:x"), (400,), "control character", stays=True),
    Case("%00 in a parameter nobody named", query(PAIRS + b"&x=%00"), (200,), "dropped unread", stays=True),
    Case("%00 in the path", get(b"/token/%00?" + PAIRS), (400,), "a user name with a control character", stays=True),
    Case("%00 behind the path", get(b"/token%00/?" + PAIRS), (404,), PATH, stays=True),
    Case("%2F in a token", calls(b"a%2Fb"), (200,), ONCE, stays=True, record=token("a/b")),
    Case("%252F in a token", calls(b"a%252Fb"), (200,), ONCE, stays=True, record=token("a%2Fb")),
    Case("%u0041 in a token", calls(b"a%u0041"), (200,), KEPT, stays=True, record=token("a%u0041")),
    Case("% at the end of a token", calls(b"a%"), (200,), KEPT, stays=True, record=token("a%")),
    Case("%2 at the end of a token", calls(b"a%2"), (200,), KEPT, stays=True, record=token("a%2")),
    Case("%zz in a token", calls(b"a%zzb"), (200,), KEPT, stays=True, record=token("a%zzb")),
    Case("%%41 in a token", calls(b"a%%41"), (200,), KEPT, stays=True, record=token("a%A")),
    Case("%e9 in a user name (Latin-1)", user(b"a%e9"), (400,), UTF8, stays=True),
    Case("%C3%A9 in a user name", user(b"a%C3%A9"), (200,), "RFC 3986 §2.5", stays=True, record={"username": "aé"}),
    Case("raw UTF-8 in a user name", user("aé".encode()), (400,), "RFC 3986 §2: only ASCII in a target"),
    Case("raw bytes that are not UTF-8", user(b"a\xff"), (400,), "RFC 3986 §2: only ASCII in a target"),
    Case("raw UTF-8 in the path", get("/token/é/?".encode() + PAIRS), (400,), "RFC 3986 §2: only ASCII in a target"),
    Case(
        "raw UTF-8 in the path, second request", query() + get("/token/é/?".encode() + PAIRS), (200, 400), "as before"
    ),
    Case("%C0%AF, an overlong slash", user(b"a%C0%AF"), (400,), UTF8, stays=True),
    Case("%E0%80%AF, longer still", user(b"a%E0%80%AF"), (400,), UTF8, stays=True),
    Case("%ED%A0%80, a surrogate", user(b"a%ED%A0%80"), (400,), UTF8, stays=True),
    Case("%F4%90%80%80, beyond Unicode", user(b"a%F4%90%80%80"), (400,), UTF8, stays=True),
    Case("%FF in a parameter nobody named", query(PAIRS + b"&x=%FF"), (200,), "dropped unread", stays=True),
    Case("%FF in a parameter's name", query(PAIRS + b"&%FF=x"), (200,), "nobody named it", stays=True),
    Case(
        "every sign percent-encoded",
        query(escaped(b"selector") + b"=" + b"".join(b"%%%02x" % c for c in S)),
        (200,),
        "RFC 3986 §6.2.2.2",
        stays=True,
        record={"selector": SELECTOR},
    ),
    Case(
        "= percent-encoded",
        query(b"selector%3D" + S),
        (400,),
        "RFC 3986 §2.2: an escaped sign separates nothing",
        stays=True,
    ),
    Case(
        "& percent-encoded",
        query(SEL + b"%26token_calls=" + T),
        (200,),
        "as before: part of the selector",
        stays=True,
        record={"selector": f"{SELECTOR}&token_calls={TOKEN}", "calls": None},
    ),
    Case("U+2028 in a user name", user(b"a%E2%80%A8"), (400,), "a line separator, to many who read it", stays=True),
]

PATHS = [
    Case("/x/../token/", get(b"/x/../token/?" + PAIRS), (404,), PATH, stays=True),
    Case("/x/%2e%2e/token/", get(b"/x/%2e%2e/token/?" + PAIRS), (404,), PATH, stays=True),
    Case("/./token/", get(b"/./token/?" + PAIRS), (404,), PATH, stays=True),
    Case("//token/", get(b"//token/?" + PAIRS), (404,), PATH, stays=True),
    Case("/TOKEN/", get(b"/TOKEN/?" + PAIRS), (404,), PATH, stays=True),
    Case("/%74oken/", get(b"/%74oken/?" + PAIRS), (404,), PATH, stays=True),
    Case("/token;x=1/", get(b"/token;x=1/?" + PAIRS), (404,), PATH, stays=True),
    Case("/token\\", get(b"/token\\?" + PAIRS), (404,), PATH, stays=True),
    Case("/token", get(b"/token?" + PAIRS), (200,), "the last / may be missing", stays=True),
    Case(
        "/token//",
        get(b"/token//?" + PAIRS),
        (200,),
        "an empty user name is an absent one",
        stays=True,
        record={"username": None},
    ),
    Case(
        "/token/../",
        get(b"/token/../?" + PAIRS),
        (200,),
        "a user name like any other",
        stays=True,
        record={"username": ".."},
    ),
    Case(
        "/token/a%2Fb/", get(b"/token/a%2Fb/?" + PAIRS), (200,), "RFC 3986 §2.2", stays=True, record={"username": "a/b"}
    ),
    Case("/token/a/b/", get(b"/token/a/b/?" + PAIRS), (404,), "a user name holds no raw /", stays=True),
    Case("/healthz/../token/", get(b"/healthz/../token/?" + PAIRS), (404,), PATH, stays=True),
    Case("/metrics/", get(b"/metrics/"), (404,), PATH, stays=True),
    Case("/%6detrics", get(b"/%6detrics", b"X-Forwarded-For: 192.0.2.1"), (403,), "the ingress's own page", stays=True),
    Case("the empty path", get(b"/"), (404,), "no template", stays=True),
    Case(
        "a raw / in a token, in the path",
        get(b"/pushToken/u/" + S + b"/a/b==&appid=x"),
        (200,),
        "docs/templates.md",
        stays=True,
        record={"selector": SELECTOR, "username": "u", "other": {"token": "a/b==", "app_id": "x"}},
    ),
]

REPEATED = [
    Case(
        "a selector twice, the same", query(SEL + b"&" + SEL), (200,), SAME, stays=True, record={"selector": SELECTOR}
    ),
    Case("a selector twice, different", query(SEL + b"&selector=" + OTHER.encode()), (400,), CONFLICT, stays=True),
    Case(
        "a selector twice, once absent",
        query(b"selector=&" + SEL + b"&selector=null"),
        (200,),
        "absent is no value",
        stays=True,
        record={"selector": SELECTOR},
    ),
    Case(
        "one token by two names, the same",
        query(PAIRS + b"&pushTokenIncomingCall=" + T),
        (200,),
        SAME,
        stays=True,
        record=token(TOKEN),
    ),
    Case("one token by two names, different", query(PAIRS + b"&pushTokenIncomingCall=x"), (400,), CONFLICT, stays=True),
    Case(
        "query and body, the same", form(PAIRS, target=b"/token/?" + SEL), (200,), SAME, stays=True, record=token(TOKEN)
    ),
    Case(
        "query and body, different",
        form(PAIRS, target=b"/token/?selector=" + OTHER.encode()),
        (400,),
        CONFLICT,
        stays=True,
    ),
    Case(
        "query and JSON, different",
        document(b'{"username": "b"}', target=b"/token/?username=a&" + SEL),
        (400,),
        CONFLICT,
        stays=True,
    ),
    Case(
        "path and query, the same",
        get(b"/token/u/?username=u&" + PAIRS),
        (200,),
        SAME,
        stays=True,
        record={"username": "u"},
    ),
    Case("path and query, different", get(b"/token/u/?username=v&" + PAIRS), (400,), CONFLICT, stays=True),
    Case("path and body, different", form(b"username=v&" + PAIRS, target=b"/token/u/"), (400,), CONFLICT, stays=True),
    Case(
        "an encoded name and a plain one", query(SEL + b"&%73elector=" + OTHER.encode()), (400,), CONFLICT, stays=True
    ),
    Case("names in other cases, different", query(SEL + b"&SELECTOR=" + OTHER.encode()), (400,), CONFLICT, stays=True),
    Case(
        "; between parameters",
        query(SEL + b";token_calls=x"),
        (200,),
        "WHATWG URL §5.1: only & separates",
        stays=True,
        record={"selector": f"{SELECTOR};token_calls=x", "calls": None},
    ),
    Case(
        "&amp; between parameters",
        query(SEL + b"&amp;token_calls=" + T),
        (200,),
        "XML escaped twice (docs/templates.md)",
        stays=True,
        record=token(TOKEN),
    ),
    Case("selector[]", query(b"selector[]=" + S), (400,), "another name: no selector", stays=True),
    Case("selector[0]", query(b"selector%5B0%5D=" + S), (400,), "another name: no selector", stays=True),
    Case(
        "empty pairs",
        query(b"&&" + PAIRS + b"&&=&=x&y"),
        (200,),
        "WHATWG URL §5.1: of no consequence",
        stays=True,
        record=token(TOKEN),
    ),
    Case("two question marks", get(b"/token/??" + PAIRS), (400,), "the name is `?selector`: no selector", stays=True),
    Case(
        "= in a value",
        calls(b"dG9r=="),
        (200,),
        "RFC 3986 §3.4: a value may hold it",
        stays=True,
        record=token("dG9r=="),
    ),
    Case("more than 1,000 parameters", query(b"a&" * 1000 + PAIRS), (400,), "each name costs time", stays=True),
    Case("no query", get(b"/token/"), (400,), "no selector", stays=True),
]
