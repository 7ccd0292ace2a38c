"""Data sets on the Hugging Face hub -> rows."""

from training.reading.files import SUFFIXES
from training.reading.rows import Columns, DataError, TextTable, collect


def read_hub(name: str, split: str, columns: Columns, *, min_words: int = 0) -> TextTable:
    """Read one split of a data set on the hub.

    Args:
        name: of the data set, such as ``stanfordnlp/imdb``.
        split: such as ``train``.
        columns: to read.
        min_words: shorter texts are left out.

    Raises:
        DataError: if it cannot be loaded, a column is missing or a row is unfit.
    """
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise DataError(f"{name} is neither a {', '.join(SUFFIXES)} file nor a name on the hub")
    import datasets  # noqa: PLC0415 - slow to import, and only for the hub

    try:
        loaded = datasets.load_dataset(name, split=split)
    except Exception as error:  # the hub client raises many kinds; a user needs one line
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"{name} cannot be loaded from the hub: {reason}") from error
    names = columns.among(loaded.column_names, name)
    values = zip(*(loaded[column] for column in names), strict=True)
    records = ((number, dict(zip(names, row, strict=True))) for number, row in enumerate(values, 1))
    declared = getattr(loaded.features[columns.label], "names", None) if columns.label is not None else None
    return collect(
        records,
        columns,
        location=name,
        unit="row",
        min_words=min_words,
        label_names=tuple(declared) if declared else None,
    )
