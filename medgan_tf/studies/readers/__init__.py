"""Can people tell synthetic from real images? A kit for a blinded study, its statistics, and its planning."""

from .answers import MalformedError, read, read_one
from .kit import Kit, best, make, open_kit
from .planning import power_table
from .simulation import simulate, write
from .statistics import analyse, section_name

__all__ = [
    "Kit",
    "MalformedError",
    "analyse",
    "best",
    "make",
    "open_kit",
    "power_table",
    "read",
    "read_one",
    "section_name",
    "simulate",
    "write",
]
