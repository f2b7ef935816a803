"""What a run shows to others.

comparison: models side by side, with costs and seeds. claims: figures claimed elsewhere. report: the HTML report.
model_card: a generator exported for others, with its card. render: executed notebooks as Markdown pages.
"""
