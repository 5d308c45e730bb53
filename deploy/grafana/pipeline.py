"""The board of what comes after Kafka: how far behind, how old, what was rejected."""

from typing import Final

from deploy.grafana.ingress import rate
from deploy.grafana.panels import Board, Panel, Query, quantiles

_BEHIND: Final = (
    Panel(
        "Lag, seconds",
        "How long the oldest record that is not dealt with has waited, at most. Alerts TableBehind, HistoryBehind.",
        "s",
        (
            Query("max(pushtokens_compactor_lag_seconds)", "table"),
            Query("max(pushtokens_sink_lag_seconds)", "ClickHouse"),
        ),
    ),
    Panel(
        "Lag, records",
        "Records not dealt with yet. What grows matters, not what is there.",
        "short",
        (
            Query("sum(pushtokens_compactor_lag_records)", "table"),
            Query("sum(pushtokens_sink_lag_records)", "ClickHouse"),
        ),
    ),
    Panel(
        "Throughput",
        "Records a second: what comes in, and what each side has dealt with.",
        "cps",
        (
            Query(rate('pushtokens_ingest_requests_total{outcome="accepted"}'), "accepted"),
            Query(rate("pushtokens_compactor_records_total"), "table"),
            Query(rate("pushtokens_sink_rows_total"), "ClickHouse"),
        ),
    ),
    Panel(
        "From Kafka to the table",
        "Age of a batch's oldest record when a lookup finds it. The time before is `Time to Kafka's confirmation`.",
        "s",
        quantiles("pushtokens_compactor_age_seconds"),
    ),
    Panel(
        "From Kafka to ClickHouse",
        "Age of a range's oldest record when a query finds it; sink.batch_seconds is part of it.",
        "s",
        quantiles("pushtokens_sink_age_seconds"),
    ),
)

_TABLE: Final = (
    Panel(
        "Partitions",
        "Owned and caught up, of all workers; below the partition count somebody's reports wait.",
        "short",
        (
            Query("sum(pushtokens_compactor_partitions_owned)", "owned"),
            Query("sum(pushtokens_compactor_partitions_ready)", "ready"),
            Query("sum(pushtokens_compactor_partitions_standby)", "standby copies"),
        ),
    ),
    Panel(
        "What records did",
        "By disposition.",
        "cps",
        (Query(rate("pushtokens_compactor_dispositions_total", "disposition"), "{{disposition}}"),),
        stacked=True,
    ),
    Panel(
        "Changes",
        "Messages on the topic of changes.",
        "cps",
        (Query(rate("pushtokens_compactor_changes_total"), "changes"),),
    ),
    Panel("A batch, merge to commit", "", "s", quantiles("pushtokens_compactor_batch_seconds")),
    Panel(
        "Tried again",
        "Batches and take-overs that failed: Kafka was away, or another worker took a partition.",
        "cps",
        (Query(rate("pushtokens_compactor_failures_total"), "failures"),),
    ),
    Panel(
        "Lookups",
        "By outcome.",
        "reqps",
        (Query(rate("pushtokens_compactor_lookups_total", "outcome"), "{{outcome}}"),),
    ),
    Panel(
        "Room on the disk",
        "Of the local copies. Alert TableDiskLow: below 2 GB.",
        "bytes",
        (Query("pushtokens_compactor_disk_free_bytes", "{{instance}}"),),
    ),
)

_REJECTS: Final = (
    Panel(
        "Rejected by the compactor",
        "Records on the topic of reports that are none, and those of selectors bound to another account.",
        "cps",
        (Query(rate("pushtokens_compactor_rejected_total", "reason"), "{{reason}}"),),
    ),
    Panel(
        "Bound to another account",
        "Records refused, an hour: any is worth a look.",
        "short",
        (Query("sum(increase(pushtokens_compactor_bound_refused_total[1h]))", "refused"),),
    ),
    Panel(
        "Without a row in ClickHouse",
        "`erased` is usual: of somebody who was forgotten.",
        "cps",
        (Query(rate("pushtokens_sink_left_out_total", "why"), "{{why}}"),),
    ),
)

_HISTORY: Final = (
    Panel("A range, record to commit", "", "s", quantiles("pushtokens_sink_insert_seconds")),
    Panel(
        "Tried again",
        "Inserts and commits: ClickHouse or Kafka was away.",
        "cps",
        (Query(rate("pushtokens_sink_retries_total"), "retries"),),
    ),
    Panel(
        "Memory of what waits",
        "Rows gathered or under way, by instance; sink.batch_bytes is the limit.",
        "bytes",
        (Query("pushtokens_sink_buffered_bytes", "{{instance}}"),),
    ),
    Panel(
        "Churn figures",
        "Age of the newest build; it is built anew only while reports come in.",
        "s",
        (Query("max(pushtokens_dashboard_rollup_age_seconds)", "age"),),
    ),
)

PIPELINE: Final = Board(
    uid="pushtokens-pipeline",
    title="Push tokens: table and history",
    help="How far the table and ClickHouse are behind the reports, and what was rejected.",
    rows=(("Behind", _BEHIND), ("Table", _TABLE), ("Rejects", _REJECTS), ("ClickHouse", _HISTORY)),
)
