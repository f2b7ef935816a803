"""Progress in a log is lines, and few of them."""

import os
import pty
import subprocess
import sys
import termios

BARS = """
import sys, time
from medgan_tf.cli import progress
progress.SECONDS = 0.4
progress.lines_without_terminal()
from tqdm import tqdm
for _ in tqdm(range(200), "Working"):
    time.sleep(0.01)
print("done", file=sys.stderr)
"""


def environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("TQDM_")}


def test_a_bar_in_a_log_is_a_line_now_and_then_with_the_time_left():
    said = subprocess.run([sys.executable, "-c", BARS], capture_output=True, text=True, check=True, env=environment())
    lines = said.stderr.splitlines()
    assert "\r" not in said.stderr and lines[-1] == "done"
    bars = [line for line in lines if line.startswith("Working")]
    assert 3 <= len(bars) <= 8 and len(bars) == len(lines) - 1
    assert "00:0" in bars[2] and "<" in bars[2]  # elapsed < left


def test_a_bar_in_a_terminal_stays_one_line_that_is_redrawn():
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, 80))
    process = subprocess.Popen([sys.executable, "-c", BARS], stderr=child, env=environment())
    os.close(child)
    said = b""
    try:
        while part := os.read(parent, 4096):
            said += part
    except OSError:  # the terminal's other end is closed
        pass
    assert process.wait() == 0
    assert said.count(b"\r") > 10 and said.count(b"\n") <= 3
