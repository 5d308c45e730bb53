"""How the members of the group reach each other's lookups, and which of them are processes of one worker."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from schemas.settings import Settings


def member_url(settings: Settings) -> str:
    """What a member says of itself; with a fragment if it is one process of several of a worker."""
    lookup = settings.lookup
    host = f"[{lookup.host}]" if ":" in lookup.host else lookup.host
    return lookup.advertised_url or f"http://{host}:{lookup.port}"


def reached_at(url: str) -> str:
    """A member's URL as it is asked there: without the fragment, and the slash that Faust (yarl) puts before one."""
    return url.partition("#")[0].rstrip("/")


def workers_behind(urls: Iterable[str]) -> int:
    """How many workers these members are: the processes of one have the same fragment in their URLs."""
    return len({urlsplit(url).fragment or url for url in urls})
