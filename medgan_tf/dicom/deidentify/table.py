"""Table E.1-1 of DICOM PS3.15 (edition 2026c) as data: what becomes of each attribute.

table_e1_1.csv has a row an attribute: its tag, where X stands for any digit; its name; the action of the Basic
Profile; and "C" where the Retain Longitudinal Temporal Information with Modified Dates Option keeps it as a modified
date. The actions are those of the lists that dicom-anonymizer 2.1.0 (Kitware, BSD-3-Clause) reads out of the standard;
the option, which these lists leave out, covers every date and time of the table but three: the birth date, the birth
time and the GPS time stamp.

Actions: X remove; Z empty, or a dummy; D a dummy; U a UID consistent within the cohort. Two or three of them leave the
choice to the type that the attribute has in its information object (X where it is optional, Z where it must be
present, D where it must have a value). Without the objects' tables the one that conforms whatever the type is right:
the last.
"""

import csv
import functools
from pathlib import Path
from typing import NamedTuple


class Rule(NamedTuple):
    """What the table says of an attribute."""

    name: str
    action: str  # as the table has it, such as "X/Z/D"
    modified_date: bool  # kept as a shifted date or time

    @property
    def choice(self):
        """The action that conforms whatever the attribute's type."""
        return self.action.split("/")[-1]


PRIVATE = Rule("Private attributes", "X", False)


@functools.cache
def rules():
    """{tag of eight characters: Rule}; X stands for any digit."""
    with Path(__file__).with_name("table_e1_1.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["tag"]: Rule(row["name"], row["basic_profile"], row["modified_dates"] == "C")
            for row in csv.DictReader(file)
        }


def rule(tag):
    """The Rule of a pydicom tag, None for what the table does not mention."""
    if tag.group % 2:
        return PRIVATE
    whole = f"{tag.group:04X}{tag.element:04X}"
    repeating = f"{whole[:2]}XX{whole[4:]}"  # curves and overlays: 5000 to 50FF, 6000 to 60FF
    found = (rules().get(name) for name in (whole, repeating, f"{repeating[:4]}XXXX"))
    return next(filter(None, found), None)
