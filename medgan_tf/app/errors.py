"""Expected failures: an HTTP status, an error type for programs and one sentence for people."""


class AppError(Exception):
    """An expected failure. status: HTTP status code. kind: "type" of the JSON answer. message: one sentence."""

    def __init__(self, status, kind, message):
        super().__init__(status, kind, message)  # all of them, so that the exception can be pickled
        self.status, self.kind, self.message = status, kind, message


def invalid_request(message):
    """AppError 422: the request cannot be fulfilled as it is."""
    return AppError(422, "invalid_request", message)


def busy():
    """AppError 503: too many requests are waiting."""
    return AppError(503, "busy", "Too many people are waiting; try again in a minute.")
