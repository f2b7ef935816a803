"""The Flask app, with what every answer has: request id, security headers, rate limit and errors of one sentence."""

import logging
import os
import secrets
import time
import uuid

from flask import Flask, g, jsonify, make_response, render_template, request, url_for
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from medgan_tf.app import api, pages, uploads

from .errors import AppError
from .ratings import Ratings
from .service import Service

RATE = "240 per minute"  # per address, for routes that use a network or keep answers
THREADS = 64  # most of them wait for the service's one thread
MAX_REQUEST_BYTES = uploads.MAX_BYTES + 2**16
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
HTTP_ERRORS = {  # status: (error type, message)
    404: ("not_found", "There is no such page."),
    405: ("method_not_allowed", "This address does not accept this HTTP method."),
    413: ("too_large", "The file or form is too large."),
    415: ("malformed_request", "The request's body is of another type than this address accepts."),
    429: ("rate_limited", "You send requests faster than this server allows; wait a minute."),
}
log = logging.getLogger("medgan_tf.app")


def create_app(service=None, ratings=None, rate=RATE, proxies=0):
    """The Flask app. rate: limit for one address, such as RATE; "" for none. proxies: their number in front of it."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ.get("MEDGAN_TF_SECRET") or secrets.token_hex(),
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_MEMORY_SIZE=2**16,
        MAX_FORM_PARTS=20,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,  # SameSite cookies already check where a form comes from
    )
    service, ratings = service or Service(), ratings or Ratings()
    _add_headers(app)
    app.register_error_handler(Exception, _handle_error)
    limiter = Limiter(get_remote_address, storage_uri="memory://", enabled=bool(rate))
    limiter.init_app(app)
    app.extensions |= {"service": service, "limiter of networks": limiter}  # flask_limiter keeps a weak reference only
    limited = limiter.shared_limit(rate or "1 per second", scope="networks")
    csrf = CSRFProtect(app)
    app.register_blueprint(pages.blueprint(service, ratings, limited))
    api_routes = api.blueprint(service, limited)
    app.register_blueprint(api_routes)
    csrf.exempt(api_routes)  # programs have no session that could be misused
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["asset"] = lambda name: url_for("static", filename=name)
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)
    return app


def serve(host="127.0.0.1", port=5000, rate=RATE, proxies=0, readers=()):
    """Serve the app with waitress until interrupted.

    readers: folders of reader study kits whose images, real ones included, every visitor may see and rate.
    """
    import waitress

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("absl").setLevel(logging.ERROR)
    app = create_app(ratings=Ratings(kits=readers), rate=rate, proxies=proxies)
    print(f"The app is at http://{host}:{port}; stop it with Ctrl-C. Synthetic images, research only.")
    sizes = {"max_request_body_size": MAX_REQUEST_BYTES, "max_request_header_size": 2**15}
    limits = sizes | {"threads": THREADS, "connection_limit": 500, "channel_timeout": 60}
    try:
        waitress.serve(app, host=host, port=port, ident=None, **limits)
    finally:
        app.extensions["service"].close()


def _add_headers(app):
    @app.before_request
    def start_request():
        g.request_id, g.started = uuid.uuid4().hex[:12], time.perf_counter()

    @app.after_request
    def finish_request(response):
        response.headers.update(HEADERS)
        response.headers["X-Request-ID"] = g.request_id
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"
        took = 1000 * (time.perf_counter() - g.started)
        log.info("%s %s %s %d in %.0f ms", g.request_id, request.method, request.path, response.status_code, took)
        return response


def _handle_error(error):
    """Answer any exception; what the app did not expect is logged and not shown."""
    if isinstance(error, CSRFError):
        message = "This form has expired: go back, reload the page and send it again."
        return _error_response(AppError(400, "stale_form", message))
    if isinstance(error, HTTPException) and error.code < 500:
        kind, message = HTTP_ERRORS.get(error.code, ("malformed_request", "The request is malformed."))
        response = _error_response(AppError(error.code, kind, message))
        response.headers.extend(item for item in error.get_headers() if item[0] == "Allow")
        return response
    if not isinstance(error, AppError):
        log.exception("%s failed", g.request_id, exc_info=error)
        error = AppError(500, "internal", "The app itself failed. Its log has the details under this request id.")
    return _error_response(error)


def _error_response(error):
    """JSON for the API, a page for people."""
    log.warning("%s %s: %s", g.request_id, error.kind, error.message)
    if request.path.startswith(("/api/", "/healthz")):
        response = jsonify(error={"type": error.kind, "message": error.message, "request_id": g.request_id})
    else:
        response = make_response(render_template("error.html", error=error, request_id=g.request_id))
    response.status_code = error.status
    if error.status in (429, 503):
        response.headers["Retry-After"] = "60"
    return response
