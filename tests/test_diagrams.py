"""Diagrams are legible: nothing is cut off, no box covers another, and every text fits where it stands."""

from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyBboxPatch

from medgan_tf.figures import diagram
from medgan_tf.figures.diagrams import DIAGRAMS
from medgan_tf.figures.style import WIDTH


@pytest.mark.parametrize("name", DIAGRAMS)
def test_texts_are_large_enough_and_fit_and_boxes_do_not_overlap(name):
    figure = diagram(name).plot
    FigureCanvasAgg(figure).draw()
    (axis,) = figure.axes
    assert figure.get_figwidth() == WIDTH
    boxes = [patch.get_window_extent() for patch in axis.patches if isinstance(patch, FancyBboxPatch)]
    assert len(boxes) == len(DIAGRAMS[name]["boxes"])
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    for box in boxes:
        assert figure.bbox.containsx(box.x0) and figure.bbox.containsx(box.x1)
        assert figure.bbox.containsy(box.y0) and figure.bbox.containsy(box.y1)
    for text in axis.texts:
        place = text.get_window_extent()
        around = [box for box in boxes if box.overlaps(place)] or [figure.bbox]
        assert text.get_fontsize() >= 8
        assert len(around) == 1
        assert around[0].x0 < place.x0 and place.x1 < around[0].x1, text.get_text()
        assert around[0].y0 < place.y0 and place.y1 < around[0].y1, text.get_text()


def test_an_unknown_diagram_is_named_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"no diagram 'cyclegan'; choose one of pipeline, gan"):
        diagram("cyclegan")
