"""One account on one phone: everything about it follows from the seed and its number."""

import base64
import hashlib
from typing import Final, Literal

from msgspec import Struct

from schemas.records import Pair

_AGENTS: Final = {
    "ios": (
        "CloudSoftphone/1.5.6 CFNetwork/1494.0.7 Darwin/23.4.0",
        "Acrobits Softphone/6.9 CFNetwork/1568 Darwin/24.1",
    ),
    "android": ("CloudSoftphone/1.5.6 (Android 14; Pixel 8)", "CloudSoftphone/1.5.6"),
}
_IOS_OF_256: Final = 115  # 45 %
_BOTH_SLOTS_OF_256: Final = 64  # of Android phones: a quarter reports one token for both slots
_SECOND_PHONE_EVERY: Final = 20  # every 20th phone belongs to the user of the one before it
_APP: Final = "com.cloudsoftphone.app"


class Version(Struct, frozen=True):
    """What became new since the phone was bought: how often it was reinstalled, and each token rotated."""

    install: int = 0
    calls: int = 0
    other: int = 0


class Phone(Struct, frozen=True, kw_only=True):
    """One account on one phone at one moment.

    `username` may end in a space; `install_id` survives updates and is lost on uninstall; `calls` is None on Android
    phones that report one pair only; `habits` are 32 bytes from which the phone's lasting ways are drawn.
    """

    number: int
    version: Version
    platform: Literal["ios", "android"]
    selector: str
    username: str
    install_id: str
    user_agent: str
    calls: Pair | None
    other: Pair
    habits: bytes


def phone(seed: int, number: int, version: Version) -> Phone:
    """The phone `number` of the fleet `seed` in `version`; about 1 KB."""
    stem = f"{seed}/{number}"
    habits = _draw(f"{stem}/habits")
    platform: Literal["ios", "android"] = "ios" if habits[0] < _IOS_OF_256 else "android"
    other = _other(f"{stem}/other/{version.install}/{version.other}", platform)
    calls: Pair | None = None
    if platform == "ios":
        drawn = _draw(f"{stem}/calls/{version.install}/{version.calls}")
        calls = Pair(base64.b64encode(drawn).decode(), f"{_APP}.pushkit")
    elif habits[1] < _BOTH_SLOTS_OF_256:
        calls = other
    return Phone(
        number=number,
        version=version,
        platform=platform,
        selector=_selector(stem),
        username=_username(number),
        install_id=_draw(f"{stem}/install/{version.install}").hex()[:32].upper(),
        user_agent=_AGENTS[platform][habits[2] % 2],
        calls=calls,
        other=other,
        habits=habits,
    )


def _draw(what: str) -> bytes:
    return hashlib.sha256(what.encode()).digest()


def _selector(stem: str) -> str:
    """A SHA-1 hash with a suffix (specification, "selector"); it outlives reinstalls and log-outs."""
    drawn = _draw(f"{stem}/selector").hex().upper()
    return f"{drawn[:40]}:{drawn[40:48]}"


def _username(number: int) -> str:
    """The user name in one of the forms that real deployments send (companions.md)."""
    user = number - 1 if number % _SECOND_PHONE_EVERY == _SECOND_PHONE_EVERY - 1 else number
    forms = (f"user{user}", f"+44{7_000_000_000 + user}", f"user{user}@example.net", f"{user}@example.net@qrcode")
    return f"{forms[user % 4]} " if user % 50 == 0 else forms[user % 4]


def _other(stem: str, platform: str) -> Pair:
    """Android's token is base64 of a registration id, as in the specification's example."""
    drawn = _draw(stem)
    if platform == "ios":
        return Pair(base64.b64encode(drawn).decode(), _APP)
    text = base64.urlsafe_b64encode(drawn + _draw(f"{stem}/more")).rstrip(b"=")
    return Pair(base64.b64encode(b"APA91b" + text).decode(), _APP)
