"""What the files of the repository promise to each other."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("pretrained/*/*.md"))]
LOCK = [Requirement(line) for line in (ROOT / "requirements.lock").read_text().splitlines()]


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_satisfies_every_requirement():
    locked = {}
    for requirement in LOCK:
        locked.setdefault(plain(requirement.name), []).append(requirement)
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *extras["app"], *extras["dev"]]:
        wanted = Requirement(text)
        assert plain(wanted.name) in locked, f"{text} is not in requirements.lock; run make lock"
        for pin in locked[plain(wanted.name)]:
            assert str(pin.specifier).startswith("==")
            assert wanted.specifier.contains(str(pin.specifier).removeprefix("==")), f"{pin} against {text}"


def test_the_lock_records_no_host():
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links|@", text)


def test_conda_users_get_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python = next(Requirement(d) for d in environment["dependencies"] if str(d).startswith("python"))
    assert python.specifier == SpecifierSet(PROJECT["requires-python"])
    pip = next(d for d in environment["dependencies"] if isinstance(d, dict))["pip"]
    assert pip == ["-c requirements.lock", "-e .[app,dev]"]


def test_extras_are_those_that_the_readme_names():
    readme = (ROOT / "README.md").read_text()
    assert all(re.search(rf"\b{extra}\b", readme) for extra in PROJECT["optional-dependencies"])
    assert any(d.startswith("tensorflow[and-cuda]") for d in PROJECT["optional-dependencies"]["gpu"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_clean_and_have_parameters(path):
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    tagged = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    names = re.findall(r"^(\w+) =", "".join(tagged[0]["source"]), re.MULTILINE)
    assert names[:3] == ["PROFILE", "DATA", "RUN"]
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["cells"][0]["cell_type"] == "markdown"
    assert "| time on two CPU cores |" in "".join(notebook["cells"][0]["source"])
    for cell in code:
        source = "".join(cell["source"])
        from_scratch = "from-scratch" in cell["metadata"].get("tags", [])
        assert from_scratch or not re.search(r"^(def|class) ", source, re.MULTILINE), "it belongs in the module"
        assert len(source.splitlines()) <= (46 if from_scratch else 30)


def test_slow_tests_are_named_as_they_are_called():
    for line in (ROOT / "tests" / "slow.txt").read_text().split():
        file, _, name = line.partition("::")
        assert f"def {name}" in (ROOT / file).read_text(), line


def test_the_readme_is_short_and_lists_every_notebook_and_no_number_of_quality():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    for path in NOTEBOOKS:
        assert path.stem in text
    assert not re.search(r"(FID|distance|coverage|precision|recall)\D{0,20}\d+\.\d", text)


def test_contributing_names_every_room_in_the_order_of_imports():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    places = [text.index(f"`{room}/`") for room in ROOMS if (ROOT / "medgan_tf" / room).is_dir()]
    assert places == sorted(places)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_pages_lead_somewhere(path):
    text = path.read_text()
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    for target in targets:
        place = target.split("#")[0]
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / place).exists(), f"{path.name} links {target}"


def test_tracked_files_are_small_and_hold_no_data():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert all(path.stat().st_size < 3_000_000 for path in files if path.exists())
    published = ROOT / "pretrained"  # with the features that their outlier scores need
    assert not [path for path in files if path.suffix in {".dcm", ".key"}]
    assert not [path for path in files if path.suffix == ".npz" and published not in path.parents]


ROOMS = (  # each may import from those before it
    *(
        "config",
        "files",
        "results",
        "intervals",
        "sources",
        "dicom",
        "volumes",
        "datasets",
        "phantoms",
        "networks",
        "metrics",
        "training",
    ),
    *("generators", "studies", "figures", "reporting", "app", "cli", "__main__"),
)


def test_imports_go_one_way():
    place = {name: index for index, name in enumerate(ROOMS)}
    assert {room(path) for path in modules()} - {"__init__"} == set(ROOMS)
    for path in modules():
        text = path.read_text()
        imported = re.findall(r"from medgan_tf\.(\w+)", text)
        for names in re.findall(r"from medgan_tf import ([\w, ]+)", text):
            imported += [part.split(" as ")[0].strip() for part in names.split(",")]
        for other in set(imported) - {room(path), "__version__"}:
            assert place[other] < place[room(path)], f"{path.relative_to(ROOT)} imports {other}, which comes after it"


def room(path):
    return path.relative_to(ROOT / "medgan_tf").parts[0].removesuffix(".py")


def modules():
    return sorted((ROOT / "medgan_tf").rglob("*.py"))
