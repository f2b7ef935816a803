"""What `python -m medgan_tf` does: its commands, the notebooks run in order by papermill, and sweeps."""
