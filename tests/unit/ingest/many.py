"""How many inputs a property test draws: some in `make test`, twenty times as many in `make soak`."""

import os

from hypothesis import HealthCheck, settings


def many(examples: int) -> settings:
    """Settings for `examples` inputs. Shared cores make single draws slow, so no deadline is set for one."""
    times = 20 if os.environ.get("SOAK") else 1
    return settings(max_examples=examples * times, deadline=None, suppress_health_check=list(HealthCheck))
