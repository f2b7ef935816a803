"""The distances that notebook 06 computes in plain NumPy are those of the module."""

import json
from pathlib import Path

import numpy as np
import pytest

from medgan_tf import metrics

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "06_evaluation.ipynb"


def from_scratch(x, y):
    """The variables of the cell with the tag `from-scratch`, run on features x (N, D) and y (M, D)."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    (source,) = ["".join(cell["source"]) for cell in cells if "from-scratch" in cell["metadata"].get("tags", [])]
    assert len(source.splitlines()) <= 40
    assert "metrics." not in source
    variables = {"np": np, "x": x, "y": y}
    exec(source, variables)
    return variables


@pytest.mark.parametrize(("n", "m", "dimensions"), [(300, 200, 16), (40, 60, 128)])
def test_the_cell_computes_the_distances_of_the_module(n, m, dimensions):
    random = np.random.default_rng(0)
    mixing = random.normal(size=(dimensions, dimensions))
    x, y = random.normal(size=(n, dimensions)) @ mixing, 1.3 * random.normal(size=(m, dimensions)) @ mixing + 1
    cell = from_scratch(x, y)
    assert cell["frechet"] == pytest.approx(metrics.frechet_distance(x, y), rel=1e-5)
    assert cell["kernel"] == pytest.approx(metrics.kernel_distance(x, y), rel=1e-9)
