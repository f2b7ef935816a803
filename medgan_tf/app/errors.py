"""What can go wrong, with its HTTP status, a type for programs and one sentence for people."""


class AppError(Exception):
    """An expected failure. status: HTTP. kind: for programs. sentence: what is wrong and what helps."""

    def __init__(self, status, kind, sentence):
        super().__init__(sentence)
        self.status, self.kind, self.sentence = status, kind, sentence


def invalid(sentence):
    """What was asked for cannot be."""
    return AppError(422, "invalid_request", sentence)


def unknown(sentence):
    """What was asked for is not here."""
    return AppError(404, "not_found", sentence)
