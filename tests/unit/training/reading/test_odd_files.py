"""Files as people have them give exactly their rows, or one line that names the place."""

import re
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
from tests.support.odd_files import ODD_FILES, OddFile
from training.reading import DataError, parse_file


@pytest.mark.parametrize("odd", ODD_FILES, ids=lambda odd: odd.name)
def test_an_odd_file_gives_its_rows_or_one_line(odd: OddFile, tmp_path: Path) -> None:
    """Every row comes back exactly, or one line names the file and what is wrong."""
    path = odd.write(tmp_path)
    if isinstance(odd.expected, list):
        rows = parse_file(f"{path}{odd.options}").read().rows
        assert odd.expected == [(row.text, row.label) for row in rows]
        assert [type(label) for _, label in odd.expected] == [type(row.label) for row in rows]
    else:
        with pytest.raises(DataError) as caught:
            parse_file(f"{path}{odd.options}").read()
        assert re.search(odd.expected, str(caught.value))
        assert odd.name in str(caught.value) or odd.options
        assert "\n" not in str(caught.value)
