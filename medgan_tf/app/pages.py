"""The pages for people: draw, upload, models, explore, rate."""

import re
import secrets
import time

from flask import Blueprint, Response, redirect, render_template, request, session, url_for

from medgan_tf.app import asking, catalogue, downloads, opinions
from medgan_tf.generators.latents import GROUPS

from .api import link
from .errors import invalid
from .exploring import DIRECTIONS

READER = re.compile(r"[\w .-]{1,40}")


def blueprint(service, ratings, limited):
    """The routes. limited: a decorator for those that need a network or keep answers."""
    routes = Blueprint("pages", __name__)

    @routes.app_context_processor
    def navigation():
        names = {"Draw": "home", "Explore": "explore", "Models": "models", "Rate": "rate", "About": "about"}
        return {
            "navigation": [
                (name, url_for(f"pages.{page}"), f"pages.{page}" == request.endpoint) for name, page in names.items()
            ]
        }

    @routes.get("/")
    def home():
        usable, entry = _chosen(request.args.get("model"))
        return render_template("home.html", entries=usable, entry=entry, seed=secrets.randbelow(10**6))

    @routes.get("/result")
    @limited
    def result():
        pictures, entry = _drawn(service)
        drawing = pictures.drawing
        again = link(drawing) | {"seed": secrets.randbelow(10**6)}
        shown = [
            {
                "url": downloads.data_url(downloads.picture(pictures, index)),
                "label": pictures.labels[index],
                "opinion": said,
            }
            for index, said in enumerate(service.opinions(pictures))
        ]
        return render_template(
            "result.html",
            entry=entry,
            drawing=drawing,
            link=link(drawing),
            again=again,
            shown=shown,
            trust=opinions.trust(entry),
        )

    @routes.get("/download/<any(png, dcm, zip):kind>")
    @limited
    def download(kind):
        pictures, _ = _drawn(service)
        index = request.args.get("index", "0")
        if not index.isascii() or not index.isdigit() or int(index[:4]) >= len(pictures.images):
            raise invalid(f"index: the picture's number, below {len(pictures.images)}.")
        data = downloads.archive(pictures) if kind == "zip" else downloads.picture(pictures, int(index[:4]), kind)
        name = (
            f"synthetic_seed{pictures.drawing.seed}" + ("" if kind == "zip" else f"_{int(index[:4]):02d}") + f".{kind}"
        )
        return Response(
            data, mimetype=downloads.TYPES[kind], headers={"Content-Disposition": f"attachment; filename={name}"}
        )

    @routes.post("/upload")
    @limited
    def upload():
        values = asking.from_text("Invert", request.form)
        if "file" not in request.files:
            raise invalid("Choose a PNG, JPG or DICOM image first.")
        data = request.files["file"].read()
        values = asking.checked("Invert", values | {"file": ""})
        found = service.invert(values["model"], data, values.get("class"))
        entry = catalogue.find(values["model"])
        made = {"reconstruction": found.reconstruction} | found.versions
        files = {}
        for name, image in made.items():
            described = {"model": entry.name, "made": f"{name}, from an uploaded image"}
            series = (entry.name, name, image.tobytes().hex())
            files[name] = {
                "png": downloads.data_url(downloads.png(image, **described)),
                "dcm": downloads.data_url(downloads.dicom_bytes(image, described["made"], series), "dcm"),
            }
        original = downloads.data_url(downloads.plain_png(found.original))
        return render_template("upload.html", entry=entry, found=found, original=original, files=files)

    @routes.get("/models")
    def models():
        return render_template("models.html", entries=catalogue.entries().values())

    @routes.get("/preview.png")
    @limited
    def preview():
        pictures = service.draw(asking.drawing({"model": request.args.get("model", ""), "num": 8}))
        return _png(downloads.preview(pictures.images, model=pictures.drawing.model))

    @routes.get("/explore")
    def explore():
        usable, entry = _chosen(request.args.get("model"))
        return render_template(
            "explore.html",
            entries=usable,
            entry=entry,
            values=_view(request.args, entry),
            query=request.query_string.decode("latin-1"),
            directions=DIRECTIONS,
            layers=("all", *GROUPS),
        )

    @routes.get("/explore/picture.png")
    @limited
    def explored():
        view = asking.view(_view(request.args))
        images = service.explore(view)
        return _png(downloads.preview(images, min(len(images), 6), model=view.model))

    @routes.route("/rate", methods=["GET", "POST"])
    @limited
    def rate():
        studies = ratings.studies()
        if request.method == "POST":
            reader = request.form.get("reader", "").strip()
            if not READER.fullmatch(reader):
                raise invalid("A reader's code has 1 to 40 letters, digits, spaces, dots or hyphens.")
            session["reader"], session["study"] = reader, ratings.find(request.form.get("study", "")).name
            return redirect(url_for("pages.rate"))
        if session.get("study") not in studies:
            return render_template("rate.html", studies=studies, study=None)
        study, reader = studies[session["study"]], session["reader"]
        position, number = ratings.next_position(study, reader)
        session["shown"] = time.time()
        picture = None if position is None else downloads.data_url(downloads.plain_png(study.picture(number)))
        total = len(study.order(reader))
        return render_template(
            "rate.html", studies=studies, study=study, reader=reader, position=position, total=total, picture=picture
        )

    @routes.post("/rate/answer")
    @limited
    def answer():
        if "study" not in session:
            raise invalid("Give a reader's code first.")
        numbers = [request.form.get(name, "") for name in ("position", "confidence", "realism")]
        if not all(re.fullmatch(r"[0-9]{1,6}", number) for number in numbers):
            raise invalid("Answer all three questions.")
        position, confidence, realism = map(int, numbers)
        seconds = time.time() - session.get("shown", time.time())
        study = ratings.find(session["study"])
        ratings.save(study, session["reader"], position, request.form.get("answer"), confidence, realism, seconds)
        return redirect(url_for("pages.rate"))

    @routes.post("/rate/leave")
    def leave():
        session.clear()
        return redirect(url_for("pages.rate"))

    @routes.get("/about")
    def about():
        return render_template("about.html")

    return routes


def _chosen(name):
    """(models that can be used, the one of this name or the first)."""
    usable = [entry for entry in catalogue.entries().values() if not entry.problem]
    return usable, catalogue.find(name) if name else (usable[0] if usable else None)


def _drawn(service):
    """The Pictures that the link asks for, and the entry of their model."""
    pictures = service.draw(asking.drawing(asking.from_text("Generate", request.args)))
    return pictures, catalogue.find(pictures.drawing.model)


def _view(fields, entry=None):
    """The values of an explorer's view from the fields of its form, sliders d1, d2, ... as strengths."""
    name = fields.get("view", "moved")
    values = {"view": name, "model": entry.name if entry else fields.get("model", "")}
    values |= asking.from_text(asking.VIEWS.get(name, "Moved"), fields) | {"view": name}
    if name == "moved":
        sliders = [fields.get(f"d{number}", "0") for number in range(1, DIRECTIONS + 1)]
        values["strengths"] = [asking.number(text, "strength") for text in sliders]
    return values


def _png(data):
    return Response(data, mimetype=downloads.TYPES["png"])
