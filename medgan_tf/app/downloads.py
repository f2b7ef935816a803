"""Images as files: PNG and DICOM that state their origin, and a ZIP of all images."""

import base64
import json
import zipfile
from io import BytesIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medgan_tf import dicom
from medgan_tf.dicom.synthetic import NOTICE
from medgan_tf.sources import displayed

MIME_TYPES = {"png": "image/png", "zip": "application/zip", "dcm": "application/dicom"}


def synthetic_png(image, **origin):
    """PNG bytes of an image (H, W[, C]); its text chunks say that it is synthetic and where it comes from."""
    text = PngInfo()
    for name, value in {"title": NOTICE, "software": "medgan_tf", **origin}.items():
        text.add_text(name.capitalize(), str(value))
    return plain_png(image, pnginfo=text)


def plain_png(image, **options):
    """PNG bytes without text, for images that are real or whose kind a reader must not learn."""
    memory = BytesIO()
    Image.fromarray(displayed(image)).save(memory, "PNG", **options)
    return memory.getvalue()


def synthetic_dicom(image, description, series, number=1):
    """Bytes of the Dataset that `dicom.synthetic_dataset` makes of the same arguments."""
    memory = BytesIO()
    dicom.synthetic_dataset(image, description, series, number).save_as(memory, enforce_file_format=True)
    return memory.getvalue()


def data_url(data, kind="png"):
    """Bytes as a URL inside the page, so that the server need not keep a file."""
    return f"data:{MIME_TYPES[kind]};base64,{base64.b64encode(data).decode()}"


def image_file(generated, index, kind="png"):
    """PNG or DICOM ("dcm") bytes of one of `service.GeneratedImages`."""
    described, image = _origin(generated, index), generated.images[index]
    if kind == "png":
        return synthetic_png(image, **described)
    fields = ("model", "version", "label", "seed", "truncation", "count")
    series = [str(getattr(generated.request, name)) for name in fields]
    text = ", ".join(f"{name} {value}" for name, value in described.items())
    return synthetic_dicom(image, text, series, index + 1)


def archive(generated):
    """ZIP bytes of all images as PNG and DICOM, with origin.json."""
    memory, indices = BytesIO(), range(len(generated.images))
    files = {"README.txt": NOTICE + ".\n"}
    files["origin.json"] = json.dumps([_origin(generated, index) for index in indices], indent=2)
    files |= {f"{kind}/{i:03d}.{kind}": image_file(generated, i, kind) for i in indices for kind in ("png", "dcm")}
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archived:
        for name, data in files.items():
            archived.writestr(zipfile.ZipInfo(name), data)  # dated 1980, so that equal images give equal bytes
    return memory.getvalue()


def _origin(generated, index):
    """What is written into the file of one image."""
    request = generated.request
    described = {"model": request.model, "version": request.version, "seed": request.seed, "number": index}
    described |= {"class": generated.labels[index]} if generated.labels[index] else {}
    return described | {"truncation": request.truncation, "count": request.count}
