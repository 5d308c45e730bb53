"""Where a request ends: Content-Length, chunks, halves, connections."""

from tests.fuzz.case import (
    CHUNKED,
    FORM_TYPE,
    HIDDEN,
    JSON,
    PAIRS,
    Case,
    chunk,
    chunked,
    document,
    form,
    get,
    post,
    query,
    request,
    whole,
)

N = str(len(PAIRS)).encode()
CL = b"Content-Length: "
INVALID_LENGTH = "RFC 9112 §6.3: an invalid Content-Length is an error that nothing mends"
ENCODING = "RFC 9112 §6.3: chunked must be the last and only coding, or the length is unknown"
CHUNK = "RFC 9112 §7.1: chunk = chunk-size CRLF chunk-data CRLF"


def coded(coding: bytes) -> bytes:
    return chunked(whole(PAIRS), b"Transfer-Encoding:" + coding)


LENGTHS = [
    Case("Content-Length and chunked", chunked(whole(PAIRS), CL + N, CHUNKED), (400,), "RFC 9112 §6.1: smuggling"),
    Case("chunked, then Content-Length", chunked(whole(PAIRS), CHUNKED, CL + N), (400,), "RFC 9112 §6.1: smuggling"),
    Case(
        "TE.CL: a request hidden in a chunk",
        chunked(whole(b"x=" + HIDDEN), CL + b"4", CHUNKED),
        (400,),
        "RFC 9112 §11.2: the hidden one never runs",
    ),
    Case(
        "CL.TE: a request behind the last chunk",
        chunked(b"0\r\n\r\n" + HIDDEN, CL + str(5 + len(HIDDEN)).encode(), CHUNKED),
        (400,),
        "RFC 9112 §11.2: the hidden one never runs",
    ),
    Case(
        "CL.0: GET with a request for a body",
        request(b"GET", b"/token/?" + PAIRS, CL + str(len(HIDDEN)).encode()) + HIDDEN,
        (200,),
        "RFC 9110 §9.3.1: such a body has no meaning, but it is read as what it is",
        stays=True,
    ),
    Case(
        "GET with a request in chunks",
        request(b"GET", b"/token/?" + PAIRS, CHUNKED) + whole(HIDDEN),
        (200,),
        "RFC 9110 §9.3.1: as before",
        stays=True,
    ),
    Case(
        "GET with chunks beyond the limit",
        request(b"GET", b"/token/?" + PAIRS, CHUNKED) + chunk(b"a" * 1000) * 70,
        (413,),
        "`max_body`: it was not over, so it left no record",
    ),
    Case(
        "GET with half a body",
        request(b"GET", b"/token/?" + PAIRS, CL + b"9") + b"a",
        (408,),
        "`body_timeout`: as before",
        then="stall",
    ),
    Case(
        "GET with half a body, and the client ends",
        request(b"GET", b"/token/?" + PAIRS, CL + b"9") + b"a",
        (),
        "RFC 9112 §8: as before",
        then="half-close",
    ),
    Case(
        "POST with a request in its body, nothing else",
        post(HIDDEN, FORM_TYPE),
        (400,),
        "a body is data: no selector in it",
        stays=True,
    ),
    Case("two Content-Lengths, the same", form(PAIRS).replace(CL, CL + N + b"\r\n" + CL, 1), (400,), INVALID_LENGTH),
    Case("two Content-Lengths, different", form(PAIRS).replace(CL, CL + b"4\r\n" + CL, 1), (400,), INVALID_LENGTH),
    Case("Content-Length: N, N", form(PAIRS, length=N + b", " + N), (400,), INVALID_LENGTH),
    *(
        Case(f"Content-Length: {text.decode()!r}", form(PAIRS, length=text), (400,), INVALID_LENGTH)
        for text in (b"", b"+" + N, b"-" + N, b"-1", hex(len(PAIRS)).encode(), b"1 1", b"1e2", b"9" * 20, b"9" * 400)
    ),
    Case("Content-Length with zeros in front", form(PAIRS, length=b"000" + N), (200,), "RFC 9110 §8.6", stays=True),
    Case(
        "Content-Length with spaces around", form(PAIRS, length=b"  " + N + b" \t"), (200,), "RFC 9110 §5.5", stays=True
    ),
    Case(
        "Content-Length smaller than the body",
        form(PAIRS, length=str(len(PAIRS) - 5).encode()),
        (200, 400),
        "what is left over starts no request (here the token ends 5 early, as was said)",
    ),
    Case("Content-Length smaller than a JSON body", document(JSON, length=b"30"), (400,), "cut off: never guessed at"),
    Case("Content-Length larger than the body", form(PAIRS, length=b"9999"), (408,), "RFC 9112 §8", then="stall"),
    Case("the same, and the client ends", form(PAIRS, length=b"9999"), (), "RFC 9112 §8", then="half-close"),
    Case("Content-Length beyond the limit", form(b"a", length=b"10000000"), (413,), "`max_body`"),
    Case("a body beyond the limit", form(PAIRS + b"&x=" + b"a" * 70_000), (413,), "`max_body`"),
    Case(
        "POST without a length", request(b"POST", b"/token/", FORM_TYPE), (400,), "RFC 9112 §6.3: no body", stays=True
    ),
]

CODINGS = [
    Case("chunked", coded(b" chunked"), (200,), "RFC 9112 §7.1", stays=True),
    Case("CHUNKED", coded(b"\tCHUNKED "), (200,), "RFC 9112 §7: names of codings have no case", stays=True),
    *(
        Case(f"Transfer-Encoding: {text.decode()!r}", coded(b" " + text), (400,), ENCODING)
        for text in (
            b"",
            b"identity",
            b"chunked, identity",
            b"identity, chunked",
            b"gzip, chunked",
            b"chunked, chunked",
            b"xchunked",
            b"chunkedx",
            b"chun ked",
            b"chunked;q=1",
            b"chunked,",
            b'"chunked"',
            b"\x0bchunked",
        )
    ),
    Case("Transfer-Encoding twice", chunked(whole(PAIRS), CHUNKED, CHUNKED), (400,), ENCODING),
    Case("chunked on a folded line", coded(b"\r\n chunked"), (400,), "RFC 9112 §5.2: no obs-fold"),
    Case(
        "Transfer-Encoding : chunked", coded(b" chunked").replace(b"Encoding:", b"Encoding :"), (400,), "RFC 9112 §5.1"
    ),
    Case(
        "chunked in HTTP/1.0",
        request(b"POST", b"/token/", FORM_TYPE, CHUNKED, version=b"1.0") + whole(PAIRS),
        (400,),
        "RFC 9112 §6.1: faulty framing",
    ),
    Case(
        "chunk extensions",
        chunked(chunk(PAIRS, b';a=b;c="d e"') + b"0;e\r\n\r\n"),
        (200,),
        "RFC 9112 §7.1.1: ignored",
        stays=True,
    ),
    Case(
        "a chunk extension of 1 MB", chunked(chunk(PAIRS, b";" + b"a" * 1_000_000)), (413,), "RFC 9112 §7.1.1: bounded"
    ),
    *(
        Case(f"chunk size {text.decode()!r}", chunked(text + b"\r\n" + PAIRS + b"\r\n0\r\n\r\n"), (400,), CHUNK)
        for text in (b"", b"zz", b"-5", b"+5", b"0x5", b" 5", b"5 ", b"5;\x00", b"F" * 17, b"5\n")
    ),
    Case("a chunk beyond the limit", chunked(b"FFFFFF\r\n" + b"a" * 70_000), (413,), "`max_body`"),
    Case("many chunks beyond the limit", chunked(chunk(b"a" * 100) * 700), (413,), "`max_body`"),
    Case("a chunk longer than it says", chunked(b"5\r\n" + PAIRS + b"\r\n0\r\n\r\n"), (400,), CHUNK),
    Case("chunks with bare line feeds", chunked(whole(PAIRS).replace(b"\r\n", b"\n")), (400,), CHUNK),
    Case("no last chunk", chunked(chunk(PAIRS)), (408,), "RFC 9112 §8", then="stall"),
    Case("no last chunk, and the client ends", chunked(chunk(PAIRS)), (), "RFC 9112 §8", then="half-close"),
    Case(
        "a trailer",
        chunked(chunk(PAIRS) + b"0\r\nX-Sum: 1\r\n\r\n"),
        (200,),
        "RFC 9110 §6.5: ignored",
        stays=True,
    ),
    Case(
        "trailers that would be headers",
        chunked(
            chunk(PAIRS)
            + b"0\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nUser-Agent: trailer\r\nHost: x\r\n\r\n"
        ),
        (200,),
        "RFC 9110 §6.5.1: never merged",
        stays=True,
        record={"user_agent": None},
    ),
    Case(
        "a trailer with a space in its name", chunked(chunk(PAIRS) + b"0\r\nX Y: 1\r\n\r\n"), (400,), "RFC 9112 §7.1.2"
    ),
    Case(
        "10,000 trailers",
        chunked(chunk(PAIRS) + b"0\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n"),
        (431,),
        "100 lines, as in a header",
    ),
]

HALVES = [
    Case("nothing", b"", (), "`header_timeout`", then="stall", shown="(nothing)"),
    Case("nothing, and the client ends", b"", (), "RFC 9112 §9.6", then="half-close", shown="(nothing)"),
    Case("half a request line", b"GET /token/?sel", (408,), "`header_timeout`", then="stall"),
    Case("half a request line, and the client ends", b"GET /token/?sel", (), "RFC 9112 §8", then="half-close"),
    Case("half a header", b"GET /token/ HTTP/1.1\r\nHost: t\r\nX-A", (408,), "`header_timeout`", then="stall"),
    Case("half a header, and the client ends", query()[:-2], (), "RFC 9112 §8", then="half-close"),
    Case("half a body", form(PAIRS)[:-5], (408,), "`body_timeout`", then="stall"),
    Case("half a body, and the client ends", form(PAIRS)[:-5], (), "RFC 9112 §8", then="half-close"),
    Case("a body, a byte now and then", form(PAIRS, length=b"9999"), (408,), "deadlines are absolute", then="drip"),
    Case("a header, a byte now and then", query()[:-4] + b"\r\nX-A: ", (408,), "deadlines are absolute", then="drip"),
    Case("half a request behind a whole one", query() + query()[:30], (200, 408), "RFC 9112 §9.3.2", then="stall"),
    Case(
        "a whole request, and the client ends", query(), (200,), "RFC 9112 §9.6: it can still read", then="half-close"
    ),
    Case("a whole request, then silence", query(), (200,), "`idle_timeout`", then="stall"),
    Case(
        "refused before its body, which never comes",
        request(b"POST", b"/nowhere", CL + b"100") + b"x",
        (404,),
        "one request, one answer",
        then="stall",
    ),
    Case("Connection: close", query(PAIRS, b"Connection: close"), (200,), "RFC 9112 §9.6"),
    Case("Connection: Close, te", query(PAIRS, b"Connection: Close, te"), (200,), "RFC 9110 §7.6.1: no case"),
    Case(
        "pipelined: good, bad, good",
        query() + query(b"x=1") + query(),
        (200, 400, 200),
        "RFC 9112 §9.3.2: in order",
        stays=True,
    ),
    Case(
        "pipelined: good, no such path, bad JSON, good",
        query() + get(b"/x") + document(b"{") + query(),
        (200, 404, 400),
        "JSON that is cut off may be the wrong length's: nothing behind it is trusted",
    ),
    Case(
        "pipelined: good, then no HTTP",
        query() + b"\x00\x01\x02\r\n\r\n",
        (200, 400),
        "RFC 9112 §2.2: what was good is answered",
    ),
    Case(
        "pipelined: good, good, smuggling, good",
        query() + query() + chunked(whole(PAIRS), CL + N, CHUNKED) + query(),
        (200, 200, 400),
        "nothing behind a broken frame runs",
    ),
    Case(
        "pipelined: 50 requests", query() * 50, (200,) * 50, "RFC 9112 §9.3.2: in order", stays=True, shown="50 × GET"
    ),
    Case(
        "pipelined: 50 requests and half a one",
        query() * 50 + b"GET",
        (200,) * 50 + (408,),
        "in order",
        then="stall",
        shown="50 × GET, `GET`",
    ),
]
