"""Class names that can be folder names on any system."""

import re

SIGNS = {"<": "less than", ">": "more than", "≤": "at most", "≥": "at least", "=": "equal", "+": "plus", "?": "unknown"}
SIGNS |= {"-": "minus", "%": "percent", "&": "and", "±": "plus or minus", "*": "star", "/": "or", "!": "not"}


def safe_classes(names):
    """{name: class} of names of classes, where a class has no character that some system refuses in a folder's name.

    Names that would be the same are told apart by words for their signs. Raises ValueError where even these agree.

    >>> safe_classes(["grade <2", "grade >2"])
    {'grade <2': 'grade less than 2', 'grade >2': 'grade more than 2'}
    """
    names = sorted(set(names))
    safe = {name: _safe(name) for name in names}
    taken = [each.casefold() for each in safe.values()]
    for name in names:
        if taken.count(safe[name].casefold()) > 1:
            safe[name] = _safe(re.sub(r"[^\w\s.]", lambda sign: f" {SIGNS.get(sign[0], '')} ", name))
    owner = {}
    for name in names:
        other = owner.setdefault(safe[name].casefold(), name)
        if other != name:
            raise ValueError(
                f"The classes '{other}' and '{name}' would have one folder, '{safe[name]}': rename one of them."
            )
    return safe


def _safe(name):
    return re.sub(r"\s+", " ", re.sub(r"[^\w .-]+", "_", name)).strip(" .") or "unnamed"
