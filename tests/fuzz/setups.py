"""Templates under which requests are made up, and what an app makes of them."""

import base64
from dataclasses import dataclass, field

from ingest.builtin import PASTED
from schemas.secret import Secret
from schemas.settings import Settings, Template

SECRET = "SharedSecretNeverSeen43"
PASSWORD = "PassWordNeverSeen42"


@dataclass(frozen=True, repr=False)
class Setup:
    """Settings, and the one template of them that the app was given."""

    name: str
    template: Template
    settings: Settings = field(default_factory=Settings)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    secret: str = ""  # without it in the request, there is no 200

    def __repr__(self) -> str:
        return self.name


def _own(*templates: Template, secret: str = "", headers: tuple[tuple[bytes, bytes], ...] = ()) -> Setup:
    settings = Settings(templates=templates)
    return Setup(templates[0].name, templates[0], settings, headers, secret)


_BASIC = base64.b64encode(f"push:{PASSWORD}".encode())

SETUPS = [
    *(Setup(f"builtin-{template.name}", template) for template in PASTED),
    _own(Template(name="short", url="https://h/t?s=%selector%&t=%pushToken%&u=%account[username]%&i=%installid%")),
    _own(
        Template(
            name="path",
            url="https://h/r/%account[username]%/%selector%/%pushTokenIncomingCall%&app=%pushappid_incoming_call%",
        )
    ),
    _own(
        Template(
            name="nested",
            url="https://h/j/%account[username]%",
            post_data='{"v": 1, "id": "sip:%selector%", "push": {"t": "%pushTokenOther%", '
            '"a": "%pushappid_other%"}, "x": []}',
            content_type="application/json",
        )
    ),
    _own(
        Template(name="one", url="https://h/f?v=1", post_data="s=%selector%&t=%pushTokenIncomingCall%&e=a+b"),
        Template(name="two", url="https://h/f?v=2", post_data="s=%selector%&t=%pushTokenOther%&e=c"),
        Template(name="gone", kind="removal", url="https://h/gone?s=%selector%&t=%pushTokenOther%"),
    ),
    _own(
        Template(
            name="parameter",
            url="https://h/p?u=%account[username]%&s=%selector%&t=%pushTokenIncomingCall%&o=%pushTokenOther%&key="
            + SECRET,
            auth="parameter",
            auth_parameter="key",
        ),
        secret=SECRET,
    ),
    _own(
        Template(
            name="basic",
            url="https://h/b?s=%selector%&t=%pushTokenIncomingCall%",
            auth="basic",
            auth_username="push",
            auth_password=Secret(PASSWORD),
        ),
        secret=_BASIC.decode(),
        headers=((b"authorization", b"Basic " + _BASIC),),
    ),
]
