"""Progress where no terminal redraws a line, as in the log of a cluster: a line of its own every half minute."""

import os
import re
import sys

SECONDS = 30


class Lines:
    """A stream on which each state of a progress bar is a line, where it would go back to the start of the line."""

    def __init__(self, stream):
        self.stream, self.ended = stream, False

    def write(self, text):
        """Write text; what holds a return to the start of the line as whole lines, without blank ones."""
        if "\r" in text:
            lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
            text, self.ended = "".join(f"{line}\n" for line in lines), True
        elif text:
            text, self.ended = "" if self.ended and text == "\n" else text, False
        return self.stream.write(text)

    def __getattr__(self, name):
        return getattr(self.stream, name)


def lines_without_terminal():
    """Make tqdm's bars lines, unless standard error is a terminal; to be called before tqdm is imported."""
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_MININTERVAL", str(SECONDS))
        sys.stderr = Lines(sys.stderr)
