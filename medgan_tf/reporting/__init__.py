"""Reports of runs for other people.

comparison: models side by side, with costs and seeds. claims: numbers published elsewhere. report: the HTML report.
model_card: a generator exported for others, with its card. render: executed notebooks as Markdown pages. thesis: the
LaTeX of a run.
"""
