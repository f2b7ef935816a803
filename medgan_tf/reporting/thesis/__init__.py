"""The thesis of a run: a folder of LaTeX with its figures, tables, methods, results, limits, checklist and references.

`write` makes it. numbers: everything that is recorded, by key. facts: what was used. floats: figures and tables.
settings_tables: the tables of methods. text: the templates. folder: what is written, and what an author keeps.
"""

from .write import write
