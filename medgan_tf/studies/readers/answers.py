"""Read the answers of the readers: one CSV file for each, as the page saves it."""

import re
from pathlib import Path

import pandas as pd

COLUMNS = ("study", "source", "reader", "position", "image", "answer", "confidence", "realism")
COLUMNS += ("artefacts", "diagnosis", "seconds")
SOURCES = ("page", "simulated")
POINT = re.compile(r"(?:0(?:\.\d+)?|1(?:\.0+)?) (?:0(?:\.\d+)?|1(?:\.0+)?)")  # x y, each 0 to 1 from the top left


class MalformedError(ValueError):
    """A file of answers cannot be used; the message says why in one sentence."""


def read_answers(folder, kit):
    """(answers, problems) of the CSV files in a folder: a DataFrame, and a sentence for each file that was left out.

    The DataFrame has COLUMNS, with a list of (x, y) for each answer in `artefacts`, and `presentation`: 1 or 2, the
    first or second time that the reader saw the image. Incomplete files are used as they are. Raises ValueError where
    there is no folder, or where files of people and of simulated readers are mixed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; give the one with the readers' files.")
    tables, problems = {}, []
    for path in sorted(folder.glob("*.csv")):
        try:
            tables[path.name] = read_answer_file(path, kit)
        except MalformedError as error:
            problems.append(str(error))
    names = pd.Series({name: table["reader"].iloc[0] for name, table in tables.items()}, dtype=str)
    for reader, files in names.groupby(names):
        if len(files) > 1:
            problems.append(f"{', '.join(files.index)}: all are of reader {reader}; keep only the valid one.")
            tables = {name: table for name, table in tables.items() if name not in files.index}
    if len({table["source"].iloc[0] for table in tables.values()}) > 1:
        raise ValueError(f"{folder} mixes files of readers and of simulated readers: keep them apart.")
    empty = pd.DataFrame(columns=[*COLUMNS, "presentation"])
    return pd.concat(tables.values(), ignore_index=True) if tables else empty, problems


def read_answer_file(path, kit):
    """The answers of one file. Raises MalformedError unless the page of this kit can have saved every line."""
    path = Path(path)

    def require(condition, sentence):
        if not condition:
            raise MalformedError(f"{path.name}: {sentence}")

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError):
        table = pd.DataFrame()
    missing = [name for name in COLUMNS if name not in table]
    require(len(missing) < len(COLUMNS), "this is no file of the reading page; ask for the file as the page saved it.")
    require(not missing, f"the column {' and '.join(missing)} is missing; ask for the file as the page saved it.")
    require(len(table), "it has no answers; ask the reader for a new file.")
    require((table["study"] == kit.settings["study"]).all(), "its answers belong to another kit; put it with that one.")
    require(table["reader"].nunique() == 1 and table["reader"].iloc[0], "it should hold answers of one reader.")
    require(table["source"].nunique() == 1 and table["source"].iloc[0] in SOURCES, "its source is unknown.")
    require(table["answer"].isin(["real", "synthetic"]).all(), "an answer is neither real nor synthetic.")
    orders = kit.settings["orders"]
    last = {"confidence": 5, "realism": 5, "image": len(kit.key) - 1, "position": len(orders[0])}
    for name, high in last.items():
        numbers = pd.to_numeric(table[name].where(table[name].str.fullmatch(r"\d{1,6}")))
        for line, cell in table[name][~numbers.between(0 if name == "image" else 1, high)].items():
            require(False, f"the {name} in line {line + 2} is {cell!r}.")
        table[name] = numbers.astype(int)
    table["seconds"] = pd.to_numeric(table["seconds"], errors="coerce")
    require(table["seconds"].ge(0).all(), "the seconds of an answer are not a number.")
    points = [cell.split(";") if cell else [] for cell in table["artefacts"]]
    require(all(POINT.fullmatch(point) for marks in points for point in marks), "an artefact's place is not x and y.")
    table["artefacts"] = [[tuple(map(float, point.split())) for point in marks] for marks in points]
    require(table["position"].is_unique, "a position occurs twice.")
    table = table.sort_values("position", ignore_index=True)
    possible = [[order[position - 1] for position in table["position"]] for order in orders]
    require(table["image"].tolist() in possible, "its images are not in an order of this kit.")
    table["presentation"] = table.groupby("image").cumcount() + 1
    return table[[*COLUMNS, "presentation"]]
