"""Child processes that are measured: servers, the bare loop and engines, with their cores and CPU quota."""
