"""The board of the ingress."""

from typing import Final

from deploy.grafana.panels import Board, Panel, Query, quantiles

_REQUESTS: Final = "pushtokens_ingest_requests_total"
_UNAVAILABLE: Final = _REQUESTS + '{outcome="unavailable"}'


def rate(metric: str, by: str = "") -> str:
    """A counter's growth a second (PromQL), summed `by` labels."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}[$__rate_interval]))"


_ANSWERS: Final = (
    Panel(
        "Answers",
        "Requests a second by outcome. `accepted` is a 200: the report is in Kafka.",
        "reqps",
        (Query(rate(_REQUESTS, "outcome"), "{{outcome}}"),),
        stacked=True,
    ),
    Panel(
        "Refusals by reason",
        "All that was not answered with 200, and why.",
        "reqps",
        (Query(rate(_REQUESTS + '{outcome!="accepted"}', "outcome, reason"), "{{outcome}} {{reason}}"),),
        stacked=True,
    ),
    Panel(
        "Accepted by template",
        "Reports and removals a second.",
        "reqps",
        (Query(rate(_REQUESTS + '{outcome="accepted"}', "template, kind"), "{{template}} {{kind}}"),),
    ),
    Panel(
        "Share of 503",
        "Kafka does not confirm in time, or too much waits. Alert IngestUnavailable: above 1 %.",
        "percentunit",
        (Query(f"{rate(_UNAVAILABLE)} / {rate(_REQUESTS)}", "503"),),
    ),
    Panel(
        "401 and 403",
        "A challenge before an answer is usual; `wrong_credentials` is guessing, or a secret changed on one side.",
        "reqps",
        (Query(rate("pushtokens_ingest_auth_failures_total", "template, mode, reason"), "{{template}} {{reason}}"),),
    ),
    Panel(
        "Values that say none",
        "By their form; `placeholder`: an account's variable is wrong, or the app does not know it.",
        "cps",
        (Query(rate("pushtokens_ingest_absent_values_total", "template, field, form"), "{{field}} {{form}}"),),
    ),
)

_KAFKA: Final = (
    Panel(
        "Time to Kafka's confirmation",
        "From the complete request to the confirmation. Near ingest.confirm_timeout the 503s begin.",
        "s",
        quantiles("pushtokens_ingest_confirm_seconds"),
    ),
    Panel(
        "Waiting for Kafka",
        "Reports, by instance.",
        "short",
        (Query("pushtokens_ingest_in_flight", "{{instance}}"),),
    ),
    Panel(
        "Memory of what waits",
        "By instance.",
        "bytes",
        (Query("pushtokens_ingest_in_flight_bytes", "{{instance}}"),),
    ),
    Panel(
        "Ended after their 503",
        "Reports whose phone was told 503 and that are in the topic (`confirmed`) or may be (`given_up`).",
        "cps",
        (Query(rate("pushtokens_ingest_late_reports_total", "end"), "{{end}}"),),
    ),
    Panel(
        "Producers replaced",
        "Given up because Kafka did not confirm, an hour.",
        "short",
        (Query("sum(increase(pushtokens_ingest_producer_replaced_total[1h]))", "producers"),),
    ),
    Panel(
        "Refusals without a record",
        "Not on the topic of rejects: its quota, or no Kafka.",
        "cps",
        (Query(rate("pushtokens_ingest_rejected_dropped_total"), "dropped"),),
    ),
)

_CONNECTIONS: Final = (
    Panel(
        "Open connections",
        "By instance; ingest.max_connections for each worker.",
        "short",
        (Query("pushtokens_ingest_connections", "{{instance}}"),),
    ),
    Panel(
        "Connections refused",
        "Raise the limit, or somebody holds connections open.",
        "cps",
        (Query(rate("pushtokens_ingest_connections_refused_total", "reason"), "{{reason}}"),),
    ),
    Panel(
        "Connections ended by a deadline",
        "`idle` is usual; much `header` or `body`: slow clients, perhaps on purpose.",
        "cps",
        (Query(rate("pushtokens_ingest_connection_timeouts_total", "deadline"), "{{deadline}}"),),
    ),
    Panel(
        "TLS certificate",
        "Until the one in force ends.",
        "s",
        (Query("pushtokens_ingest_certificate_expires_timestamp_seconds - time()", "{{instance}}"),),
    ),
)

INGRESS: Final = Board(
    uid="pushtokens-ingress",
    title="Push tokens: ingress",
    help="What the apps get: answers, times, connections. docs/operations.md says what each metric means.",
    rows=(("Answers", _ANSWERS), ("Kafka", _KAFKA), ("Connections", _CONNECTIONS)),
)
