"""Child processes that are measured: servers, the bare loop, engines, and the cores and quotas that they get."""
