"""Text and tables for LaTeX: every character is printed as it is, and no table is wider or longer than its page."""

import re
import unicodedata

NEEDED = "booktabs, graphicx, array, multirow, longtable, rotating"
SIGNS = {
    **{sign: f"\\{sign}" for sign in "%_&#{}$"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "€": r"\texteuro{}"},
    **{"–": "--", "—": "---", "−": r"\ensuremath{-}", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\ldots{}"},
    **{"ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}"},
    **{"ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "§": r"\S{}", "©": r"\copyright{}", "\u00a0": "~"},
    **{"µ": r"\ensuremath{\mu}", "ς": r"\ensuremath{\varsigma}", "ο": "o"},  # the others of Greek by their names
    **{"\u00ad": "", "\u200b": "", "\ufeff": ""},  # not to be seen
}
MATHS = {"×": "times", "±": "pm", "·": "cdot", "°": "^\\circ", "≤": "leq", "≥": "geq", "≠": "neq", "≈": "approx"}
MATHS |= {"∞": "infty", "√": "surd", "∈": "in", "∑": "sum", "→": "rightarrow", "←": "leftarrow"}
MATHS |= {"↑": "uparrow", "↓": "downarrow", "∼": "sim", "∅": "emptyset"}
ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": "."}
ACCENTS |= {"\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c", "\u0328": "k"}
VALUE_AND_INTERVAL = re.compile(r"^(\S+) (\[.*\])$")
# Points, at \scriptsize: width of a character, between columns; height of a line, between rows; a line of the caption.
CHARACTER, PADDING, LINE, GAP, CAPTION = 4.0, 6.0, 8.5, 3.0, 14.0
PAGE = 450, 620  # points: width and height of the text on A4, less a line or two
TURNED = 1.25  # times the width of the page: a wider table is turned instead of scaled
# LaTeX measures the table, which is in box 0, and scales it where it is wider than the text.
FITTED = r"\end{tabular}}\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi"


def escape(text):
    """Text in which LaTeX, also pdfTeX with few fonts, prints every character as it is.

    A character that is neither Latin nor Greek nor a common sign is printed as its code, (U+80BA), so that the
    document compiles in any case.
    """
    text = re.sub(r"(?<![^\s\[(])-(?=[\d.])", "−", unicodedata.normalize("NFC", str(text)))  # the minus of a number
    return "".join(map(_escape, text))


def _escape(sign):
    if sign in SIGNS:
        return SIGNS[sign]
    if sign in MATHS:
        return rf"\ensuremath{{{MATHS[sign] if sign == '°' else chr(92) + MATHS[sign]}}}"
    if " " <= sign < "\x7f":
        return sign
    if sign.isspace():
        return " "
    if not sign.isprintable():
        return ""
    base, *marks = unicodedata.normalize("NFD", sign)
    if marks and base.isascii() and set(marks) <= set(ACCENTS):
        for mark in marks:
            base = rf"\{ACCENTS[mark]}{{{base}}}"
        return base
    greek = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", unicodedata.name(sign, ""))
    if greek and greek[1] == "SMALL":
        return rf"\ensuremath{{\{'lambda' if greek[2] == 'LAMDA' else greek[2].lower()}}}"
    if sign in "ΓΔΘΛΞΠΣΥΦΨΩ":
        return rf"\ensuremath{{\{'Lambda' if sign == 'Λ' else greek[2].title()}}}"
    plain = unicodedata.normalize("NFKD", sign)
    if plain.isascii():  # superscripts, subscripts, ligatures
        raised = {"<super>": "^", "<sub>": "_"}.get(unicodedata.decomposition(sign).split(" ")[0])
        return rf"\ensuremath{{{raised}{{{escape(plain)}}}}}" if raised else escape(plain)
    return f"(U+{ord(sign):04X})"


def table(data, name, caption, columns=None):
    """A DataFrame of texts as a LaTeX table (booktabs) with caption and the label tab:NAME.

    An interval stands below its value and a long column head has two lines, so that ten columns fit. A table that is
    still too wide is scaled down, or turned on a page of its own. A long one continues on the next page; one that is
    long and wide is in several parts. columns: LaTeX's column format ("lp{5cm}"); by default each cell is on one line.
    """
    widths = _widths(data, columns)
    width, (room, height) = sum(widths), PAGE
    long = _height(data, widths, caption, 1) > height
    if not (width > TURNED * room or (long and width > room)):
        return _upright(data, name, caption, columns, long)
    parts = -(-_height(data, widths, caption, min(1, height / width)) // room)
    rows = int(-(-len(data) // parts))
    texts = []
    for start in range(0, len(data), rows):
        first = start == 0
        own = (name, caption) if first else (f"{name}_{start}", f"{caption} Continued.")
        texts.append(_upright(data[start : start + rows], *own, columns, False).replace("{table}[htbp]", "{table}"))
    return "".join(texts).replace("{table}", "{sidewaystable}")


def _upright(data, name, caption, columns, long):
    """The LaTeX of a table, which is not turned; long: it may go over several pages."""
    text = data.map(_cell).rename(index=_cell, columns=_head)
    given = columns or "l" * data.index.nlevels + "c" * data.shape[1]
    text = text.to_latex(
        caption=(escape(caption), f"{{{escape(short(caption))}}}"),
        label=f"tab:{name}",
        position=None if long else "htbp",
        column_format=given.replace("p{", r">{\raggedright\arraybackslash}p{"),
        longtable=long,
    ).replace(" \\\\\n", f" \\\\\n\\addlinespace[{GAP:g}pt]\n")  # else an interval touches the value of the next row
    style = rf"\scriptsize\setlength{{\tabcolsep}}{{{3 if data.shape[1] < 7 else 1.5}pt}}"
    if long:
        return f"{{{style}\n{text.rstrip()}}}\n"
    text = text.replace("[htbp]", f"[htbp]\n\\centering{style}", 1)
    return text.replace(r"\begin{tabular}", r"\sbox0{\begin{tabular}").replace(r"\end{tabular}", FITTED)


def short(caption):
    """The beginning of a caption, for lists of figures and tables."""
    return re.split(r"(?<=\w)[.:;](?= |$)", caption, maxsplit=1)[0]


def _cell(text):
    parts = [escape(line) for line in _lines_of(text)]
    if len(parts) == 1:
        return re.sub(r"^(?=[\[*])", "{}", parts[0])  # which belong to the command before the cell else
    return rf"\raisebox{{-.35\height}}{{\shortstack{{{parts[0]}\\{{}}{parts[1]}}}}}"  # level with the row's name


def _head(text):
    """A long column head on two lines."""
    parts = [escape(part) for part in _halves(str(text))]
    return parts[0] if len(parts) == 1 else rf"\shortstack{{{parts[0]}\\{{}}{parts[1]}}}"


def _halves(head):
    """A long text in two, broken at the space nearest to its middle."""
    spaces = [match.start() for match in re.finditer(" ", head)]
    if len(head) <= 12 or not spaces:
        return [head]
    middle = min(spaces, key=lambda place: abs(place - len(head) / 2))
    return [head[:middle], head[middle + 1 :]]


def _widths(data, columns):
    """The width of each column in points, that of the index first: as given (p{5cm}), or of the longest line."""
    given = [float(width) * 28.45 for width in re.findall(r"p\{([\d.]+)cm\}", columns or "")]
    if given:
        return given
    index = [data.index.get_level_values(level) for level in range(data.index.nlevels)]
    texts = [*index, *([*_halves(str(name)), *data.iloc[:, place]] for place, name in enumerate(data))]
    longest = [max((len(line) for text in column for line in _lines_of(text)), default=0) for column in texts]
    return [CHARACTER * length + PADDING for length in longest]


def _height(data, widths, caption, scale):
    """The height of a table in points, if it is scaled."""
    rows = [max(map(_lines, row, widths[-data.shape[1] :])) * LINE + GAP for row in data.to_numpy()]
    return scale * (sum(rows) + 2 * LINE + 5 * GAP) + (1 + len(caption) // 100) * CAPTION


def _lines_of(text):
    found = VALUE_AND_INTERVAL.match(str(text))
    return found.groups() if found else [str(text)]


def _lines(text, width):
    """How many lines a cell needs in a column of this width in points."""
    return sum(max(1, -(-len(line) // max(1, int(width / CHARACTER)))) for line in _lines_of(text))
