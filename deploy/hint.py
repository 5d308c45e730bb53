"""What to say where nothing runs."""

from schemas.settings import Settings


def hint(settings: Settings) -> str:
    """What starts everything, with a space before it; empty where Kafka is a server of its own."""
    return " Here `make run` (or `pushtokens up`) starts everything." if settings.embedded_kafka else ""
