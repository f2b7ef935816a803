"""python -m benchmarks [--only PART] ..."""

from benchmarks.run import main

main()
