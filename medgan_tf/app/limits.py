"""What every answer of the app has: a request id in log and header, security headers, errors in one sentence."""

import logging
import time
import uuid

from flask import g, jsonify, make_response, render_template, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError

from .errors import AppError

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
KINDS = {400: "malformed_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 429: "rate_limited"}
SENTENCES = {
    404: "There is no such page.",
    405: "This address does not take such requests.",
    413: "The file or form is too large.",
    415: "The request's body is of another type than this address takes.",
    429: "You ask faster than this server allows; wait a minute.",
    500: "Something went wrong in the app itself. Its log says what, under the request id.",
}
log = logging.getLogger("medgan_tf.app")


def limiter(rate):
    """A Limiter of requests an address may make, such as "240 per minute", for the routes that make it work."""
    return Limiter(get_remote_address, storage_uri="memory://", enabled=bool(rate))


def install(app):
    """Give the app's every answer what this module says."""

    @app.before_request
    def begin():
        g.request_id, g.started = uuid.uuid4().hex[:12], time.perf_counter()

    @app.after_request
    def finish(response):
        response.headers.update(HEADERS)
        response.headers["X-Request-ID"] = g.request_id
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        milliseconds = 1000 * (time.perf_counter() - g.started)
        log.info(
            "%s %s %s %d in %.0f ms", g.request_id, request.method, request.path, response.status_code, milliseconds
        )
        return response

    @app.errorhandler(Exception)
    def failed(error):
        if isinstance(error, CSRFError):
            error = AppError(400, "stale_form", "This form is stale: go back, reload the page and send it again.")
        elif isinstance(error, HTTPException) and error.code < 500:
            sentence = SENTENCES.get(error.code, "The request is malformed.")
            known = AppError(error.code, KINDS.get(error.code, "malformed_request"), sentence)
            return _answer(known, error.get_headers() if error.code == 405 else ())
        elif not isinstance(error, AppError):
            log.exception("%s failed", g.request_id, exc_info=error)
            error = AppError(InternalServerError.code, "internal", SENTENCES[500])
        return _answer(error)


def _answer(error, headers=()):
    """The error as JSON for the API and as a page for people."""
    log.warning("%s %s: %s", g.request_id, error.kind, error.sentence)
    if request.path.startswith(("/api/", "/healthz")):
        content = {"type": error.kind, "message": error.sentence, "request_id": g.request_id}
        response = jsonify(error=content)
    else:
        response = make_response(render_template("error.html", error=error, request_id=g.request_id))
    response.status_code = error.status
    response.headers.extend(item for item in headers if item[0] == "Allow")
    if error.status in (429, 503):
        response.headers["Retry-After"] = "60"
    return response
