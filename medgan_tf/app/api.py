"""The JSON API that openapi.json describes."""

import base64
import hashlib
import json
import math

from flask import Blueprint, jsonify, request, url_for

from medgan_tf.app import catalogue, downloads, requests
from medgan_tf.dicom.synthetic import NOTICE

from .errors import AppError, invalid_request

METRIC_FIELDS = list(requests.SCHEMAS["Metric"]["properties"])


def blueprint(service, limited):
    """The routes. limited: the decorator that limits the rate of routes that use a network."""
    routes = Blueprint("api", __name__)

    @routes.get("/healthz")
    def health():
        return jsonify(status="ok", models=len(catalogue.entries()))

    @routes.get("/api/openapi.json")
    def document():
        return jsonify(requests.OPENAPI)

    @routes.get("/api/models")
    def models():
        return jsonify(notice=NOTICE, models=[_describe(entry) for entry in catalogue.entries().values()])

    @routes.post("/api/generate")
    @limited
    def generate():
        generated = service.generate(requests.parse_generation(_json_body()))
        made, files = generated.request, [downloads.image_file(generated, i) for i in range(len(generated.images))]
        images = [
            {"png": _base64(file), "sha256": hashlib.sha256(file).hexdigest(), "class": label or None}
            for file, label in zip(files, generated.labels, strict=True)
        ]
        origin = {name: getattr(made, name) for name in ("model", "version", "seed", "truncation")}
        again = url_for("pages.result", **made.query())
        return jsonify(origin | {"notice": NOTICE, "class": made.label, "images": images, "reproduce": again})

    @routes.post("/api/explore")
    @limited
    def explore():
        view = requests.parse_view(_json_body())
        images = [downloads.synthetic_png(image, model=view["model"]) for image in service.explore(**view)]
        return jsonify(notice=NOTICE, images=list(map(_base64, images)))

    @routes.post("/api/invert")
    @limited
    def invert():
        if request.mimetype != "multipart/form-data":
            raise AppError(415, "malformed_request", "Send the file as multipart/form-data.")
        model, label, data = requests.parse_upload(request.form, request.files)
        found = service.invert(model, data, label)
        encode = lambda image: _base64(downloads.synthetic_png(image, model=model))  # noqa: E731
        return jsonify(
            {
                "notice": NOTICE,
                "original": _base64(downloads.plain_png(found.original)),
                "reconstruction": encode(found.image),
                "versions": {name: encode(image) for name, image in found.versions.items()},
                "class": found.label,
                "ssim": found.ssim,
                "psnr": found.psnr if math.isfinite(found.psnr) else None,
                "method": found.method,
            }
        )

    return routes


def _json_body():
    """The JSON object in the request. Raises AppError for anything else, also for NaN and infinity."""
    if not request.is_json:
        raise AppError(415, "malformed_request", "Send JSON, with Content-Type: application/json.")
    try:
        values = json.loads(request.get_data(), parse_constant=int)  # int("NaN") is a ValueError
    except (ValueError, RecursionError) as error:
        raise AppError(400, "malformed_request", "The request's body is not JSON.") from error
    if not isinstance(values, dict):
        raise invalid_request("The request's body is not a JSON object.")
    return values


def _base64(data):
    return base64.b64encode(data).decode()


def _describe(entry):
    described = {"name": entry.name, "problem": entry.problem}
    if entry.record:
        described |= {"architecture": entry.architecture, "classes": entry.classes, "styles": entry.has_styles}
        described["image_size"] = entry.record["image_size"]
        described["metrics"] = entry.quality.reindex(columns=METRIC_FIELDS).to_dict("records")
    return described
