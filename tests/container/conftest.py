"""One image for all tests, or a reason why none can be built here."""

import pytest

from tests.support.container import build, missing_engine, reserve_port


@pytest.fixture(scope="session")
def image() -> str:
    """Return the tag of an image of this tree; a test that asks is skipped where no engine can build one."""
    if reason := missing_engine():
        pytest.skip(reason)
    return build("verdict-test")


@pytest.fixture
def free_port() -> int:
    """Return a port on which nobody listens, for what has to name one before it starts."""
    return reserve_port()
