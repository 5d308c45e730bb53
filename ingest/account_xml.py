"""The account-XML keys that make an app use a template (specification, "Configuration"; companions.md). Pure."""

import json
import re
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from msgspec import Struct

from ingest.auth.declared import PLACE, SIGNATURE, personal
from ingest.auth.signature import sign
from ingest.builtin import PASTED
from ingest.template_text import TemplateError
from schemas.secret import MASK, Secret
from schemas.settings import Settings, Template

# The removal reporter's prefix is not in the public documentation (companions.md): it stands here and nowhere else.
PREFIXES: Final = {"report": "pushTokenReporter", "removal": "accountRemovalReporter"}
_HOST: Final = re.compile(r"^https?://[^/?#]+", re.IGNORECASE)
_BASE: Final = re.compile(r"https?://[^/?#@\s]+(?:/[^?#\s]*)?", re.IGNORECASE)
_OWN_PASSWORD: Final = "each account has its own name and password; the ingress does not hold the password"
_NOTES: Final = {
    "signed": "signed for one account",
    "digest": _OWN_PASSWORD,
    "basic": _OWN_PASSWORD,
    "external": _OWN_PASSWORD,
}
_KEEP: Final = {"\r": "&#13;"}  # XML readers turn a bare one into a line feed
# Characters that XML 1.0 cannot hold, even escaped.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def templates_in_force(settings: Settings) -> tuple[Template, ...]:
    """The operator's templates, or what the specification prints where there are none."""
    return settings.templates or PASTED


class Account(Struct, frozen=True):
    """Whose account XML is printed: the name it authenticates with, and until when a signed URL is good (s since the
    epoch; 0: for ever)."""

    username: str
    expires: int = 0


def keys(
    template: Template, base_url: str = "", *, show_secrets: bool = False, account: Account | None = None
) -> dict[str, str]:
    """The keys of one template with their values (str), not yet escaped.

    Args:
        template: one that compiles.
        base_url: `scheme://host[:port][/path]` to put in the place of the template's own; empty: keep that.
        show_secrets: whether passwords, a shared secret and a signature appear; else a mask.
        account: whose keys they are, where each account has its own; None: a mask stands there.

    Raises:
        TemplateError: a value that XML cannot hold, or a base URL that is none.
    """
    prefix = PREFIXES[template.kind]
    url = _rebase(template, base_url)
    post_data = template.post_data
    if template.auth == "parameter":
        url, post_data = _with_secret(template, url, post_data, show_secrets)
    elif template.auth == "path":
        url = url.replace(f"%{PLACE}%", _shown(template.auth_password, show_secrets, escape=True))
    elif template.auth == "signed":
        url = _with(url, template.auth_parameter or SIGNATURE, _signature(template, account, show_secrets))
    found = {f"{prefix}Url": url, f"{prefix}PostData": post_data, f"{prefix}ContentType": template.content_type}
    found[f"{prefix}Method"] = template.method
    found |= {f"{prefix}{key}": value for key, value in _credentials(template, account, show_secrets).items()}
    for key, value in found.items():
        if _NOT_XML.search(value):
            raise TemplateError(template.name, f"{key} holds a control character, which XML cannot")
    return {key: value for key, value in found.items() if value}


def account_xml(
    templates: list[Template], base_url: str = "", *, show_secrets: bool = False, account: Account | None = None
) -> str:
    """The keys of `templates` as XML text, one `<account>` for each report template, removals in each.

    Raises:
        TemplateError: as `keys`.
    """
    removals = [template for template in templates if template.kind == "removal"]
    reports = [template for template in templates if template.kind == "report"]
    groups = [[report, *removals[:1]] for report in reports] or [[removal] for removal in removals]
    return "\n".join(_group(group, base_url, show_secrets, account) for group in groups)


def _group(group: list[Template], base_url: str, show_secrets: bool, account: Account | None) -> str:
    names = " and ".join(re.sub("-{2,}", "-", template.name).rstrip("-") for template in group)
    lines = [f"<!-- {names} -->", "<account>"]
    for template in group:
        if note := _NOTES.get(template.auth) if personal(template) else None:
            lines.append(f"  <!-- {note} -->")
        for key, value in keys(template, base_url, show_secrets=show_secrets, account=account).items():
            lines.append(f"  <{key}>{escape(value, _KEEP)}</{key}>")
    return "\n".join([*lines, "</account>"])


def _rebase(template: Template, base_url: str) -> str:
    if not base_url:
        return template.url
    if not _BASE.fullmatch(base_url):
        raise TemplateError(template.name, "the base URL must be http(s)://host[:port], without user name or query")
    return base_url.rstrip("/") + _HOST.sub("", template.url)


def _with_secret(template: Template, url: str, post_data: str, show: bool) -> tuple[str, str]:
    """URL and post data with the shared secret where its parameter stands, or at the end of the URL."""
    name = template.auth_parameter
    secret = template.auth_password.reveal()
    in_pairs = re.compile(rf"(?<![^?&]){re.escape(quote(name, safe='[]'))}=([^&]*)")
    in_json = re.compile(rf'"{re.escape(name)}"\s*:\s*"((?:[^"\\]|\\.)*)"')
    for text in (url, post_data):
        match = in_pairs.search(text) or in_json.search(text)
        if match is None:
            continue
        if show and not secret:
            return url, post_data
        written = json.dumps(secret)[1:-1] if match.re is in_json else quote(secret, safe="")
        start, end = match.span(1)
        replaced = text[:start] + (written if show else MASK) + text[end:]
        return (replaced, post_data) if text is url else (url, replaced)
    return _with(url, name, _shown(Secret(secret), show, escape=True)), post_data


def _with(url: str, name: str, written: str) -> str:
    joint = "&" if "?" in url else "?"
    return f"{url}{joint}{quote(name, safe='[]')}={written}"


def _shown(secret: Secret, show: bool, *, escape: bool = False) -> str:
    if not show:
        return MASK
    return quote(secret.reveal(), safe="") if escape else secret.reveal()


def _signature(template: Template, account: Account | None, show: bool) -> str:
    """Made by the first key, which is the newest."""
    if account is None or not show:
        return MASK
    return sign(template.auth_keys[0], account.username, account.expires)


def _credentials(template: Template, account: Account | None, show: bool) -> dict[str, str]:
    """The keys behind the prefix for what does not stand in URL or body."""
    if template.auth == "header":
        return {"CustomHeaders": f"{template.auth_header}: {_shown(template.auth_password, show)}"}
    if template.auth not in ("digest", "basic", "external") or template.auth_parameter:
        return {}
    if not personal(template):
        return {"AuthUsername": template.auth_username, "AuthPassword": _shown(template.auth_password, show)}
    return {"AuthUsername": account.username if account else MASK, "AuthPassword": MASK}
