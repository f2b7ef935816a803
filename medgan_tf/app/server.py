"""The Flask app, and waitress in front of it."""

import logging
import os
import secrets

from flask import Flask, url_for
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from medgan_tf.app import api, decoding, limits, pages

from .ratings import Ratings
from .service import Service

RATE = "240 per minute"  # from one address, for what needs a network or keeps answers
THREADS = 64  # wait for the one that draws


def create_app(service=None, ratings=None, rate=RATE, proxies=0):
    """The app. rate: what one address may ask for of RATE's kind, "" for no limit. proxies: how many are in front."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ.get("MEDGAN_TF_SECRET") or secrets.token_hex(),
        MAX_CONTENT_LENGTH=decoding.MAX_BYTES + 2**16,
        MAX_FORM_MEMORY_SIZE=2**16,
        MAX_FORM_PARTS=20,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,  # the referrer is checked by SameSite cookies
    )
    service, ratings = service or Service(), ratings or Ratings()
    app.extensions["service"] = service
    limits.install(app)
    limiter = limits.limiter(rate)
    limiter.init_app(app)
    app.extensions["limiter of networks"] = limiter  # the library itself holds it weakly
    share = limiter.shared_limit(rate or "1 per second", scope="networks")
    csrf = CSRFProtect(app)
    app.register_blueprint(pages.blueprint(service, ratings, share))
    interface = api.blueprint(service, share)
    app.register_blueprint(interface)
    csrf.exempt(interface)  # programs have no session that could be misused
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["asset"] = lambda name: url_for("static", filename=name)
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)
    return app


def serve(host="127.0.0.1", port=5000, rate=RATE, proxies=0, readers=()):
    """Serve until interrupted. readers: kits whose pictures, the real ones too, visitors may see and rate."""
    import waitress

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("absl").setLevel(logging.ERROR)
    app = create_app(ratings=Ratings(kits=readers), rate=rate, proxies=proxies)
    print(f"The app is at http://{host}:{port}; Ctrl-C ends it. Synthetic images, research only.")
    try:
        waitress.serve(
            app,
            host=host,
            port=port,
            threads=THREADS,
            connection_limit=500,
            max_request_body_size=decoding.MAX_BYTES + 2**16,
            max_request_header_size=2**15,
            channel_timeout=60,
            ident=None,
        )
    finally:
        app.extensions["service"].worker.close()
