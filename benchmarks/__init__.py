"""What the package costs, side by side with what others use: `make bench`, or `python -m benchmarks`."""
