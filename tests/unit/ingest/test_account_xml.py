"""What is printed for the account XML is what the template says, and comes back from an XML reader as such."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli.main import main
from ingest.account_xml import Account, account_xml, keys, templates_in_force
from ingest.auth.signature import verify
from ingest.builtin import PASTED
from ingest.template_set import template_set
from ingest.template_text import TemplateError
from schemas.secret import Secret
from schemas.settings import Settings, Template
from schemas.settings_ingest import SigningKey

URL = "https://h.example/t?s=%selector%&t=%pushTokenIncomingCall%&x=<\">'"


def read_back(text: str) -> dict[str, str | None]:
    return {element.tag: element.text for element in ElementTree.fromstring(text)}


def test_keys_of_a_form_and_a_removal() -> None:
    report = Template(name="r", url="https://h/t", post_data="s=%selector%&t=%pushToken%", method="PUT")
    removal = Template(name="gone", kind="removal", url="https://h/gone?s=%selector%")
    assert read_back(account_xml([report, removal])) == {
        "pushTokenReporterUrl": "https://h/t",
        "pushTokenReporterPostData": "s=%selector%&t=%pushToken%",
        "pushTokenReporterMethod": "PUT",
        "accountRemovalReporterUrl": "https://h/gone?s=%selector%",
    }


def test_reserved_signs_are_escaped_once() -> None:
    text = account_xml([Template(name="r", url=URL)])
    assert "&amp;t=" in text and "&amp;amp;" not in text
    assert read_back(text)["pushTokenReporterUrl"] == URL


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n\r&<>\"'"), max_size=60))
def test_post_data_comes_back(text: str) -> None:
    template = Template(
        name="r", url="https://h/t?s=%selector%&t=%pushToken%", post_data=text, content_type="text/plain"
    )
    try:
        found = keys(template)
    except TemplateError as error:
        assert "control character" in error.reason
        return
    assert read_back(account_xml([template])).get("pushTokenReporterPostData", "") == found.get(
        "pushTokenReporterPostData", ""
    )


def test_control_characters_are_refused() -> None:
    with pytest.raises(TemplateError, match="control character"):
        account_xml([Template(name="r", url="https://h/t", post_data="\0")])


@pytest.mark.parametrize(("base", "url"), [("http://10.0.0.1:8080", "/t"), ("https://h/push/", "/push/t")])
def test_base_url(base: str, url: str) -> None:
    found = keys(Template(name="r", url="https://example.com/t"), base)["pushTokenReporterUrl"]
    assert found.endswith(url) and found.startswith(base.rstrip("/"))


@pytest.mark.parametrize("base", ["h", "ftp://h", "https://u:p@h", "https://h?x", "https://h#x"])
def test_base_urls_that_are_none(base: str) -> None:
    with pytest.raises(TemplateError, match="base URL"):
        keys(Template(name="r", url="https://example.com/t"), base)


def test_passwords_are_masked_unless_asked_for() -> None:
    template = Template(
        name="r", url="https://h/t?s=%selector%", auth="digest", auth_username="push", auth_password=Secret("s3cret&")
    )
    assert "s3cret" not in account_xml([template])
    shown = read_back(account_xml([template], show_secrets=True))
    assert (shown["pushTokenReporterAuthUsername"], shown["pushTokenReporterAuthPassword"]) == ("push", "s3cret&")


@pytest.mark.parametrize(
    ("url", "post_data", "password", "expected"),
    [
        ("https://h/t?key=s3cret&s=%selector%", "", "", "https://h/t?key=s3cret&s=%selector%"),
        ("https://h/t?key=s3cret&s=%selector%", "", "s3cret", "https://h/t?key=s3cret&s=%selector%"),
        ("https://h/t?s=%selector%", "", "s3cret", "https://h/t?s=%selector%&key=s3cret"),
        ("https://h/t", "", "s3&cret", "https://h/t?key=s3%26cret"),
        ("https://h/t?key=%account[password]%&s=%selector%", "", "s3cret", "https://h/t?key=s3cret&s=%selector%"),
        ("https://h/t?monkey=x", "key=%any%&s=%selector%", "s3cret", "key=s3cret&s=%selector%"),
        ("https://h/t", '{"key": "x", "s": "%selector%"}', 's3"', '{"key": "s3\\"", "s": "%selector%"}'),
    ],
)
def test_shared_secrets(url: str, post_data: str, password: str, expected: str) -> None:
    template = Template(
        name="r", url=url, post_data=post_data, auth="parameter", auth_parameter="key", auth_password=Secret(password)
    )
    shown = keys(template, show_secrets=True)
    assert expected in (shown["pushTokenReporterUrl"], shown.get("pushTokenReporterPostData"))
    masked = keys(template)
    assert not [text for text in masked.values() if "s3" in text]
    assert any("key=***" in text or '"key": "***"' in text for text in masked.values())


def test_the_secret_of_a_path() -> None:
    template = Template(
        name="r", url="https://h/r/%secret%/%selector%?t=%pushToken%", auth="path", auth_password=Secret("a/b&c")
    )
    assert keys(template)["pushTokenReporterUrl"] == "https://h/r/***/%selector%?t=%pushToken%"
    shown = keys(template, "https://push.example.net", show_secrets=True)["pushTokenReporterUrl"]
    assert shown == "https://push.example.net/r/a%2Fb%26c/%selector%?t=%pushToken%"


def test_the_secret_of_a_header() -> None:
    template = Template(name="r", url=URL, auth="header", auth_header="X-Push-Key", auth_password=Secret("s3cret"))
    assert keys(template)["pushTokenReporterCustomHeaders"] == "X-Push-Key: ***"
    assert keys(template, show_secrets=True)["pushTokenReporterCustomHeaders"] == "X-Push-Key: s3cret"


SIGNED = Template(
    name="r",
    url="https://h/t",
    post_data="s=%selector%&t=%pushToken%",
    auth="signed",
    auth_keys=(SigningKey(id="new", secret=Secret("n" * 16)), SigningKey(id="old", secret=Secret("o" * 16))),
)


def test_a_signed_url() -> None:
    johndow = Account("john dow&", 1_800_000_000)
    assert keys(SIGNED)["pushTokenReporterUrl"] == "https://h/t?sig=***"
    assert keys(SIGNED, account=johndow)["pushTokenReporterUrl"] == "https://h/t?sig=***"
    url = keys(SIGNED, show_secrets=True, account=johndow)["pushTokenReporterUrl"]
    start, _, signature = url.partition("=")
    assert start == "https://h/t?sig" and signature.startswith("new.1800000000.")
    assert verify(SIGNED.auth_keys, signature, 1_799_999_999) == "john dow&"
    assert verify(SIGNED.auth_keys, signature, 1_800_000_000) is None


@pytest.mark.parametrize("auth", ["digest", "basic"])
def test_accounts_have_their_own_password(auth: str) -> None:
    template = Template(name="r", url=URL, auth=auth, auth_users_file="/nowhere")  # type: ignore[arg-type]
    found = read_back(account_xml([template], show_secrets=True, account=Account("johndow")))
    assert (found["pushTokenReporterAuthUsername"], found["pushTokenReporterAuthPassword"]) == ("johndow", "***")
    assert "the ingress does not hold the password" in account_xml([template])


def test_the_command_signs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    keys_of_it = '[{"id": "a", "secret": "0123456789abcdef"}]'
    url = "https://h/t?s=%selector%&t=%pushToken%"
    templates = f'[{{"name": "t", "url": "{url}", "auth": "signed", "auth_keys": {keys_of_it}}}]'
    monkeypatch.setenv("PUSHTOKENS_TEMPLATES", templates)
    asked = ["account-xml", "--account", "johndow", "--expires", "2099-01-01"]
    assert main(asked) == 0
    masked = capsys.readouterr()
    assert "sig=***" in masked.out and "--show-secrets" in masked.err
    assert main([*asked, "--show-secrets"]) == 0
    shown = capsys.readouterr()
    assert "sig=a.4070908800.am9obmRvdw." in shown.out and shown.err == ""
    assert "0123456789abcdef" not in masked.out + shown.out
    for wrong, said in (
        (["--expires", "2099-01-01"], "goes with --account"),
        (["--account", "a", "--expires", "2020-01-01"], "has passed"),
        (["--account", "a", "--expires", "tomorrow"], "must be a date"),
        (["--account", "a\n"], "must be a name"),
    ):
        assert main(["account-xml", *wrong]) == 2
        assert said in capsys.readouterr().err


def test_what_is_printed_without_templates_is_understood_without_templates() -> None:
    """The built-in parsers accept what the built-in texts make an app send: see the examples `spec-*`."""
    settings = Settings()
    assert templates_in_force(settings) == PASTED
    template_set(Settings(templates=(PASTED[0], PASTED[1], PASTED[3], PASTED[4])))
    names = {template.name for template in PASTED}
    assert names == {"query", "form", "json", "path", "removal"}


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["account-xml", "--template", "path", "--base-url", "https://push.example.net"]) == 0
    out = capsys.readouterr().out
    assert read_back(out)["pushTokenReporterUrl"] == (
        "https://push.example.net/pushToken/%account[username]%/%selector%/%pushToken%&appid=%pushappid%"
    )
    assert main(["account-xml", "--template", "nothing"]) == 2
    assert "not one of query, form" in capsys.readouterr().err


def test_the_command_refuses_what_the_ingress_refuses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHTOKENS_TEMPLATES", '[{"name": "t", "url": "https://h/%selector%%pushToken%"}]')
    assert main(["account-xml"]) == 2
    assert "template `t`: nothing stands between two variables" in capsys.readouterr().err
