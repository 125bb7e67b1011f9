"""Pictures are SVG that shows what the table has, with no text over another."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.job_results import result_row

from alambique.workers.publishing.card import english, spanish
from alambique.workers.publishing.pictures import HEIGHT, WIDTH, Point, draw, pictures
from alambique.workers.publishing.release import Release

SVG = "{http://www.w3.org/2000/svg}"
POINTS = st.lists(
    st.builds(
        Point,
        st.text("abc &<>", min_size=1, max_size=24),
        st.floats(1e-3, 1e12),
        st.floats(-100, 100),
        st.just("#000000"),
        st.floats(0, 20),
    ),
    min_size=2,
    max_size=8,
)


def inside(x: float, y: float) -> bool:
    return -1 <= x <= WIDTH + 1 and -1 <= y <= HEIGHT + 1


@given(POINTS)
def test_everything_is_inside_of_the_picture(points: list[Point]) -> None:
    root = ET.fromstring(draw(points, "MACs", "f1 %", lambda value: f"{value:.3g}"))
    circles = list(root.iter(f"{SVG}circle"))
    assert len(circles) == len(points)
    assert all(inside(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in circles)
    assert all(
        inside(float(each.attrib["x"]), float(each.attrib["y"])) or each.text in names(points)
        for each in root.iter(f"{SVG}text")
    )
    assert all(
        inside(float(each.attrib["x1"]), float(each.attrib["y1"]))
        and inside(float(each.attrib["x2"]), float(each.attrib["y2"]))
        for each in root.iter(f"{SVG}line")
    )


def names(points: list[Point]) -> set[str]:
    """Names that may be pushed below others, and so out of a crowded picture."""
    return {point.name for point in points}


@given(POINTS)
def test_better_is_higher_and_dearer_is_further_right(points: list[Point]) -> None:
    root = ET.fromstring(draw(points, "MACs", "f1 %", lambda value: f"{value:.3g}"))
    found = [
        (float(each.attrib["cx"]), float(each.attrib["cy"])) for each in root.iter(f"{SVG}circle")
    ]
    expected = sorted(points, key=lambda point: (-point.y, point.x, point.name))
    for (one, ours), (other, theirs) in combinations(zip(expected, found, strict=True), 2):
        assert (ours[1] <= theirs[1]) or one.y < other.y
        assert (ours[0] <= theirs[0]) is (one.x <= other.x) or ours[0] == theirs[0]


def test_names_do_not_stand_on_one_another() -> None:
    points = [Point("student onnx", 1.0, 76.2, "#000000"), Point("student", 1.01, 76.2, "#000000")]
    root = ET.fromstring(draw(points, "ms", "f1 %", str))
    lines = [float(t.attrib["y"]) for t in root.iter(f"{SVG}text") if t.text in names(points)]
    assert abs(lines[0] - lines[1]) >= 12


def test_a_picture_has_the_rows_of_its_table(released: Callable[..., Release]) -> None:
    drawn = pictures(released(), english)
    front, formats = (ET.fromstring(drawn[f"pictures/{n}.svg"]) for n in ("front", "formats"))
    told = [{text.text for text in root.iter(f"{SVG}text")} for root in (front, formats)]
    students = {f"student, {name}" for name in ("gold-only", "same-start", "distilled")}
    assert students | {"teacher", "f1 %", "MACs"} <= told[0]
    assert {"teacher, onnx", "student, onnx", "ms"} <= told[1]
    assert "student, onnx-int8" not in told[1]  # it was not raced


def test_a_picture_names_networks_in_its_language(released: Callable[..., Release]) -> None:
    drawn = pictures(released(), spanish, ".es")
    assert set(drawn) == {"pictures/front.es.svg", "pictures/formats.es.svg"}
    assert ">alumno, destilado</text>" in drawn["pictures/front.es.svg"].decode()
    assert ">maestro, onnx</text>" in drawn["pictures/formats.es.svg"].decode()


@pytest.mark.parametrize("rows", [(result_row("distilled", version="tiny@1"),)])
def test_of_one_network_there_is_no_picture(
    released: Callable[..., Release], rows: tuple[object, ...]
) -> None:
    assert pictures(released(rows=rows, engines=()), english) == {}
