"""One image for all tests, or the reason why none can be built here."""

import pytest

from tests.support.container import build, missing_engine, reserve_port


@pytest.fixture(scope="session")
def image() -> str:
    """Return the tag of an image of this tree; skip the test if no engine can build one."""
    if reason := missing_engine():
        pytest.skip(reason)
    return build("verdict-test")


@pytest.fixture
def free_port() -> int:
    """Return a free port, for a process that needs its port number before it starts."""
    return reserve_port()
