"""The process group is destroyed before the interpreter ends."""

import pytest

torch = pytest.importorskip("torch")

from training.__main__ import _leave_group  # noqa: E402 - behind the check

pytestmark = [
    pytest.mark.development,
    pytest.mark.skipif(not torch.distributed.is_available(), reason="this build of torch has no process groups"),
]


def test_a_group_is_left_and_none_is_no_error() -> None:
    """Leaving twice is no error: a process that was started alone has no group."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    for _ in range(2):
        _leave_group()
        assert not torch.distributed.is_initialized()
