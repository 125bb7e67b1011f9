from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alambique.spec.errors import BadData
from alambique.tasks.examples import Labelled
from alambique.tasks.formats import separated, tables
from alambique.tasks.formats.columns import Columns

Written = Callable[[str, str | bytes], Path]

PAIRS = Columns(texts=("premise", "hypothesis"), label="label")
NUMBERED = Columns(
    texts=("premise", "hypothesis"),
    label="label",
    id="id",
    names={"0": "entailment", "1": "neutral"},
)
SUFFIXES = [".tsv", ".csv", ".jsonl", ".parquet"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("dev.tsv", 'premise\thypothesis\tlabel\nDijo "sí\tAceptó, dijo\tentailment\n'),
        ("dev.tsv", '\ufeffpremise\thypothesis\tlabel\r\nDijo "sí\tAceptó, dijo\tentailment'),
        ("dev.csv", 'premise,hypothesis,label\r\n"Dijo ""sí","Aceptó, dijo",entailment\r\n'),
        ("dev.csv", '\ufeffpremise,hypothesis,label\n"Dijo ""sí","Aceptó, dijo","entailment"'),
        (
            "dev.jsonl",
            '\n{"label": "entailment", "premise": "Dijo \\"sí", "hypothesis": "Aceptó, dijo"}\n',
        ),
    ],
)
def test_a_row_is_named_after_its_line(written: Written, name: str, content: str) -> None:
    expected = [Labelled(f"{name}:2", ('Dijo "sí', "Aceptó, dijo"), "entailment")]
    assert tables.read(written(name, content), PAIRS).examples == expected


def test_labels_by_number_and_ids_of_a_column(written: Written) -> None:
    path = written("dev.jsonl", '{"id": 7, "premise": "a", "hypothesis": "b", "label": 1}\n')
    assert tables.read(path, NUMBERED).examples == [Labelled("7", ("a", "b"), "neutral")]


@pytest.mark.parametrize(
    ("name", "cell", "label"),
    [
        ("a.csv", "1", "1"),  # text, and a name
        ("a.csv", "5", "5"),
        ("a.csv", "0", r"unknown label '0'"),  # text, and no name
        ("a.jsonl", '"2"', "2"),
        ("a.jsonl", "0", "1"),
        ("a.jsonl", "0.0", "1"),
        ("a.jsonl", "1", r"is the name of one label and the place of another"),
        ("a.jsonl", "7", r"unknown label '7' .*expected one of '1', .*or its place"),
        ("a.jsonl", "-1", r"-1 means without label: take another split"),
        ("a.jsonl", "null", r"has no label: fill it"),
    ],
)
def test_a_number_is_the_place_of_a_label(
    written: Written, name: str, cell: str, label: str
) -> None:
    table = (
        f"text,label\nuno,{cell}\n" if name == "a.csv" else f'{{"text": "uno", "label": {cell}}}\n'
    )
    columns = Columns(texts=("text",), label="label", numbered=tuple("12345"))
    if label.isdecimal():
        (found,) = tables.read(written(name, table), columns).examples
        assert found.label == label
    else:
        with pytest.raises(BadData, match=label):
            tables.read(written(name, table), columns)


def test_a_number_as_text_is_a_place_where_names_are_none(written: Written) -> None:
    columns = Columns(texts=("text",), label="label", numbered=("mala", "buena"))
    table = "text,label\nuno,1\ndos,0\ntres,buena\n"
    found = tables.read(written("a.csv", table), columns).examples
    assert [one.label for one in found] == ["buena", "mala", "buena"]


def test_names_are_given_where_a_file_has_none(written: Written) -> None:
    columns = Columns(texts=("text",), label="topic")
    path = written("dev.tsv", "GCAT\tUna noticia\n")
    found = tables.read(path, columns, header=("topic", "text"))
    assert found.examples == [Labelled("dev.tsv:1", ("Una noticia",), "GCAT")]


def test_a_quoted_cell_may_hold_lines_and_later_rows_keep_their_number(written: Written) -> None:
    path = written("dev.csv", 'text,label\r\n"uno\n\ndos",A\r\ntres,B\r\n')
    found = tables.read(path, Columns(("text",), "label")).examples
    assert [(row.id, row.texts[0]) for row in found] == [
        ("dev.csv:2", "uno\n\ndos"),
        ("dev.csv:5", "tres"),
    ]


def test_marked_rows_are_left_out_where_the_data_set_says_so(written: Written) -> None:
    content = "premise\thypothesis\tlabel\nNS\tb\t0\na\tb\tNS\na\tb\t1\n"
    path = written("dev.tsv", content)
    columns = Columns(("premise", "hypothesis"), "label", skipped=frozenset({"NS"}))
    found = tables.read(path, columns)
    assert ([row.id for row in found.examples], found.skipped) == (["dev.tsv:4"], 2)


cells = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(
    lambda text: bool(text.strip()) and text != "NS"
)
plain = st.text(
    st.characters(codec="utf-8", exclude_characters="\t\n\r\ufeff"), min_size=1, max_size=12
).filter(lambda text: bool(text.strip()) and text != "NS")


def pairs(texts: st.SearchStrategy[str]) -> st.SearchStrategy[list[Labelled]]:
    labels = st.sampled_from(["entailment", "neutral"])
    return st.lists(st.builds(Labelled, texts, st.tuples(texts, texts), labels), max_size=4)


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(deadline=None)  # the first Parquet file imports pyarrow
@given(data=st.data())
def test_what_is_written_is_read_back(written: Written, suffix: str, data: st.DataObject) -> None:
    path = written(f"all{suffix}", "")
    rows = data.draw(pairs(plain if suffix == ".tsv" else cells))
    tables.write(path, NUMBERED, rows)
    content = path.read_bytes()
    assert tables.read(path, NUMBERED).examples == rows
    tables.write(path, NUMBERED, rows)
    assert path.read_bytes() == content


def test_tsv_cannot_say_a_tab(tmp_path: Path) -> None:
    row = Labelled("1", ("a\tb", "c"), "neutral")
    with pytest.raises(BadData, match=r"all\.tsv:2: 'a.tb' holds a tab or a line break"):
        tables.write(tmp_path / "all.tsv", NUMBERED, [row])


HEAD = "id\tpremise\thypothesis\tlabel\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", f"{HEAD}1\ta\t0\n", r"a\.tsv:2: 3 columns, expected 4 \(id, premise, hyp"),
        ("a.tsv", f"{HEAD}1\ta\tb\t0\n\n", r"a\.tsv:3: 1 columns, expected 4"),
        ("a.tsv", f"{HEAD}1\ta\tb\t0\r\n", r"a\.tsv:2: the line ends with '.r.n', the first"),
        ("a.tsv", "", r"a\.tsv:1: an empty file: expected a line with the names"),
        ("a.tsv", "id\tpremise\tlabel\n", "no column 'hypothesis', only 'id', 'premise', 'label'"),
        ("a.tsv", "id\tid\n", r"a\.tsv:1: column 'id' stands twice"),
        ("a.tsv", f"{HEAD}1\ta\tb\t2\n", r"a\.tsv:2: unknown label '2' .*of '0', '1'; correct"),
        ("a.tsv", f"{HEAD}1\ta\t \t0\n", r"a\.tsv:2: column 'hypothesis' is empty: fill it"),
        ("a.tsv", f"{HEAD}1\ta\tNS\t0\n", r"a\.tsv:2: .*'NS'.*take the row out.*skipped={'NS'}"),
        ("a.tsv", f"{HEAD}1\ta\tb\tNS\n", r"a\.tsv:2: column 'label' holds 'NS'"),
        ("a.tsv", f"{HEAD}é".encode("latin-1"), r"a\.tsv:2: byte 0xe9"),
        ("a.csv", "id,premise\r\n1\r\n", "no column 'hypothesis', only 'id', 'premise'"),
        (
            "a.csv",
            'id,premise,hypothesis,label\r\n1,"a\r\nb",c,0\r\n2,a\r\n',
            r"a\.csv:4: 2 columns, expected 4",
        ),
        (
            "a.csv",
            'id,premise,hypothesis,label\r\n1,a,b,0\r\n2,"a,b,0\r\n3,a,b,0\r\n',
            r"a\.csv:3: broken CSV in the row that starts here .*close each quote",
        ),
        ("a.csv", 'id,"premise"x\r\n', r"a\.csv:1: broken CSV"),
        ("a.csv", "a\xf1o".encode("latin-1"), r"a\.csv:1: byte 0xf1"),
        ("a.jsonl", '{"id": "1"}\n{', r"a\.jsonl:1: no column 'premise', only 'id'"),
        ("a.jsonl", '\n{"id": ', r"a\.jsonl:2:8: broken JSON: Expecting value; expected one obj"),
        ("a.jsonl", "[1]", r"a\.jsonl:1: expected an object such as .* found list"),
        ("a.jsonl", "[" * 100_000, r"a\.jsonl:1: JSON that cannot be read"),
        ("a.jsonl", '{"x": ' + "9" * 5000 + "}", r"a\.jsonl:1: JSON that cannot be read"),
        (
            "a.jsonl",
            '{"id": "1", "premise": 3, "hypothesis": "b", "label": 0}',
            r"a\.jsonl:1: column 'premise' should hold a text, found int \(3\)",
        ),
        (
            "a.jsonl",
            '{"id": "1", "premise": "\\ud83d", "hypothesis": "b", "label": 0}',
            "column 'premise' holds half of a surrogate pair",
        ),
        (
            "a.jsonl",
            '{"id": "1", "premise": "a", "hypothesis": "b", "label": true}',
            r"column 'label' should hold a text, found bool \(True\)",
        ),
        ("a.parquet", "PAR1", r"a\.parquet: .*Parquet"),
        ("a.txt", "", r"a\.txt: no table is read from a file called \*\.txt: take one of \.tsv"),
    ],
)
def test_what_is_broken_is_named(
    written: Written, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(BadData, match=message):
        tables.read(written(name, content), NUMBERED)


SIZES = {
    "xnli": (".tsv", (1992, 249, 249)),
    "paws-x": (".tsv", (1500, 250, 250)),
    "inferes": (".csv", (5800, 644, 1612)),
    "noticias": (".csv", (700, 120, 151)),
}
REAL = {
    "xnli": Columns(("premise", "hypothesis"), "label"),
    "paws-x": Columns(
        ("sentence1", "sentence2"), "label", "id", {"0": "0", "1": "1"}, frozenset({"NS"})
    ),
    "inferes": Columns(
        ("Premise", "Hypothesis"),
        "Label",
        "ID",
        {"ent": "entailment", "neutral": "neutral", "cnt": "contradiction"},
    ),
    "noticias": Columns(("text",), "label"),
}


@pytest.mark.parametrize("name", REAL)
def test_the_real_files_have_the_sizes_that_are_told(shared: Path, name: str) -> None:
    suffix, sizes = SIZES[name]
    found = [
        tables.read(shared / "data" / name / f"{split}{suffix}", REAL[name])
        for split in ("train", "dev", "test")
    ]
    assert tuple(len(rows.examples) + rows.skipped for rows in found) == sizes
    assert [rows.skipped for rows in found] == ([30, 4, 4] if name == "paws-x" else [0, 0, 0])


def test_rows_without_a_sentence_are_refused_with_their_line(shared: Path) -> None:
    columns = Columns(("sentence1", "sentence2"), "label", "id")
    with pytest.raises(BadData, match=r"train\.tsv:176: .*'sentence1' .*'NS'"):
        tables.read(shared / "data" / "paws-x" / "train.tsv", columns)


class Name(str):
    """A name of a column that counts how often it is compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return str.__eq__(self, other)


def test_a_header_of_many_columns_is_read_once_and_told_in_short(tmp_path: Path) -> None:
    names = tuple(Name(f"c{number}") for number in range(1000))
    path = tmp_path / "a.csv"
    table = separated.Table((separated.Line(1, names), separated.Line(2, ("1",))), "\n")
    with pytest.raises(BadData, match=r"\b1 columns.*\b1000\b") as raised:
        list(separated.rows(path, table))
    assert Name.compared < 5000
    assert len(str(raised.value)) < 500 + len(str(path))


def test_a_cell_too_long_for_csv_is_named_so(written: Written) -> None:
    with pytest.raises(BadData, match=r"a\.csv:2: .*131,072 characters"):
        tables.read(written("a.csv", f"premise\r\n{'a' * 131_073}\r\n"), NUMBERED)
