"""The HTML pages: generate, upload, models, explore, rate and about."""

import re
import secrets
import time

from flask import Blueprint, Response, redirect, render_template, request, session, url_for

from medgan_tf.app import catalogue, downloads, requests
from medgan_tf.generators.latents import GROUPS
from medgan_tf.metrics.outliers import COMMON
from medgan_tf.networks.sampling import tile

from .errors import invalid_request

READER_CODE = re.compile(r"[\w .-]{1,40}")
NAVIGATION = {"Generate": "home", "Explore": "explore", "Models": "models", "Rate": "rate", "About": "about"}


def blueprint(service, ratings, limited):
    """The routes. limited: the decorator that limits the rate of routes that use a network or keep answers."""
    routes = Blueprint("pages", __name__)
    _add_generation_routes(routes, service, limited)
    _add_exploration_routes(routes, service, limited)
    _add_rating_routes(routes, ratings, limited)

    @routes.app_context_processor
    def navigation():
        links = [(name, f"pages.{page}") for name, page in NAVIGATION.items()]
        return {"navigation": [(name, url_for(page), page == request.endpoint) for name, page in links]}

    @routes.get("/about")
    def about():
        return render_template("about.html")

    return routes


def _add_generation_routes(routes, service, limited):
    @routes.get("/")
    def home():
        usable, entry = _choose_model(request.args.get("model"))
        return render_template("home.html", entries=usable, entry=entry, seed=secrets.randbelow(10**6))

    @routes.get("/result")
    @limited
    def result():
        generated, entry = _generate(service)
        generation, link = generated.request, generated.request.query()
        again = link | {"seed": secrets.randbelow(10**6)}
        urls = [downloads.data_url(downloads.image_file(generated, index)) for index in range(generation.count)]
        columns = zip(urls, generated.labels, service.score(generated), strict=True)
        images = [dict(zip(("url", "label", "scores"), column, strict=True)) for column in columns]
        scores = [image["scores"].outlier for image in images]
        unlike = [number for number, score in enumerate(scores, 1) if score is not None and score > COMMON]
        shown = {"images": images, "unlike": unlike, "common": COMMON}
        return render_template("result.html", entry=entry, generation=generation, link=link, again=again, **shown)

    @routes.get("/download/<any(png, dcm, zip):kind>")
    @limited
    def download(kind):
        generated, _ = _generate(service)
        index = requests.parse_number(request.args.get("index", "0"), "index", int)
        if not 0 <= index < len(generated.images):
            raise invalid_request(f"index: the number of an image, below {len(generated.images)}.")
        name = f"synthetic_seed{generated.request.seed}" + ("" if kind == "zip" else f"_{index:02d}")
        data = downloads.archive(generated) if kind == "zip" else downloads.image_file(generated, index, kind)
        headers = {"Content-Disposition": f"attachment; filename={name}.{kind}"}
        return Response(data, mimetype=downloads.MIME_TYPES[kind], headers=headers)

    @routes.post("/upload")
    @limited
    def upload():
        model, label, data = requests.parse_upload(request.form, request.files)
        found, files = service.invert(model, data, label), {}
        for name, image in ({"reconstruction": found.image} | found.versions).items():
            description, series = f"{name}, from an uploaded image", (model, name, image.tobytes().hex())
            png = downloads.synthetic_png(image, model=model, made=description)
            dcm = downloads.synthetic_dicom(image, description, series)
            files[name] = {"png": downloads.data_url(png), "dcm": downloads.data_url(dcm, "dcm")}
        original = downloads.data_url(downloads.plain_png(found.original))
        return render_template("upload.html", entry=catalogue.find(model), found=found, original=original, files=files)

    @routes.get("/models")
    def models():
        return render_template("models.html", entries=catalogue.entries().values())

    @routes.get("/preview.png")
    @limited
    def preview():
        generation = requests.parse_generation({"model": request.args.get("model", ""), "num": 8})
        return _png_response(service.generate(generation).images, 4, generation.model)


def _add_exploration_routes(routes, service, limited):
    @routes.get("/explore")
    def explore():
        usable, entry = _choose_model(request.args.get("model"))
        values, query = _view_values(request.args, entry), request.query_string.decode("latin-1")
        shown = {"entries": usable, "entry": entry, "values": values, "query": query}
        return render_template("explore.html", directions=requests.DIRECTIONS, layers=("all", *GROUPS), **shown)

    @routes.get("/explore/picture.png")
    @limited
    def explored():
        view = requests.parse_view(_view_values(request.args))
        images = service.explore(**view)
        return _png_response(images, min(len(images), 6), view["model"])


def _add_rating_routes(routes, ratings, limited):
    @routes.route("/rate", methods=["GET", "POST"])
    @limited
    def rate():
        studies = ratings.studies()
        if request.method == "POST":
            reader = request.form.get("reader", "").strip()
            if not READER_CODE.fullmatch(reader):
                raise invalid_request("A reader's code has 1 to 40 letters, digits, spaces, dots or hyphens.")
            session["reader"], session["study"] = reader, ratings.find(request.form.get("study", "")).name
            return redirect(url_for("pages.rate"))
        if session.get("study") not in studies:
            return render_template("rate.html", studies=studies, study=None)
        study, reader = studies[session["study"]], session["reader"]
        position, number = ratings.next_position(study, reader)
        session["shown"] = time.time()
        picture = None if position is None else downloads.data_url(downloads.plain_png(study.picture(number)))
        shown = {"reader": reader, "position": position, "total": len(study.order(reader)), "picture": picture}
        return render_template("rate.html", studies=studies, study=study, **shown)

    @routes.post("/rate/answer")
    @limited
    def answer():
        if "study" not in session:
            raise invalid_request("Enter a reader's code first.")
        numbers = [request.form.get(name, "") for name in ("position", "confidence", "realism")]
        if not all(re.fullmatch(r"[0-9]{1,6}", number) for number in numbers):
            raise invalid_request("Answer all three questions.")
        position, confidence, realism = map(int, numbers)
        seconds = time.time() - session.get("shown", time.time())
        study = ratings.find(session["study"])
        ratings.save(study, session["reader"], position, request.form.get("answer"), confidence, realism, seconds)
        return redirect(url_for("pages.rate"))

    @routes.post("/rate/leave")
    def leave():
        session.clear()
        return redirect(url_for("pages.rate"))


def _choose_model(name):
    """(entries that can be used, the entry of this name or the first)."""
    usable = [entry for entry in catalogue.entries().values() if not entry.problem]
    return usable, catalogue.find(name) if name else (usable[0] if usable else None)


def _generate(service):
    """(GeneratedImages of the query, Entry of their model)."""
    generated = service.generate(requests.parse_generation(requests.parse_fields("Generate", request.args)))
    return generated, catalogue.find(generated.request.model)


def _view_values(fields, entry=None):
    """Values for `requests.parse_view` from the explorer's form; its sliders d1, d2, ... become the strengths."""
    name = fields.get("view", "moved")
    values = {"view": name, "model": entry.name if entry else fields.get("model", "")}
    values |= requests.parse_fields(name.capitalize() if name in requests.VIEWS else "Moved", fields) | {"view": name}
    if name == "moved":
        sliders = [fields.get(f"d{number}", "0") for number in range(1, requests.DIRECTIONS + 1)]
        values["strengths"] = [requests.parse_number(text, "strength") for text in sliders]
    return values


def _png_response(images, columns, model):
    return Response(downloads.synthetic_png(tile(images, columns), model=model), mimetype=downloads.MIME_TYPES["png"])
