"""Run a function in a disposable child process, so that a C library that crashes or hangs harms one call.

Children are kept for later calls from any thread; one that died is replaced at the next call.
"""

import contextlib
import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import time

MEMORY = 16 * 2**30  # bytes of address space for a child: one file must not take all of the machine's memory
_idle = []


class Crashed(RuntimeError):
    """The child died during the call; the message is a phrase: it crashed, or took longer than its time limit."""


class _Child:
    def __init__(self):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        # Files are processed in parallel: threads of a BLAS would only compete with each other.
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        # Decoders print warnings to stderr.
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([sys.executable, "-m", __name__], env=environment, **streams)

    def call(self, request):
        pickle.dump(request, self.process.stdin)
        self.process.stdin.flush()
        return pickle.load(self.process.stdout)

    def __del__(self):
        self.process.kill()
        self.process.communicate()


def call(function, *arguments, seconds, memory=MEMORY):
    """Return `function(*arguments)`, computed in a child; an exception there is raised here.

    The function must be importable and everything picklable. Raises Crashed where the child died or was not finished
    after `seconds`, MemoryError where its address space would have exceeded `memory` bytes.
    """
    try:
        child = _idle.pop()
    except IndexError:
        child = _Child()
    start = time.monotonic()
    try:
        success, result = child.call((function, arguments, seconds, memory))
    except (EOFError, BrokenPipeError, ConnectionResetError, pickle.UnpicklingError) as error:
        code = child.process.wait()
        if time.monotonic() - start >= seconds:
            raise Crashed(f"takes longer than {seconds:g} seconds") from error
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise Crashed(f"crashes the process that reads it ({cause})") from error
    _idle.append(child)
    if success:
        return result
    raise result


def release():
    """End the children that are idle."""
    _idle.clear()


def _serve():
    """Answer requests on standard input until it closes."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a C library prints must not mix with the replies
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent, which then closes the pipe
    with open(os.devnull, "w") as devnull, contextlib.suppress(EOFError):  # noqa: PTH123
        while True:
            function, arguments, seconds, memory = pickle.load(requests)
            _limit(memory)
            # Ends the process with code 1 even where a C library holds the interpreter's lock.
            faulthandler.dump_traceback_later(seconds, exit=True, file=devnull)
            try:
                reply = (True, function(*arguments))
            except Exception as error:
                reply = (False, error)
            faulthandler.cancel_dump_traceback_later()
            pickle.dump(reply, replies)
            replies.flush()
            del arguments, reply  # the pixels in an error's traceback would count against the next call


def _limit(memory):
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    _serve()
