"""What a run tells others: models compared, figures claimed elsewhere, the HTML report, the model card."""
