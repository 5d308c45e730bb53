"""Digest, Basic and shared secrets."""

import hashlib
import re

import pytest

from ingest.authentication import check_header, check_secret
from ingest.digest import DigestError, StaleError, challenges, verify
from ingest.refusal import RefusedError
from ingest.template import Compiled, compile_template
from schemas.secret import Secret
from schemas.settings import Template

NOW = 1_790_000_000.0
SECRET = Secret("pass:word")
HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def answer(challenge: str, username: str = "push", password: str = "pass:word", **changed: str) -> str:
    """What a client makes of a challenge (RFC 7616 section 3.4), with parts of it changed."""
    nonce = re.findall('nonce="([^"]+)"', challenge)[0]
    algorithm = re.findall("algorithm=([A-Z0-9-]+)", challenge)[0]
    parts = {"username": username, "realm": "push-token", "nonce": nonce, "uri": "/t?a=b", "algorithm": algorithm}
    parts |= {"qop": "auth", "nc": "00000001", "cnonce": "0a4f113b"} | changed

    def hashed(text: str) -> str:
        return HASHES[algorithm](text.encode()).hexdigest()

    user = hashed(f"{parts['username']}:{parts['realm']}:{password}")
    request = hashed(f"GET:{parts['uri']}")
    middle = f"{parts['nonce']}:{parts['nc']}:{parts['cnonce']}:{parts['qop']}"
    parts.setdefault("response", hashed(f"{user}:{middle}:{request}"))
    quoted = {"algorithm", "qop", "nc"}
    return ", ".join(f"{key}={text}" if key in quoted else f'{key}="{text}"' for key, text in parts.items())


def check(header: str, now: float = NOW + 1) -> None:
    verify(header, "GET", "/t?a=b", "push", SECRET, now, 300)


@pytest.mark.parametrize("number", [0, 1])
def test_digest(number: int) -> None:
    challenge = challenges(SECRET, NOW)[number]
    check(answer(challenge))
    check(answer(challenge, nc="00000002", cnonce="ffff"))


def test_the_stronger_algorithm_comes_first() -> None:
    assert [re.findall("algorithm=(\\S+),", challenge)[0] for challenge in challenges(SECRET, NOW)] == [
        "SHA-256",
        "MD5",
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"password": "other"},
        {"username": "pull"},
        {"uri": "/t?a=c"},
        {"nonce": "AAAA"},
        {"nonce": "!"},
        {"realm": "other"},
        {"qop": "auth-int"},
        {"response": "0" * 64},
        {"response": "é"},
    ],
)
def test_digest_that_does_not_fit(changed: dict[str, str]) -> None:
    with pytest.raises(DigestError):
        check(answer(challenges(SECRET, NOW)[0], **changed))


def test_the_nonce_of_another_password_is_not_ours() -> None:
    with pytest.raises(DigestError):
        check(answer(challenges(Secret("other"), NOW)[0]))


def test_an_old_nonce_is_stale() -> None:
    header = answer(challenges(SECRET, NOW)[0])
    check(header, NOW + 300)
    with pytest.raises(StaleError):
        check(header, NOW + 301)
    with pytest.raises(StaleError):
        check(header, NOW - 1)


@pytest.mark.parametrize("header", ["", "username", 'username="a" username="a"', "a=b, a=c", 'x="', "=", ",,", "\xff"])
def test_headers_that_are_none(header: str) -> None:
    with pytest.raises(DigestError):
        check(header)


def compiled(auth: str, **more: object) -> Compiled:
    given = {"auth_username": "push", "auth_password": SECRET, "auth_parameter": "key"} | more
    return compile_template(
        Template(name="t", url="https://h/t?s=%selector%&t=%pushToken%", auth=auth, **given)  # type: ignore[arg-type]
    )


def refusal(template: Compiled, authorization: str) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        check_header(template, authorization, "GET", "/t?a=b", NOW, 300)
    assert "pass:word" not in repr(caught.value.headers)
    return caught.value


def test_digest_exchange() -> None:
    template = compiled("digest")
    first = refusal(template, "")
    assert (first.status, len(first.headers)) == (401, 2)
    challenge = first.headers[1][1].decode()
    check_header(template, f"digest {answer(challenge)}", "GET", "/t?a=b", NOW + 1, 300)
    with pytest.raises(RefusedError) as caught:
        check_header(template, f"Digest {answer(challenge)}", "GET", "/t?a=b", NOW + 400, 300)
    assert "stale=true" in caught.value.headers[0][1].decode()
    assert "stale" not in refusal(template, "Digest nonsense").headers[0][1].decode()


def test_basic() -> None:
    template = compiled("basic")
    check_header(template, "Basic cHVzaDpwYXNzOndvcmQ=", "GET", "/", NOW, 300)
    check_header(template, "basic  cHVzaDpwYXNzOndvcmQ=", "GET", "/", NOW, 300)
    for wrong in ("", "Basic", "Basic cHVzaDpwYXNz", "Basic !", "Bearer cHVzaDpwYXNzOndvcmQ="):
        found = refusal(template, wrong)
        assert found.status == 401 and found.headers[0][1].startswith(b"Basic realm=")


def test_shared_secret() -> None:
    template = compiled("parameter")
    check_header(template, "", "GET", "/", NOW, 300)
    check_secret(template, ["pass:word"])
    check_secret(compiled("none"), [])
    for wrong in ([], ["other"], ["pass:word", "other"], ["\ud800"]):
        with pytest.raises(RefusedError) as caught:
            check_secret(template, wrong)
        assert (caught.value.status, caught.value.field) == (403, "key")
