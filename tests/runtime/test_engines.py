"""Versions answered with by the engines that run their files, beside torch."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import alambique.runtime
from alambique.runtime import Model, Query
from alambique.spec.errors import BadModel, BadSpec, MissingExtra
from alambique.spec.outputs import Output
from alambique.workers.compression.openvino_files import write_openvino
from alambique.workers.scoring.predicting import open_model, predict

Exported = Callable[[Output], Path]
FILES = [("model.onnx", "runtime"), ("openvino_model.xml", "openvino")]

LONG = "El río Ebro nace en Fontibre, Cantabria, y cruza Zaragoza. " * 5
PAIRS = [
    Query(texts=["El río Ebro.", "La plaza del Pozo Amarillo se llama así."]),
    Query(texts=["Costó 7,50 €.", ""]),
    Query(texts=[LONG, LONG]),
]
QUERIES = {
    Output.SPAN: [
        Query("¿Dónde nace el Ebro?", "El río Ebro nace en Fontibre.", best=4),
        Query("¿Qué cruza?", LONG, best=9),
        Query("¿Cómo se llama la plaza?", "La plaza del Pozo Amarillo se llama así."),
        Query("¿Nada?", " "),
    ],
    Output.TAGS: [Query(texts=[text]) for text in ("Goles de Ruiz.", LONG, "", "Zaragoza")],
    Output.CLASSES: PAIRS,
    Output.SCORE: PAIRS,
}


def same(a: Any, b: Any, *, within: float = 1e-4) -> bool:
    """Whether two answers are the same, but for the last digits of their numbers."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k], within=within) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(
            same(x, y, within=within) for x, y in zip(a, b, strict=True)
        )
    return bool(a == pytest.approx(b, abs=within)) if isinstance(a, float) else bool(a == b)


@pytest.mark.parametrize("output", QUERIES)
def test_an_engine_answers_as_torch_does(
    exported: Exported, output: Output, tmp_path: Path
) -> None:
    plain = shutil.copytree(exported(output), tmp_path / "plain")
    (plain / "model.onnx").unlink()
    by_torch = open_model(plain).run(QUERIES[output])
    model = alambique.runtime.load(exported(output), threads=1)
    assert same(model.run(QUERIES[output]), by_torch)
    assert same([model.run([query])[0] for query in QUERIES[output]], by_torch)
    assert same(alambique.runtime.load(exported(output), threads=2).run(QUERIES[output]), by_torch)


def test_methods_say_what_queries_do(exported: Exported) -> None:
    span = alambique.runtime.load(exported(Output.SPAN))
    for query, said in zip(QUERIES[Output.SPAN], span.run(QUERIES[Output.SPAN]), strict=True):
        assert query.question is not None
        assert query.context is not None
        answer = span.answer(query.question, query.context)
        assert answer.text == said["answer"] == query.context[said["start"] : said["end"]]
        several = span.answers(query.question, query.context, best=query.best)
        assert [one.text for one in several] == [
            one["answer"] for one in said.get("best", [{"answer": s.text} for s in several])
        ]
    tags = alambique.runtime.load(exported(Output.TAGS))
    tagged = tags.tag(LONG)
    assert all(LONG[word.start : word.end] == word.word for word in tagged)
    assert all(1 / 3 <= word.probability <= 1 for word in tagged)
    classes = alambique.runtime.load(exported(Output.CLASSES)).classify("Nació.", "Nació en Lugo.")
    assert sum(classes.values()) == pytest.approx(1)
    assert list(classes.values()) == sorted(classes.values(), reverse=True)
    assert isinstance(alambique.runtime.load(exported(Output.SCORE)).rate("Nació.", "Lugo."), float)


def test_no_answer_is_one_where_the_version_says_so(exported: Exported) -> None:
    loaded = alambique.runtime.load(exported(Output.SPAN))
    question, context = "¿Qué cruza?", LONG
    for threshold, answers in ((-1e6, False), (1e6, True), (None, True)):
        about = replace(loaded.about, settings={"null_threshold": threshold})
        model = replace(loaded, about=about)
        assert bool(model.answer(question, context).text) is answers
        listed = [span.text for span in model.answers(question, context, best=99)]
        assert listed.count("") == (threshold is not None)


@pytest.fixture
def openvino(exported: Exported, tmp_path: Path) -> Path:
    """The folder of a version whose network is OpenVINO's."""
    folder = shutil.copytree(exported(Output.TAGS), tmp_path / "openvino")
    write_openvino(folder / "model.onnx", folder)
    (folder / "model.onnx").unlink()
    return folder


def test_openvino_answers_as_onnxruntime_does(exported: Exported, openvino: Path) -> None:
    ours, theirs = (alambique.runtime.load(each) for each in (openvino, exported(Output.TAGS)))
    for mine, other in zip(ours.tag(LONG), theirs.tag(LONG), strict=True):
        assert mine.probability == pytest.approx(other.probability, abs=1e-4)


SILENT = """
import sys
from pathlib import Path

def report(event, arguments):
    if event in {"socket.getaddrinfo", "socket.connect", "os.fork"}:
        print(event, file=sys.stderr)  # whichever thread it is, whoever catches errors there

sys.addaudithook(report)
import alambique.runtime
from alambique.workers.compression.openvino_files import write_openvino

source, folder = map(Path, sys.argv[1:])
write_openvino(source, folder)
alambique.runtime.load(folder).tag("Zaragoza")
import nncf
"""


def test_openvino_reports_to_nobody(exported: Exported, openvino: Path) -> None:
    source = exported(Output.TAGS) / "model.onnx"
    command = [sys.executable, "-c", SILENT, str(source), str(openvino)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_threads_ask_one_model_at_once(exported: Exported, openvino: Path) -> None:
    for folder in (exported(Output.TAGS), openvino):
        model = alambique.runtime.load(folder, threads=1)
        texts = [LONG[n:] for n in range(24)]
        alone = [model.tag(text) for text in texts]
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(model.tag, texts)) == alone


@pytest.mark.parametrize("content", [b"", b"no network", None])
def test_a_damaged_file_is_refused(
    exported: Exported, tmp_path: Path, content: bytes | None
) -> None:
    folder = shutil.copytree(exported(Output.TAGS), tmp_path / "version")
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-500] if content is None else content)
    with pytest.raises(BadModel, match=r"model\.onnx cannot be read"):
        Model.from_folder(folder)


def test_a_file_that_takes_other_inputs_is_refused(exported: Exported, tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    folder = shutil.copytree(exported(Output.TAGS), tmp_path / "version")
    given, gives = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [given], [gives])
    opset = [helper.make_opsetid("", 20)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / "model.onnx")
    with pytest.raises(BadModel, match="takes x, and is fed input_ids"):
        Model.from_folder(folder)


@pytest.mark.parametrize(("name", "extra"), FILES)
def test_an_engine_that_is_not_installed_is_named_with_its_extra(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    folder = shutil.copytree(exported(Output.TAGS), tmp_path / "version")
    (folder / "model.onnx").rename(folder / name)
    # how Python itself marks a module that cannot be imported
    for module in ("onnxruntime", "openvino"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'alambique\[{extra}\]'"):
        Model.from_folder(folder)


def test_a_folder_without_an_engine_s_file_says_what_makes_one(
    exported: Exported, tmp_path: Path
) -> None:
    folder = shutil.copytree(exported(Output.TAGS), tmp_path / "version")
    (folder / "model.onnx").unlink()
    with pytest.raises(BadModel, match=r"compress: \[onnx\]"):
        Model.from_folder(folder)


def test_a_call_takes_a_thread_at_least(exported: Exported) -> None:
    with pytest.raises(BadSpec, match="one at least"):
        alambique.runtime.load(exported(Output.TAGS), threads=0)


PROGRAM = """
import sys, alambique.runtime
imported = set(sys.modules)
model = alambique.runtime.load(sys.argv[1])
assert model.tag("Ana Ruiz nació en Lugo.")
print(*sorted({"onnxruntime", "urllib.request", "tokenizers"} & imported))
print(*sorted({"torch", "transformers", "pydantic", "sqlalchemy", "onnx"} & sys.modules.keys()))
"""


def test_answering_needs_no_torch_and_importing_no_engine(exported: Exported) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(exported(Output.TAGS))],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "tokenizers\n\n"


def test_predictions_are_the_engine_s_where_a_version_has_its_file(
    exported: Exported, tmp_path: Path
) -> None:
    folder = shutil.copytree(exported(Output.TAGS), tmp_path / "version")
    (folder / "model.safetensors").unlink()  # what torch would need
    said = predict(folder, texts=[LONG])
    assert said == alambique.runtime.load(folder).run([Query(texts=[LONG])])[0]
