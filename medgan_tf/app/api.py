"""The JSON API, as openapi.json describes it."""

import base64
import hashlib
import math

from flask import Blueprint, jsonify, request, url_for

from medgan_tf.app import asking, catalogue, downloads
from medgan_tf.dicom.synthetic import NOTICE

from .errors import AppError, invalid

METRIC = ("metric", "value", "low", "high", "real_vs_real", "real_vs_real_low", "real_vs_real_high", "n", "extractor")


def blueprint(service, limited):
    """The routes. limited: a decorator for those that need a network."""
    routes = Blueprint("api", __name__)

    @routes.get("/healthz")
    def health():
        return jsonify(status="ok", models=len(catalogue.entries()))

    @routes.get("/api/openapi.json")
    def document():
        return jsonify(asking.DOCUMENT)

    @routes.get("/api/models")
    def models():
        return jsonify(notice=NOTICE, models=[_described(entry) for entry in catalogue.entries().values()])

    @routes.post("/api/generate")
    @limited
    def generate():
        pictures = service.draw(asking.drawing(_json()))
        drawing = pictures.drawing
        files = [downloads.picture(pictures, index) for index in range(len(pictures.images))]
        return jsonify(
            {
                "notice": NOTICE,
                "model": drawing.model,
                "version": drawing.version,
                "class": drawing.label,
                "seed": drawing.seed,
                "truncation": drawing.truncation,
                "images": [
                    {"png": _text(file), "sha256": hashlib.sha256(file).hexdigest(), "class": label or None}
                    for file, label in zip(files, pictures.labels, strict=True)
                ],
                "reproduce": url_for("pages.result", **link(drawing)),
            }
        )

    @routes.post("/api/explore")
    @limited
    def explore():
        view = asking.view(_json())
        images = service.explore(view)
        return jsonify(notice=NOTICE, images=[_text(downloads.png(image, model=view.model)) for image in images])

    @routes.post("/api/invert")
    @limited
    def invert():
        if request.mimetype != "multipart/form-data":
            raise AppError(415, "malformed_request", "Send the file as multipart/form-data.")
        values = asking.from_text("Invert", request.form)
        if "file" not in request.files:
            raise invalid("file: a PNG, JPG or DICOM image is missing.")
        data = request.files["file"].read()
        values = asking.checked("Invert", values | {"file": ""})
        found = service.invert(values["model"], data, values.get("class"))
        made = {name: _text(downloads.png(image, model=values["model"])) for name, image in found.versions.items()}
        return jsonify(
            {
                "notice": NOTICE,
                "original": _text(downloads.plain_png(found.original)),
                "reconstruction": _text(downloads.png(found.reconstruction, model=values["model"])),
                "versions": made,
                "class": found.label,
                "ssim": found.ssim,
                "psnr": found.psnr if math.isfinite(found.psnr) else None,
                "method": found.method,
            }
        )

    return routes


def link(drawing):
    """The query of the page that shows exactly the pictures of a `service.Drawing`."""
    shared = {"model": drawing.model, "class": drawing.label, "num": drawing.count, "seed": drawing.seed}
    return shared | {"truncation": repr(drawing.truncation), "version": drawing.version or None}


def _json():
    if not request.is_json:
        raise AppError(415, "malformed_request", "Send JSON, with Content-Type: application/json.")
    return asking.from_json(request.get_data())


def _text(data):
    return base64.b64encode(data).decode()


def _described(entry):
    if not entry.record:
        return {"name": entry.name, "problem": entry.problem}
    return {
        "name": entry.name,
        "problem": entry.problem,
        "architecture": entry.architecture,
        "classes": list(entry.classes),
        "image_size": entry.size,
        "styles": entry.styles,
        "metrics": [{name: row[name] for name in METRIC} for row in entry.quality.to_dict("records")],
    }
