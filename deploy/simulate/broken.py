"""Requests that must be refused, and the status each deserves (design.md section 3, "Refusals")."""

from random import Random
from typing import Final
from urllib.parse import quote

from deploy.simulate.phone import Phone
from deploy.simulate.request import Wire
from deploy.simulate.shapes import FORM, JSON

_TOO_MANY_BYTES: Final = 70_000  # over the ingress's default `max_body`, 65,536


def _no_selector(phone: Phone) -> Wire:
    return Wire(method="GET", target=f"/token/?username={quote(phone.username)}&token_msgs={quote(phone.other.token)}")


def _two_selectors(phone: Phone) -> Wire:
    return Wire(method="GET", target=f"/token/?selector={phone.selector}&selector={phone.selector[::-1]}")


def _cut_json(phone: Phone) -> Wire:
    body = f'{{"selector": "{phone.selector}", "token_msgs": "'.encode()
    return Wire(method="POST", target="/token/", content_type=JSON, body=body)


def _short_length(phone: Phone) -> Wire:
    """As the specification's own POST example: a Content-Length less than the body."""
    body = f'{{"selector": "{phone.selector}", "token_msgs": "{phone.other.token}"}}'.encode()
    return Wire(method="POST", target="/token/", content_type=JSON, body=body, length=len(body) - 20)


def _nowhere(phone: Phone) -> Wire:
    return Wire(method="GET", target=f"/no-such-service/?selector={phone.selector}")


def _method(phone: Phone) -> Wire:
    return Wire(method="PATCH", target=f"/token/?selector={phone.selector}")


def _text(phone: Phone) -> Wire:
    return Wire(method="POST", target="/token/", content_type="text/plain", body=phone.selector.encode())


def _too_large(phone: Phone) -> Wire:
    body = f"selector={phone.selector}&token_msgs=".encode().ljust(_TOO_MANY_BYTES, b"A")
    return Wire(method="POST", target="/token/", content_type=FORM, body=body)


_WAYS: Final = (
    ("no_selector", 400, _no_selector),
    ("two_selectors", 400, _two_selectors),
    ("cut_json", 400, _cut_json),
    ("short_length", 400, _short_length),
    ("nowhere", 404, _nowhere),
    ("method", 405, _method),
    ("text", 415, _text),
    ("too_large", 413, _too_large),
)


def broken(phone: Phone, random: Random) -> tuple[str, int, Wire]:
    """One broken request: its shape's name, the status (int) it deserves, and the request."""
    shape, status, build = random.choice(_WAYS)
    return shape, status, build(phone)
