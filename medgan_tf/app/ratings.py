"""The rating form: answers of readers to the kits of notebook 09, in SQLite and as the files its statistics read.

Of a kit only the pictures and the orders of presentation are read here; the key stays closed.
"""

import csv
import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medgan_tf import config

from .errors import invalid, unknown

FILE = "ratings.sqlite3"
COLUMNS = ("study", "source", "reader", "position", "image", "answer", "confidence", "realism")
COLUMNS += ("artefacts", "diagnosis", "seconds")  # those of studies.readers
TABLE = """create table if not exists answers (
    study text, source text, reader text, position integer, image integer,
    answer text check (answer in ('real', 'synthetic')), confidence integer check (confidence between 1 and 5),
    realism integer check (realism between 1 and 5), artefacts text, diagnosis text, seconds real,
    given_at text default current_timestamp, primary key (study, reader, position))"""


@dataclass(frozen=True)
class Study:
    """A kit that readers can be shown: pictures by number, in one of several orders."""

    name: str
    run: str
    folder: Path
    orders: tuple

    def order(self, reader):
        """The numbers of the pictures in the order in which this reader sees them; some come twice."""
        return self.orders[int(hashlib.sha256(reader.encode()).hexdigest(), 16) % len(self.orders)]

    def picture(self, number):
        """(H, W) uint8."""
        return np.load(self.folder / "hidden" / "images.npy", mmap_mode="r")[number]


class Ratings:
    """Answers in outputs/ratings.sqlite3, and beside each kit as answers/*.csv, a file a reader.

    kits: folders of kits, none unless named: half of a kit's pictures are of held-out patients. Raises ValueError for
    a folder that is no kit.
    """

    def __init__(self, path=None, kits=()):
        self._path, self._kits = path, kits
        self.studies()

    def studies(self):
        """{name: Study} of the kits."""
        return {study.name: study for study in map(_study, self._kits)}

    def find(self, name):
        """The Study of this name. Raises AppError where there is none."""
        studies = self.studies()
        if name not in studies:
            raise unknown("There is no such reader study here.")
        return studies[name]

    def next_position(self, study, reader):
        """(position, number of the picture) that this reader has to answer next, from 1; (None, None) at the end."""
        order, answered = study.order(reader), set(self._answered(study, reader))
        left = [position for position in range(1, len(order) + 1) if position not in answered]
        return (left[0], int(order[left[0] - 1])) if left else (None, None)

    def save(self, study, reader, position, answer, confidence, realism, seconds):
        """Keep one answer, the first for its position. Raises AppError for one that no form can have sent."""
        order = study.order(reader)
        if not 1 <= position <= len(order) or answer not in ("real", "synthetic"):
            raise invalid("The answer does not belong to a picture of this study.")
        if not (1 <= confidence <= 5 and 1 <= realism <= 5):
            raise invalid("Confidence and realism go from 1 to 5.")
        row = (study.name, "page", reader, position, int(order[position - 1]), answer, confidence, realism, "", "")
        with closing(self._connect()) as connection, connection:
            names = ", ".join(COLUMNS)
            connection.execute(
                f"insert or ignore into answers ({names}) values ({', '.join('?' * len(COLUMNS))})",
                (*row, round(max(seconds, 0.0), 1)),
            )
        self._export(study, reader)

    def _answered(self, study, reader):
        with closing(self._connect()) as connection:
            rows = connection.execute(
                "select position from answers where study = ? and reader = ?", (study.name, reader)
            )
            return [row[0] for row in rows]

    def _export(self, study, reader):
        """The reader's answers so far as a file for `studies.readers`; no name from outside becomes a path."""
        with closing(self._connect()) as connection:
            rows = connection.execute(
                f"select {', '.join(COLUMNS)} from answers where study = ? and reader = ? order by position",
                (study.name, reader),
            ).fetchall()
        code = hashlib.sha256(reader.encode()).hexdigest()[:12]
        folder = study.folder / "answers"
        folder.mkdir(exist_ok=True)
        unfinished = folder / f".unfinished-{code}"
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
        unfinished.replace(folder / f"answers_app_{code}.csv")

    def _connect(self):
        path = self._path or config.outputs() / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=10)
        connection.execute(TABLE)
        return connection


def _study(kit):
    try:
        settings = json.loads((Path(kit) / "hidden" / "kit.json").read_text())
        orders = tuple(tuple(order) for order in settings["orders"])
        return Study(settings["study"], settings["run"], Path(kit), orders)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{kit} is not the kit of a reader study; notebook 09 and `readers` make one.") from error
