"""What every test gets: hypothesis profiles, asyncio for coroutines, an environment without a developer's settings."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "local", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

for _name in list(os.environ):
    if _name.upper().startswith(("VERDICT_", "OTEL_")) or _name.upper() == "PORT":
        del os.environ[_name]


@pytest.fixture
def anyio_backend() -> str:
    """Run coroutine tests (marked ``anyio``) on asyncio, as the server does."""
    return "asyncio"
