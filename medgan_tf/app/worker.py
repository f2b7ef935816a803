"""One thread for all work on networks: results cannot mix, and TensorFlow is never entered twice at a time."""

from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

from .errors import AppError

WAITING = 128  # jobs; more clients than these are told to come again


class Worker:
    """Does jobs one after the other in the order of arrival, each for the caller that waits for it."""

    def __init__(self, waiting=WAITING):
        self._thread = ThreadPoolExecutor(1, "generation")
        self._places = BoundedSemaphore(waiting)

    def run(self, seconds, function, *arguments):
        """Return function(*arguments), or raise what it raises.

        Raises AppError where too many wait already, and where there is no result after `seconds`; a job that has not
        begun by then is never done, so that nobody's time goes into answers that nobody waits for.
        """
        if not self._places.acquire(blocking=False):
            raise AppError(503, "busy", "Too many people are waiting; try again in a minute.")
        job = self._thread.submit(function, *arguments)
        job.add_done_callback(lambda done: self._places.release())
        try:
            return job.result(seconds)
        except TimeoutError as error:
            job.cancel()
            raise AppError(
                503, "timeout", f"There was no result after {seconds:g} seconds; try again later."
            ) from error

    def close(self):
        """Finish what runs, drop what waits."""
        self._thread.shutdown(cancel_futures=True)
