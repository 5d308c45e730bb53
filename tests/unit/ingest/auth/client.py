"""What a client sends to authenticate, and a gate asked directly."""

import base64
import hashlib
import re
from typing import Any

import pytest

from ingest.auth.gates import gates
from ingest.gate import Asked, Gate
from ingest.reading import Reading
from ingest.refusal import RefusedError
from ingest.template import compile_template
from ingest.values import Limits
from schemas.settings import Ingest, Template

TARGET = "/t?s=A&t=B"
URL = "https://h/t?s=%selector%&t=%pushToken%"
HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def digest_answer(challenge: str, username: str, password: str, **changed: str) -> str:
    """What a client makes of a challenge (RFC 7616 section 3.4), with parts of it changed; HA1 is made of `ha1_of`."""
    nonce = re.findall('nonce="([^"]+)"', challenge)[0]
    realm = re.findall('realm="([^"]+)"', challenge)[0]
    algorithm = re.findall("algorithm=([A-Z0-9-]+)", challenge)[0]
    parts = {"username": username, "realm": realm, "nonce": nonce, "uri": TARGET, "algorithm": algorithm}
    parts |= {"qop": "auth", "nc": "00000001", "cnonce": "0a4f113b"} | changed

    def hashed(text: str) -> str:
        return HASHES[algorithm](text.encode()).hexdigest()

    user = hashed(f"{username}:{parts['realm']}:{password}")
    request = hashed(f"GET:{parts['uri']}")
    middle = f"{parts['nonce']}:{parts['nc']}:{parts['cnonce']}:{parts['qop']}"
    parts.setdefault("response", hashed(f"{user}:{middle}:{request}"))
    bare = {"algorithm", "qop", "nc", "username*"}
    return "Digest " + ", ".join(
        f"{key}={text}" if key in bare else f'{key}="{text}"' for key, text in parts.items() if text is not None
    )


def basic_header(username: str, password: str) -> str:
    """An `Authorization` value."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def ha1(algorithm: str, username: str, password: str, realm: str = "push-token") -> str:
    """The hash that a users file holds."""
    return HASHES[algorithm](f"{username}:{realm}:{password}".encode()).hexdigest()


class Door:
    """One template's gate, asked as the endpoint does it."""

    def __init__(self, template: dict[str, Any], **settings: Any) -> None:
        given = {"name": "t", "url": URL} | template
        self.template = compile_template(Template(**given))
        found: dict[str, Gate] = gates([self.template], Ingest(**settings))
        self.gate = found["t"]
        self.values: dict[Any, str] = {}

    async def ask(
        self,
        authorization: str = "",
        *,
        method: str = "GET",
        target: str = TARGET,
        headers: dict[str, str] | None = None,
        secrets: tuple[str, ...] = (),
        username: str | None = None,
    ) -> str | None:
        """The authenticated name; `values` then holds what the report has."""
        pairs = [(name.lower().encode(), text.encode()) for name, text in (headers or {}).items()]
        asked = Asked(method, target, authorization.encode().decode("latin-1"), pairs)
        known = await self.gate.before(asked)
        reading = Reading(self.template, Limits())
        reading.secrets.extend(secrets)
        if username is not None:
            reading.values["username"] = username
        self.values = dict(reading.values)
        found = await self.gate.after(asked, reading, known)
        self.values = dict(reading.values)
        return found

    async def refusal(self, *arguments: Any, **named: Any) -> RefusedError:
        """What it says to one who must not pass."""
        with pytest.raises(RefusedError) as caught:
            await self.ask(*arguments, **named)
        return caught.value


def challenges(error: RefusedError) -> list[str]:
    """The `WWW-Authenticate` values of a refusal."""
    return [value.decode() for name, value in error.headers if name == b"www-authenticate"]


def told(error: RefusedError) -> tuple[object, ...]:
    """All that a client hears, but what is new each time: nonces."""
    headers = [re.sub('nonce="[^"]+"', "nonce", value.decode()) for _, value in error.headers]
    return (error.status, error.reason, error.detail, error.field, headers)
