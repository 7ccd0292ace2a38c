"""A tokenizer comes in many forms, and reads texts as transformers does, or the checkpoint is refused."""

import io
import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
import sentencepiece
import transformers
from tokenizers import Tokenizer

from export.checkpoint import Checkpoint, read_checkpoint
from export.errors import ExportError
from tests.support.architectures import build_foreign
from tests.support.checkpoints import synthetic_rows, words

pytestmark = pytest.mark.development

_TEXTS = [text for text, _ in synthetic_rows(("negative", "positive"))]


def _ids(found: Checkpoint, text: str) -> list[int]:
    return list(found.tokenization().encode([text], "head")[0].windows[0])


def _keep_only(directory: Path, *names: str) -> None:
    """Remove every other file of the tokenizer."""
    for name in ("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "special_tokens_map.json"):
        if name not in names:
            (directory / name).unlink(missing_ok=True)


def test_its_own_file_stays_as_it_is(tmp_path: Path) -> None:
    """``tokenizer.json`` is copied to the letter where transformers reads it alike."""
    directory = build_foreign(tmp_path / "model", "bert")
    found = read_checkpoint(directory)
    assert (directory / "tokenizer.json").read_text() == found.tokenizer.document
    assert "" == found.tokenizer.converted_from


def test_settings_that_change_it_count(tmp_path: Path) -> None:
    """``do_lower_case`` beside a file that keeps case: the answer is transformers'."""
    directory = build_foreign(tmp_path / "model", "bert")
    settings = directory / "tokenizer_config.json"
    changed = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | changed))
    found = read_checkpoint(directory)
    assert _ids(found, "good Good")[1] != _ids(found, "good Good")[2]
    assert transformers.AutoTokenizer.from_pretrained(directory)("good Good")["input_ids"] == _ids(found, "good Good")


def test_a_vocabulary_of_words_is_converted(tmp_path: Path) -> None:
    """``vocab.txt`` alone reads every text as the slow tokenizer of BERT does."""
    directory = build_foreign(tmp_path / "model", "bert")
    vocabulary = Tokenizer.from_file(str(directory / "tokenizer.json")).get_vocab()
    (directory / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)))
    _keep_only(directory, "vocab.txt")
    (directory / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "model_max_length": 64}')
    found = read_checkpoint(directory)
    found.check_texts(_TEXTS)
    assert ("the tokenizer is converted from vocab.txt",) == found.notes
    slow = transformers.BertTokenizer.from_pretrained(directory)
    assert slow.encode("a lovely film") == _ids(found, "a lovely film")


def test_a_vocabulary_with_merges_is_converted(tmp_path: Path) -> None:
    """``vocab.json`` and ``merges.txt`` read every text as the slow tokenizer of RoBERTa does."""
    directory = build_foreign(tmp_path / "model", "roberta")
    document = json.loads((directory / "tokenizer.json").read_text())
    (directory / "vocab.json").write_text(json.dumps(document["model"]["vocab"]))
    (directory / "merges.txt").write_text("#version: 0.2\n")
    _keep_only(directory, "vocab.json", "merges.txt")
    (directory / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer", "model_max_length": 64}')
    found = read_checkpoint(directory)
    found.check_texts([*_TEXTS, "naïve  café 👍"])
    assert "vocab.json" == found.tokenizer.converted_from


def _sentencepiece(directory: Path) -> Path:
    """Replace the tokenizer of a tiny ALBERT by a sentencepiece model alone."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(
            [*_TEXTS, *words(), "日本語のテキスト und Русский текст naïve café, Straße 1,299.50 %!"]
        ),
        model_writer=written,
        vocab_size=80,
        character_coverage=1.0,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        minloglevel=2,
    )
    (directory / "spiece.model").write_bytes(written.getvalue())
    _keep_only(directory, "spiece.model")
    (directory / "tokenizer_config.json").write_text('{"tokenizer_class": "AlbertTokenizer", "model_max_length": 64}')
    return directory


def test_sentencepiece_alone_is_converted(tmp_path: Path) -> None:
    """The converted tokenizer reads every text as sentencepiece itself does."""
    directory = _sentencepiece(build_foreign(tmp_path / "model", "albert", vocab_size=140))
    found = read_checkpoint(directory)
    found.check_texts(_TEXTS)
    slow = transformers.AlbertTokenizer.from_pretrained(directory)
    assert slow.encode("a lovely film was not dull") == _ids(found, "a lovely film was not dull")


def test_a_conversion_that_reads_differently_is_refused(tmp_path: Path) -> None:
    """The line names the first text."""
    directory = _sentencepiece(build_foreign(tmp_path / "model", "albert", vocab_size=140))
    found = read_checkpoint(directory)
    document = found.tokenizer.document.replace('"▁film"', '"▁flim"')
    assert document != found.tokenizer.document
    object.__setattr__(found.tokenizer, "document", document)
    with pytest.raises(ExportError, match=r"converted, reads .* differently from AlbertTokenizer"):
        found.check_texts(_TEXTS)


def test_a_tokenizer_that_knows_no_word_is_refused(tmp_path: Path) -> None:
    """A folder without its vocabulary maps every word to unknown, and transformers loads it."""
    directory = build_foreign(tmp_path / "model", "bert")
    document = json.loads((directory / "tokenizer.json").read_text())
    kept = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "a": 5}
    document["model"]["vocab"] = kept
    (directory / "tokenizer.json").write_text(json.dumps(document))
    found = read_checkpoint(directory)
    with pytest.raises(ExportError, match=r"knows almost no word of the texts: [0-9]+ known tokens in [0-9,]+ words"):
        found.check_texts(_TEXTS)


def test_no_tokenizer_is_one_line(tmp_path: Path) -> None:
    """A trainer that was not given the tokenizer saves none."""
    directory = build_foreign(tmp_path / "model", "bert")
    _keep_only(directory)
    with pytest.raises(ExportError, match=r"brings no tokenizer: tokenizer\.json is missing"):
        read_checkpoint(directory)


def test_ids_beyond_the_embeddings_are_refused(tmp_path: Path) -> None:
    """A token that was added after training has no row."""
    directory = build_foreign(tmp_path / "model", "bert")
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(directory)
    with pytest.raises(ExportError, match=r"1 ids beyond the model's [0-9]+ embeddings, .* '<new>'"):
        read_checkpoint(directory)


def test_custom_code_in_its_settings_is_refused(tmp_path: Path) -> None:
    """As in the model's."""
    directory = build_foreign(tmp_path / "model", "bert")
    settings = directory / "tokenizer_config.json"
    settings.write_text(
        json.dumps(json.loads(settings.read_text()) | {"auto_map": {"AutoTokenizer": ["mine.Fast", None]}})
    )
    with pytest.raises(ExportError, match="names custom code"):
        read_checkpoint(directory)
