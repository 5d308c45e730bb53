"""Signed URLs: what a signature covers, and what becomes of the report."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.auth.signature import sign, verify
from schemas.secret import Secret
from schemas.settings_ingest import SigningKey
from tests.unit.ingest.auth.client import Door, told

NOW = 1_790_000_000.0
NEW = SigningKey(id="2026", secret=Secret("new key 0123456789"))
OLD = SigningKey(id="2025", secret=Secret("old key 0123456789"))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(NAMES, st.integers(0, 4_000_000_000))
def test_a_signature_gives_its_name_back_until_it_expires(name: str, expires: int) -> None:
    signature = sign(NEW, name, expires)
    good = expires == 0 or expires > NOW
    assert verify([OLD, NEW], signature, NOW) == (name if good else None)
    assert verify([OLD], signature, NOW) is None
    assert signature.replace(".", "").replace("-", "").replace("_", "").isalnum()  # nothing to escape in a URL


def test_a_known_signature() -> None:
    """Printed URLs live for years: this one (made with openssl) must verify with every later version."""
    known = "2026.0.am9obmRvdw.jKrXE-F8CoVuJlidS3p3zXaroNvHvKlLRhQbgtX0nK8"
    assert sign(NEW, "johndow") == known


@given(st.data())
def test_no_sign_of_it_can_change(data: st.DataObject) -> None:
    signature = sign(NEW, "johndow", 1_900_000_000)
    at = data.draw(st.integers(0, len(signature) - 1))
    sign_there = data.draw(st.sampled_from("ABCxyz019-_.").filter(lambda other: other != signature[at]))
    assert verify([NEW, OLD], signature[:at] + sign_there + signature[at + 1 :], NOW) is None


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert verify([NEW], text, NOW) is None
    assert verify([NEW], f"2026.0.{text}", NOW) is None


def test_a_key_renamed_is_another() -> None:
    renamed = SigningKey(id="2025", secret=NEW.secret)
    assert verify([renamed], sign(NEW, "johndow"), NOW) is None
    forged = sign(SigningKey(id="x", secret=Secret("no key has this id")), "johndow")
    assert verify([NEW], forged, NOW) is None


SIGNED = {"auth": "signed", "auth_keys": (NEW, OLD)}


async def test_the_gate() -> None:
    door = Door(SIGNED)
    signature = sign(NEW, "johndow", int(time.time()) + 60)
    assert await door.ask(secrets=(signature,), username="johndow") == "johndow"
    assert await door.ask(secrets=(signature, signature)) == "johndow"
    assert door.values["username"] == "johndow"
    assert await door.ask(secrets=(sign(OLD, "johndow"),)) == "johndow"  # while it is listed
    other = await door.refusal(secrets=(signature,), username="somebody")
    assert (other.status, other.reason) == (403, "other_account")
    free = Door(SIGNED | {"auth_username_differs": True})
    assert await free.ask(secrets=(signature,), username="+44123") == "johndow"
    assert free.values["username"] == "+44123"


@pytest.mark.parametrize(
    "given",
    [
        ("",),
        ("2026.0.am9obmRvdw",),
        ("2026.0.am9obmRvdw.AAAA",),
        (sign(NEW, "johndow", 1_000_000_000),),
        (sign(NEW, "johndow"), sign(NEW, "somebody")),
        (sign(SigningKey(id="2026", secret=Secret("another key 987654")), "johndow"),),
        (sign(SigningKey(id="2027", secret=Secret("another key 987654")), "johndow"),),
    ],
)
async def test_whatever_is_wrong_sounds_the_same(given: tuple[str, ...]) -> None:
    door = Door(SIGNED)
    missing = await door.refusal()
    assert (missing.status, missing.field) == (403, "sig")
    assert told(await door.refusal(secrets=given)) == told(missing)


async def test_a_key_that_is_taken_out_signs_no_more() -> None:
    after = Door({"auth": "signed", "auth_keys": (NEW,)})
    assert (await after.refusal(secrets=(sign(OLD, "johndow"),))).status == 403
