"""Notebooks call what the module has: found without running them, which takes minutes."""

import ast
import importlib
import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_call_what_the_module_has(path):
    cells = json.loads(path.read_text())["cells"]
    nodes = list(ast.walk(ast.parse("\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code"))))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module.startswith("medgan_tf")]
    names = [(node.module, name.name) for node in imports for name in node.names]
    modules = {name: _imported(place, name) for place, name in names}
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    assert not assigned & set(modules), "a variable hides a module"
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert hasattr(modules[node.value.id], node.attr), f"{node.value.id}.{node.attr}, line {node.lineno}"


def _imported(place, name):
    """What `from place import name` gives."""
    module = importlib.import_module(place)
    return getattr(module, name) if hasattr(module, name) else importlib.import_module(f"{place}.{name}")
