"""Rows become training data: labels in order, duplicates counted, a stratified split."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from training.data.sources import Source
from training.data.training_data import Example, load_training_data, read_examples, split, spread, weighted
from training.reading import DataError

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]


def _text(index: int) -> str:
    return f"{WORDS[index % 10]} {WORDS[index // 10 % 10]} number{index}"


def _source(path: Path, rows: list[tuple[str, str]], **options: float | str) -> Source:
    lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]
    path.write_text("\n".join(lines) + "\n")
    return Source(str(path), **{"name": path.stem, "held_out": 0.2, **options})


def _rows(count: int, labels: tuple[str, ...] = ("no", "yes"), start: int = 0) -> list[tuple[str, str]]:
    return [(_text(index), labels[index % len(labels)]) for index in range(start, start + count)]


def test_labels_keep_the_order_given(tmp_path: Path) -> None:
    """--labels decides which index a name has."""
    corpus = load_training_data([_source(tmp_path / "a.tsv", _rows(20))], ["yes", "no"], seed=1)
    assert ["yes", "no"] == corpus.labels
    assert {example.label for example in corpus.train if example.text == _text(0)} <= {1}


def test_names_are_sorted_by_default(tmp_path: Path) -> None:
    """Without --labels the names that occur are sorted."""
    rows = _rows(60, ("neutral", "bad", "good"))
    assert ["bad", "good", "neutral"] == load_training_data([_source(tmp_path / "a.tsv", rows)], None, seed=1).labels


def test_numbers_are_indices_of_given_names(tmp_path: Path) -> None:
    """A label that is a number is an index into the names, unless names are numbers themselves."""
    source = _source(tmp_path / "a.tsv", _rows(20, ("0", "1")))
    corpus = load_training_data([source], ["negative", "positive"], seed=1)
    assert {0, 1} == {example.label for example in corpus.train}
    stars = _source(tmp_path / "b.tsv", _rows(20, ("1", "2")))
    assert ["1", "2"] == load_training_data([stars], None, seed=1).labels


def test_split_is_stratified_and_fixed_by_seed(tmp_path: Path) -> None:
    """Held-out rows have the shares of the labels, and the same seed holds out the same rows."""
    examples = [Example(_text(index), int(index % 4 == 0), "a") for index in range(200)]
    train, held_out = split(examples, 0.2, seed=3)
    assert {0: 30, 1: 10} == Counter(example.label for example in held_out)
    assert sorted(example.text for example in train + held_out) == sorted(example.text for example in examples)
    assert split(examples, 40, seed=3) == (train, held_out)
    assert split(examples, 0.2, seed=4)[1] != held_out


def test_a_rare_label_is_held_out_too() -> None:
    """Of 2,000 rows of one label and 6 of another, at least one of each is held out; of two rows one is kept."""
    examples = [Example(_text(index), int(index >= 2000), "a") for index in range(2006)]
    assert {0: 100, 1: 1} == Counter(example.label for example in split(examples, 0.05, seed=3)[1])
    few = [Example(_text(index), index // 2, "a") for index in range(8)]
    for share in (0.05, 0.9, 1.0, 100.0):
        train, held_out = split(few, share, seed=3)
        assert {0, 1, 2, 3} == {example.label for example in train} == {example.label for example in held_out}
    assert [] == split(few, 0.0, seed=3)[1]


def test_small_data_is_held_out_with_the_default_share(tmp_path: Path) -> None:
    """Where every label has at most ten rows, the default share still holds out one of each."""
    corpus = load_training_data([_source(tmp_path / "a.tsv", _rows(14), held_out=0.05)], None, seed=1)
    assert {0: 1, 1: 1} == Counter(example.label for example in corpus.validation)
    assert {} == corpus.unmeasured


def test_a_label_too_rare_to_be_held_out_is_named(tmp_path: Path) -> None:
    """A label with one row is learnt, and named as not measured; without any other there is nothing to measure on."""
    source = _source(tmp_path / "a.tsv", [*_rows(20), ("alone of its kind", "rare")])
    assert {"rare": 1} == load_training_data([source], None, seed=1).unmeasured
    source = _source(tmp_path / "b.tsv", [("one", "a"), ("two", "b")])
    with pytest.raises(DataError, match="no row is held out: every label has a single row"):
        load_training_data([source], None, seed=1)


def test_nearly_equal_labels_are_one_where_the_names_are_given(tmp_path: Path) -> None:
    """Without names two spellings are refused; with them both are read as the one that is named."""
    source = _source(tmp_path / "a.tsv", [*_rows(20), *_rows(6, ("No", " yes"), start=20)])
    with pytest.raises(DataError, match=r"a.tsv line 22: the label 'No' is 'no' \(.*line 2\) but for case"):
        load_training_data([source], None, seed=1)
    corpus = load_training_data([source], ["no", "yes"], seed=1)
    assert ["no", "yes"] == corpus.labels
    assert "0 no (written 'No'): 13 rows; 1 yes (written ' yes'): 13 rows" in corpus.mappings[0]


def test_the_mapping_of_each_source_is_kept(tmp_path: Path) -> None:
    """For each source it is told how its labels were read, and how many rows were too short."""
    source = _source(tmp_path / "a.tsv", [*_rows(20, ("0", "1")), ("short", "1")], min_words=2)
    corpus = load_training_data([source], ["no", "yes"], seed=1)
    assert 1 == corpus.short
    assert [
        f"labels of {source.location}: 0 no (written '0'): 10 rows; 1 yes (written '1'): 10 rows"
    ] == corpus.mappings


def test_parts_of_other_rows_are_not_held_out(tmp_path: Path) -> None:
    """A phrase of a training sentence is never held out, because it would measure memory; sentences are."""
    sentences = [f"{_text(index)} with much to like {index}" for index in range(20)]
    phrases = [text.partition(" ")[2] for text in sentences]
    rows = [(text, "no" if index % 2 else "yes") for index, text in enumerate([*phrases, *sentences])]
    corpus = load_training_data([_source(tmp_path / "a.tsv", rows, held_out=10)], None, seed=1)
    assert 10 == len(corpus.validation)
    assert {example.text for example in corpus.validation} <= set(sentences)
    assert 10 == corpus.nested


def test_exact_duplicates_are_left_out_and_counted(tmp_path: Path) -> None:
    """A text counts once over all sources; a second row with another label is a conflict."""
    first = _source(tmp_path / "a.tsv", [*_rows(20), (_text(0), "no")])
    second = _source(tmp_path / "b.tsv", [*_rows(20, start=50), (_text(1), "no")])
    corpus = load_training_data([first, second], None, seed=1)
    assert (2, 1) == (corpus.duplicates, corpus.conflicts)
    assert {"a": 21, "b": 21} == corpus.rows
    texts = [example.text for example in corpus.train + corpus.validation]
    assert 40 == len(texts) == len(set(texts))


def test_validation_file_wins_over_training(tmp_path: Path) -> None:
    """A text in both files is held out, not learnt."""
    train = _source(tmp_path / "train.tsv", _rows(30), held_out=0)
    validation = _source(tmp_path / "validation.tsv", _rows(10))
    corpus = load_training_data([train], None, seed=1, validation=[validation])
    assert 10 == len(corpus.validation)
    assert 20 == len(corpus.train)
    assert 10 == corpus.duplicates


def test_phrases_of_held_out_sentences_are_not_learnt(tmp_path: Path) -> None:
    """A training row that is a part of a held-out row is left out and counted."""
    sentence = "one two three four five six"
    train = _source(tmp_path / "train.tsv", [("two three four five", "no"), *_rows(20)], held_out=0)
    validation = _source(tmp_path / "validation.tsv", [(sentence, "no")])
    corpus = load_training_data([train], None, seed=1, validation=[validation])
    assert 1 == corpus.nested
    assert "two three four five" not in {example.text for example in corpus.train}


@pytest.mark.parametrize(
    ("rows", "labels", "message"),
    [
        ([*_rows(20), ("  ", "no")], None, "line 22, column 'text': the text is empty"),
        (
            [*_rows(20), ("x", "maybe")],
            ["no", "yes"],
            "line 22, column 'label': the label 'maybe' is not one of no, yes",
        ),
        ([*_rows(20), ("x", "2")], ["no", "yes"], "line 22, column 'label': the label '2' is not one of"),
        (_rows(20, ("no",)), None, "at least two labels, but the training rows have only 'no'"),
        (_rows(20), ["no", "yes", "no"], "labels no, yes, no are not unique"),
        (_rows(20), ["no", "yes", "never"], "no training row has the label never"),
        ([], None, "a.tsv holds no row"),
    ],
)
def test_unfit_rows_are_refused(
    tmp_path: Path, rows: list[tuple[str, str]], labels: list[str] | None, message: str
) -> None:
    """Empty texts, unknown labels and labels that never occur are refused, with the line."""
    with pytest.raises(DataError, match=message):
        load_training_data([_source(tmp_path / "a.tsv", rows)], labels, seed=1)


@pytest.mark.parametrize("confidence", ["", "much", "0", "1.01", "nan"])
def test_confidence_must_be_a_probability(tmp_path: Path, confidence: str) -> None:
    """A confidence that is not a probability above 0 is refused, with the line and the value."""
    path = tmp_path / "a.tsv"
    path.write_text(f"text\tlabel\tp\ngood\tyes\t0.6\nbad\tno\t{confidence}\n")
    with pytest.raises(
        DataError, match=f"line 3, column 'p': the confidence '{confidence}' is not a number above 0 and at most 1"
    ):
        load_training_data([replace(Source(str(path)), confidence="p")], None, seed=1)


def test_something_must_be_held_out(tmp_path: Path) -> None:
    """A run without held-out rows is refused, because it cannot be measured."""
    with pytest.raises(DataError, match="no row is held out"):
        load_training_data([_source(tmp_path / "a.tsv", _rows(20), held_out=0)], None, seed=1)


def test_validation_with_other_labels_is_refused(tmp_path: Path) -> None:
    """A validation file with a label that no training row has is refused."""
    train = _source(tmp_path / "train.tsv", _rows(20), held_out=0)
    validation = _source(tmp_path / "validation.tsv", [("x", "maybe")])
    with pytest.raises(DataError, match=r"validation.tsv line 2, column 'label': the label 'maybe'"):
        load_training_data([train], None, seed=1, validation=[validation])


def test_sources_need_different_names(tmp_path: Path) -> None:
    """Two sources with the same name are refused, because figures could not tell them apart."""
    source = _source(tmp_path / "a.tsv", _rows(20))
    with pytest.raises(DataError, match="two sources are called 'a'"):
        load_training_data([source, source], None, seed=1)


def test_weights_repeat_and_thin_out() -> None:
    """A weight of 1.5 shows every row once and half of them twice; 0.5 shows half."""
    examples = [Example(_text(index), 0, "a") for index in range(10)]
    counts = Counter(example.text for example in weighted(examples, [Source("", "a", weight=1.5)], seed=1))
    assert sorted(counts.values()) == [1] * 5 + [2] * 5
    assert 5 == len(weighted(examples, [Source("", "a", weight=0.5)], seed=1))


def test_examples_for_evaluation_keep_duplicates(tmp_path: Path) -> None:
    """A published split is measured with its duplicates; an empty one is refused."""
    source = _source(tmp_path / "a.tsv", [("x", "yes"), ("x", "yes")])
    assert read_examples(source, ["no", "yes"]) == [Example("x", 1, "a")] * 2
    with pytest.raises(DataError, match="holds no row"):
        read_examples(_source(tmp_path / "b.tsv", []), ["no", "yes"])


def test_a_few_are_spread_over_all() -> None:
    """A limit takes rows evenly from all, and never more than there are."""
    examples = [Example(_text(index), 0, "a") for index in range(10)]
    assert spread(examples, 3) == [examples[0], examples[3], examples[6]]
    assert spread(examples, 10) == spread(examples, 99) == examples
