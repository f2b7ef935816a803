"""The texts of a thesis from their templates, and the references that they cite."""

import re
from pathlib import Path

import jinja2

from medgan_tf.figures.cells import MODEL_NAMES, listed, sentence
from medgan_tf.figures.latex import escape

from .numbers import NOT_RUN, key

HERE = Path(__file__).parent
MARKS = {"block_start_string": "<%", "block_end_string": "%>", "variable_start_string": "<<"}
MARKS |= {"variable_end_string": ">>", "comment_start_string": "<#", "comment_end_string": "#>"}


class Texts:
    """The templates with the numbers and facts of one run.

    In a template `number("quality", model, ...)` is the macro of a number, or "not run"; `count(KEY)` is how many
    sentences there are under a key, and `tex` prints a name.
    """

    def __init__(self, numbers, facts):
        self.numbers = numbers
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            **MARKS,
        )
        environment.filters |= {"tex": escape, "listed": listed, "sentence": sentence, "key": key}
        environment.tests["startswith"] = str.startswith
        environment.globals |= facts | {"number": self.number, "has": self.has, "sentences": self.sentences}
        environment.globals |= {"model_name": lambda name: MODEL_NAMES.get(re.sub(r"_seed\d+$", "", name), name)}
        self.environment = environment

    def number(self, *parts):
        """The macro of a number, or "not run" where the run has none."""
        return rf"\result{{{key(*parts)}}}" if self.has(*parts) else NOT_RUN

    def has(self, *parts):
        """Whether the run has this number."""
        return key(*parts) in self.numbers

    def sentences(self, *parts):
        """The macros of the sentences on a result, none where there is no result."""
        found, place = [], 1
        while self.has("sentences", *parts, place):
            found.append(self.number("sentences", *parts, place))
            place += 1
        return found

    def of_template(self, name, **more):
        """The text of templates/NAME.tex."""
        return self.environment.get_template(f"{name}.tex").render(**more)

    def of_string(self, text):
        """The text of a template in a string."""
        return self.environment.from_string(text).render()


def references(texts):
    """BibTeX of exactly what the texts cite. Raises ValueError for a key that references.bib lacks."""
    lists = re.findall(r"\\cite\{([^}]*)\}", "".join(texts))
    cited = {name.strip() for names in lists for name in names.split(",")}
    entries = re.split(r"\n(?=@)", (HERE / "references.bib").read_text(encoding="utf-8"))
    entries = {re.match(r"@\w+\{([^,]+),", entry)[1]: entry.strip() for entry in entries}
    if unknown := sorted(cited - entries.keys()):
        raise ValueError(f"{HERE / 'references.bib'} has no entry {', '.join(unknown)}: add it there.")
    return "\n".join(f"{entry}\n" for name, entry in entries.items() if name in cited)
