"""What a churn question may be narrowed to; pure parsing and checking."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from msgspec import Struct

SLOTS: Final = ("", "calls", "other")
PLATFORMS: Final = ("", "ios", "android", "unknown")
DEFAULT_DAYS: Final = 90
DEFAULT_WEEKS: Final = 4  # weeks in one cohort of the survival curves: few enough lines to tell apart in a quarter
MAX_DAYS: Final = 3660  # ten years: every query answers with at least one row a day
MAX_APP_ID: Final = 8192  # `schemas.records.Text`
_FIRST_DAY: Final = date(1970, 1, 2)  # ClickHouse's Date, less the day before which no week begins
_LAST_DAY: Final = date(2149, 5, 30)


class FilterError(ValueError):
    """A filter that cannot be used; the text names it and says what is expected."""


class Filters(Struct, frozen=True, kw_only=True):
    """Days (UTC, both included), slot, app id and platform (empty: all), weeks in one cohort (0: one cohort)."""

    from_day: date
    to_day: date
    slot: str = ""
    app_id: str = ""
    platform: str = ""
    weeks: int = DEFAULT_WEEKS

    def parameters(self) -> dict[str, Any]:
        """The queries' placeholders by name."""
        return {
            "from": self.from_day.isoformat(),
            "to": self.to_day.isoformat(),
            "slot": self.slot,
            "app_id": self.app_id,
            "platform": self.platform,
            "weeks": self.weeks,
        }


def parse(given: Mapping[str, str], today: date, days: int = DEFAULT_DAYS) -> Filters:
    """Filters from texts by name: `from`, `to`, `slot`, `app_id`, `platform`, `weeks`; a missing or empty one is all.

    Args:
        given: name to text, as from a query string or the command line; other names are not looked at.
        today: the day (UTC) that `to` stands for if it is not given; a later `to` is taken as this.
        days: how many days end with `to` if `from` is not given.

    Raises:
        FilterError: what is wrong, by name.
    """
    to_day = min(_day(given, "to") or today, today)
    from_day = _day(given, "from") or max(_FIRST_DAY, to_day - timedelta(days=days - 1))
    if from_day > to_day:
        raise FilterError(f"from ({from_day}) is after to ({to_day})")
    if (to_day - from_day).days >= MAX_DAYS:
        raise FilterError(f"from and to are more than {MAX_DAYS} days apart")
    app_id = given.get("app_id", "")
    if len(app_id) > MAX_APP_ID:
        raise FilterError(f"app_id is longer than {MAX_APP_ID} characters")
    return Filters(
        from_day=from_day,
        to_day=to_day,
        slot=_choice(given, "slot", SLOTS),
        app_id=app_id,
        platform=_choice(given, "platform", PLATFORMS),
        weeks=_weeks(given),
    )


def _day(given: Mapping[str, str], name: str) -> date | None:
    text = given.get(name, "")
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise FilterError(f"{name} must be a day such as 2026-11-24") from None
    if not _FIRST_DAY <= found <= _LAST_DAY:
        raise FilterError(f"{name} must be from {_FIRST_DAY} to {_LAST_DAY}")
    return found


def _choice(given: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    text = given.get(name, "")
    if text not in allowed:
        raise FilterError(f"{name} must be one of {', '.join(allowed[1:])}, or empty for all")
    return text


def _weeks(given: Mapping[str, str]) -> int:
    text = given.get("weeks", "")
    if not text:
        return DEFAULT_WEEKS
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise FilterError("weeks must be a number from 0 (one cohort) to 999")
    return int(text)
