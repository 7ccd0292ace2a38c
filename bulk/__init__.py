"""Bulk: texts in files -> the same files with scores, on every core of this machine or on a Ray cluster.

    python -m bulk reviews.parquet --output scored/

``from bulk import scorer`` gives the daft expression for pipelines of your own. Bulk imports ``artifact`` and
``training.reading``, so a text gets the same scores here as from the server. daft distributes the work; the packages
are in ``requirements/bulk.txt``.
"""

import os
from typing import TYPE_CHECKING, Any

# daft reads these when it is first imported.
os.environ.setdefault("DO_NOT_TRACK", "true")  # it reports its use by default
os.environ.setdefault("DAFT_SHOW_QUERY_ID", "0")  # a name for each query, on every terminal
os.environ.setdefault("DAFT_PROGRESS_BAR", "0")  # ours counts rows, its own counts tasks

if TYPE_CHECKING:
    from bulk.expression import scorer

__all__ = ["scorer"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type of an attribute depends on its name
    """Import ``scorer`` when it is first used: daft takes half a second, and ``--help`` needs none of it."""
    if name == "scorer":
        from bulk.expression import scorer  # noqa: PLC0415 - as above

        return scorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
