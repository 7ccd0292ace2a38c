"""The one reader of data files, for training, export and evaluation.

    table = parse_file("tickets.csv,text=body,label=queue").read()
    indices = match_labels(table, ["billing", "login", "other"])

Reads Parquet, CSV, TSV, JSON and plain text, and data sets on the Hugging Face hub (``reading.hub``). Every
row of a file comes back exactly as it was written, or the whole file is refused with one ``DataError``. Blank
lines hold no row and are skipped. Imports nothing else of training, and neither torch nor transformers.
"""

from training.reading.encoding import TextFormat
from training.reading.files import SUFFIXES, read
from training.reading.labels import describe_labels, label_names, match_indices, match_labels
from training.reading.rows import HELD_OUT, Columns, DataError, Row, TextTable
from training.reading.source import FileSource, parse_file, parse_texts, read_numbers
from training.reading.targets import describe_many, describe_values, match_many, read_values

__all__ = [
    "HELD_OUT",
    "SUFFIXES",
    "Columns",
    "DataError",
    "FileSource",
    "Row",
    "TextFormat",
    "TextTable",
    "describe_labels",
    "describe_many",
    "describe_values",
    "label_names",
    "match_indices",
    "match_labels",
    "match_many",
    "parse_file",
    "parse_texts",
    "read",
    "read_numbers",
    "read_values",
]
