"""Tokenizer: a checkpoint's tokenizer as one JSON text, the form that the server reads.

``tokenizer.json`` is taken as it is where transformers reads it alike. All other forms (``vocab.txt``, ``vocab.json``
with ``merges.txt``, sentencepiece) are converted by transformers and compared with the slow tokenizer, which is the
reference, on every text of the export.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer
from transformers import AutoTokenizer

from artifact.tokenization import Tokenization
from export.errors import ExportError
from export.source.config import read_object, refuse_custom_code

FILE: Final = "tokenizer.json"
_VOCABULARIES: Final = (
    FILE, "vocab.txt", "vocab.json", "spm.model", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
)  # fmt: skip
_LEAST_KNOWN: Final = 0.5
"""Fewest known tokens per word of the texts; a tokenizer of the texts' language has one or more."""
_PROVING: Final = (
    "A film I will watch again.",
    "It cost 1,299.50 dollars, i.e. 20 % more (in 2024)!",
    "naïve café, Straße, ŁÓDŹ",
    "don't  stop   here",
    "日本語のテキスト und Русский текст",
)


@dataclass(frozen=True)
class FoundTokenizer:
    """A tokenizer in the server's form.

    Attributes:
        document: the JSON text.
        converted_from: the file that it was converted from; empty where it is the checkpoint's own.
        pad_token_id: the id that fills, if the tokenizer names one.
        max_length: most tokens by the tokenizer's settings, very large where they name none.
    """

    document: str
    converted_from: str
    pad_token_id: int | None
    max_length: int


def read_tokenizer(directory: Path) -> FoundTokenizer:
    """Return the tokenizer of a checkpoint, as transformers reads it.

    Raises:
        ExportError: if there is none, it needs custom code, or it has no fast form.
    """
    found = [name for name in _VOCABULARIES if (directory / name).is_file()]
    if not found:
        raise ExportError(
            f"{directory} brings no tokenizer: {FILE} is missing, and so are {', '.join(_VOCABULARIES[1:])}"
        )
    settings = directory / "tokenizer_config.json"
    if settings.is_file():
        refuse_custom_code(settings, read_object(settings))
    fast = _load(directory, found[0], fast=True)
    if not getattr(fast, "is_fast", False):
        raise ExportError(f"{directory}/{found[0]} cannot be converted: {type(fast).__name__} has no fast form")
    document, converted = _document(fast), found[0]
    if converted == FILE:
        own, converted = (directory / FILE).read_text(encoding="utf-8"), ""
        document = own if _same(own, document) else document
    return FoundTokenizer(document, converted, fast.pad_token_id, int(fast.model_max_length))


def has_tokenizer(directory: Path) -> bool:
    """Return whether a directory holds a tokenizer in any form."""
    return any((directory / name).is_file() for name in _VOCABULARIES)


def check_ids(directory: Path, document: str, pad_token_id: int, rows: int) -> None:
    """Check that the model has an embedding for every id of the tokenizer, and for padding.

    Raises:
        ExportError: naming the first token beyond the table.
    """
    if not 0 <= pad_token_id < rows:
        raise ExportError(f"{directory}: pad_token_id {pad_token_id} is beyond the model's {rows} embeddings")
    vocabulary = Tokenizer.from_str(document).get_vocab(with_added_tokens=True)
    beyond = sorted((index, token) for token, index in vocabulary.items() if index >= rows)
    if beyond:
        index, token = beyond[0]
        raise ExportError(
            f"{directory}: the tokenizer has {len(beyond)} ids beyond the model's {rows} embeddings, the first one "
            f"{index} for {token!r}; save the tokenizer and the model of the same training"
        )


def check_known(directory: Path, tokenization: Tokenization, texts: Sequence[str]) -> None:
    """Check that the tokenizer knows the words of the texts.

    transformers loads a tokenizer without its vocabulary, and then every word is unknown.

    Raises:
        ExportError: if it has fewer known tokens than half the words.
    """
    words = sum(len(text.split()) for text in texts)
    special = tokenization.fewest_tokens("")
    known = sum(cut.tokens - special - cut.unknown for cut in tokenization.encode(texts, "window"))
    if known < _LEAST_KNOWN * words:
        raise ExportError(
            f"{directory}: the tokenizer knows almost no word of the texts: {known:,} known tokens in {words:,} "
            "words; its vocabulary is missing, or it is of another language: then give texts of that with --data"
        )


def check_conversion(directory: Path, found: FoundTokenizer, texts: Sequence[str]) -> None:
    """Check that a converted tokenizer reads texts as the slow one does.

    Raises:
        ExportError: naming the first text that it reads differently.
    """
    if not found.converted_from:
        return
    slow = _load(directory, found.converted_from, fast=False)
    fast = Tokenizer.from_str(found.document)
    fast.no_truncation()
    for text in (*_PROVING, *texts):
        if slow.encode(text, verbose=False) != fast.encode(text).ids:
            raise ExportError(
                f"{directory}: {found.converted_from}, converted, reads {text[:60]!r} differently from "
                f"{type(slow).__name__}; bring the {FILE} of the model's training"
            )


def _load(directory: Path, name: str, *, fast: bool) -> Any:  # noqa: ANN401 - transformers has no types here
    try:
        return AutoTokenizer.from_pretrained(
            directory, use_fast=fast, trust_remote_code=False, local_files_only=True, clean_up_tokenization_spaces=False
        )
    except Exception as error:  # transformers, tokenizers and sentencepiece raise many classes
        first = (str(error).strip() or repr(error)).splitlines()[0][:200]
        raise ExportError(f"{directory}/{name} cannot be read: {first}") from error


def _document(fast: Any) -> str:  # noqa: ANN401 - as above
    raw = Tokenizer.from_str(fast.backend_tokenizer.to_str())
    raw.no_truncation()
    raw.no_padding()
    return str(raw.to_str())


def _same(own: str, loaded: str) -> bool:
    """Return whether two tokenizers differ in truncation and padding alone, which the server sets itself."""
    raw = Tokenizer.from_str(own)
    raw.no_truncation()
    raw.no_padding()
    return bool(json.loads(raw.to_str()) == json.loads(loaded))
