"""Builds the gates of all templates that have one."""

import logging
import secrets
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from ingest.auth.accounts import HASHES, Accounts, OneAccount
from ingest.auth.basic_gate import BasicGate
from ingest.auth.callback import CallbackAccounts, CallbackError
from ingest.auth.digest_gate import DigestGate
from ingest.auth.external_gate import ExternalGate
from ingest.auth.htdigest import UsersError
from ingest.auth.nonce import Nonces
from ingest.auth.secret_gates import ClosedGate, HeaderGate, ParameterGate, PathGate
from ingest.auth.signed_gate import SignedGate
from ingest.auth.users_file import UsersFile
from ingest.gate import Gate
from ingest.template import Compiled
from ingest.template_text import TemplateError
from schemas.secret import Secret
from schemas.settings import Ingest, Settings

log = logging.getLogger(__name__)

_SIMPLE: Final[dict[str, Callable[[Compiled], Gate]]] = {
    "parameter": ParameterGate,
    "path": PathGate,
    "header": HeaderGate,
    "signed": SignedGate,
}


def gates(templates: Iterable[Compiled], settings: Ingest) -> dict[str, Gate]:
    """The gates, by template name.

    Raises:
        TemplateError: a users file or callback that cannot be used.
    """
    return {
        template.name: _gate(template, settings)
        for template in templates
        if template.auth != "none" or template.removals_off
    }


def with_nonce_key(settings: Settings) -> Settings:
    """The settings with a key for the nonces of all workers: a random one, if the operator has none."""
    needed = any(template.auth == "digest" for template in settings.templates)
    if settings.ingest.auth_nonce_key or not needed:
        return settings
    log.warning("several instances of this ingress need one ingest.auth_nonce_key; this one has a key of its own")
    ingest = msgspec.structs.replace(settings.ingest, auth_nonce_key=Secret(secrets.token_hex(32)))
    return msgspec.structs.replace(settings, ingest=ingest)


def _gate(template: Compiled, settings: Ingest) -> Gate:
    if template.removals_off:
        return ClosedGate()
    if template.auth in _SIMPLE:
        return _SIMPLE[template.auth](template)
    if template.auth == "external":
        return ExternalGate(template, settings)
    try:
        accounts = _accounts(template, settings)
    except (UsersError, CallbackError) as error:
        raise TemplateError(template.name, str(error)) from None
    if template.auth == "basic":
        return BasicGate(template, accounts)
    # Nothing made of a password: whoever asks gets a challenge, and could guess at leisure what signed its nonce.
    key = settings.auth_nonce_key.reveal() or secrets.token_hex(32)
    return DigestGate(template, accounts, Nonces(key.encode(), template.name, settings.nonce_timeout))


def _accounts(template: Compiled, settings: Ingest) -> Accounts:
    source = template.source
    wanted = source.auth_algorithms
    if template.auth == "basic":
        # Nobody chooses there: a user's one line is enough, and of one account one hash.
        wanted = wanted or (tuple(HASHES) if source.auth_users_file or source.auth_callback else ("SHA-256",))
    if source.auth_users_file:
        return UsersFile(source.auth_users_file, source.auth_realm, wanted, settings.auth_reload_seconds)
    if source.auth_callback:
        limits = settings.auth_concurrency, settings.auth_timeout
        return CallbackAccounts(source.auth_callback, source.auth_realm, wanted, *limits)
    return OneAccount(source.auth_username, template.auth_secrets, source.auth_realm, wanted)
