"""Ratings of reader studies: answers are kept in SQLite and as CSV files for `studies.readers`.

Only the images and the orders of presentation are read from a kit of notebook 09; the key stays closed.
"""

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from medgan_tf import config
from medgan_tf.files import atomic_write
from medgan_tf.studies.readers.answers import COLUMNS

from .errors import AppError, invalid_request

TABLE = """create table if not exists answers (
    study text, source text, reader text, position integer, image integer,
    answer text check (answer in ('real', 'synthetic')), confidence integer check (confidence between 1 and 5),
    realism integer check (realism between 1 and 5), artefacts text, diagnosis text, seconds real,
    given_at text default current_timestamp, primary key (study, reader, position))"""


@dataclass(frozen=True)
class Study:
    """A kit: numbered images, shown in one of several orders."""

    name: str
    run: str
    folder: Path
    orders: tuple

    def order(self, reader):
        """The numbers of the images in the order in which this reader sees them; some appear twice."""
        return self.orders[int(hashlib.sha256(reader.encode()).hexdigest(), 16) % len(self.orders)]

    def picture(self, number):
        """(H, W) uint8."""
        return np.load(self.folder / "hidden" / "images.npy", mmap_mode="r")[number]


class Ratings:
    """Answers in outputs/ratings.sqlite3 and, beside each kit, in answers/*.csv with one file for each reader.

    kits: folders of kits. None is served by default, because half of a kit's images are of held-out patients. Raises
    ValueError for a folder that is not a kit.
    """

    def __init__(self, path=None, kits=()):
        self._path, self._kits = path, kits
        self.studies()

    def studies(self):
        """{name: Study} of all kits."""
        return {study.name: study for study in map(_read_study, self._kits)}

    def find(self, name):
        """The Study of this name. Raises AppError if there is none."""
        studies = self.studies()
        if name not in studies:
            raise AppError(404, "not_found", "There is no such reader study here.")
        return studies[name]

    def next_position(self, study, reader):
        """(position from 1, image number) that this reader has to answer next; (None, None) after the last."""
        answered = set(self._answers(study, reader)["position"])
        left = (each for each in enumerate(study.order(reader), 1) if each[0] not in answered)
        return next(left, (None, None))

    def save(self, study, reader, position, answer, confidence, realism, seconds):
        """Keep the first answer for a position. Raises AppError for answers that the form cannot send."""
        order = study.order(reader)
        if not 1 <= position <= len(order) or answer not in ("real", "synthetic"):
            raise invalid_request("The answer does not belong to an image of this study.")
        if not (1 <= confidence <= 5 and 1 <= realism <= 5):
            raise invalid_request("Confidence and realism go from 1 to 5.")
        row = (study.name, "page", reader, position, int(order[position - 1]), answer, confidence, realism, "", "")
        row += (round(max(seconds, 0.0), 1),)
        query = f"insert or ignore into answers ({', '.join(COLUMNS)}) values ({', '.join('?' * len(COLUMNS))})"
        with closing(self._connect()) as connection, connection:
            connection.execute(query, row)
        code = hashlib.sha256(reader.encode()).hexdigest()[:12]  # the reader's code never becomes a path
        file = study.folder / "answers" / f"answers_app_{code}.csv"
        atomic_write(file, lambda path: self._answers(study, reader).to_csv(path, index=False))

    def _answers(self, study, reader):
        query = f"select {', '.join(COLUMNS)} from answers where study = ? and reader = ? order by position"
        with closing(self._connect()) as connection:
            return pd.read_sql_query(query, connection, params=(study.name, reader))

    def _connect(self):
        path = self._path or config.outputs() / "ratings.sqlite3"
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=10)
        connection.execute(TABLE)
        return connection


def _read_study(kit):
    try:
        settings = json.loads((Path(kit) / "hidden" / "kit.json").read_text())
        orders = tuple(tuple(order) for order in settings["orders"])
        return Study(settings["study"], settings["run"], Path(kit), orders)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{kit} is not the kit of a reader study; make one with notebook 09 or `medgan_tf readers`."
        raise ValueError(message) from error
