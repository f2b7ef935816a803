"""Blinded reader studies: can people tell synthetic from real images?

`power_table` plans a study, `make_kit` makes the page for the readers and the hidden key, `read_answers` and `analyse`
turn the readers' files into a section of results.json. `simulate_answers` makes answers of invented readers.
"""

from .answers import MalformedError, read_answer_file, read_answers
from .kit import Kit, best_model, make_kit, open_kit
from .planning import power_table
from .simulation import simulate_answers, write_answers
from .statistics import analyse, section_name
