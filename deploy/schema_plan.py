"""The ClickHouse half of a plan: the schema's files, the tables' expiry, their engine."""

from deploy.plan import Step
from schemas.settings import Settings


def look_at_schema(settings: Settings) -> list[Step]:
    """What is there and what `init` would do. Blocking; changes nothing.

    Raises:
        RefusedError, AwayError: as `processors.migrations.migrate`.
    """
    from processors.migrations import SchemaError, standing

    chosen = settings.clickhouse
    try:
        found = standing(settings)
    except SchemaError as error:
        return [Step("schema", chosen.database, "wrong", str(error))]
    steps = [Step("schema", name, "create", f"to be applied to database {chosen.database}") for name in found.pending]
    steps += [
        Step("expiry", table, "change", f"{now or 'no TTL'} to {wanted or 'no TTL'}")
        for table, (now, wanted) in found.expiries.items()
    ]
    if found.engine and (found.engine == "Distributed") is not chosen.replicated:
        detail = (
            f"is {found.engine}, but PUSHTOKENS_CLICKHOUSE_REPLICATED is {str(chosen.replicated).lower()}: tables are "
            "not changed into another kind; use another database, or set it as it was"
        )
        steps.append(Step("engine", f"{chosen.database}.reports", "wrong", detail))
    return steps or [Step("schema", chosen.database, "ok", "up to date")]
