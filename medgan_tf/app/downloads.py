"""Pictures as files: PNG with its origin written into it, ZIP of all, and synthetic DICOM."""

import base64
import json
import zipfile
from io import BytesIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medgan_tf import dicom
from medgan_tf.dicom.synthetic import NOTICE
from medgan_tf.networks.sampling import tile

TYPES = {"png": "image/png", "zip": "application/zip", "dcm": "application/dicom"}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the date of files in a ZIP, so that the same pictures make the same bytes


def png(image, **origin):
    """The bytes of an image (H, W) or (H, W, 1) as PNG, whose text says that it is synthetic, and its origin."""
    text = PngInfo()
    text.add_text("Title", NOTICE)
    text.add_text("Software", "medgan_tf")
    for name, value in origin.items():
        text.add_text(name.capitalize(), str(value))
    return _encoded(image, pnginfo=text)


def plain_png(image):
    """The bytes of a picture that is not synthetic, or of which nobody may know: PNG without a word."""
    return _encoded(image)


def preview(images, columns=4, **origin):
    """The bytes of images (n, H, W, 1) as one PNG."""
    return png(tile(images, columns), **origin)


def data_url(data, kind="png"):
    """Bytes as a URL that a page can hold, so that nothing has to be kept for it."""
    return f"data:{TYPES[kind]};base64,{base64.b64encode(data).decode()}"


def origin(pictures, index):
    """What is written into the file of one of `service.Pictures`."""
    drawing = pictures.drawing
    described = {"model": drawing.model, "version": drawing.version, "seed": drawing.seed, "number": index}
    described |= {"class": pictures.labels[index]} if pictures.labels[index] else {}
    return described | {"truncation": drawing.truncation, "count": drawing.count}


def picture(pictures, index, kind="png"):
    """The bytes of one picture as "png" or "dcm"."""
    if kind == "png":
        return png(pictures.images[index], **origin(pictures, index))
    return _dicom(pictures, index)


def archive(pictures):
    """A ZIP of all pictures as PNG and DICOM, with origin.json; the same pictures give the same bytes."""
    memory = BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as file:

        def add(name, data):
            file.writestr(zipfile.ZipInfo(name, EPOCH), data)

        origins = [origin(pictures, index) for index in range(len(pictures.images))]
        add("README.txt", NOTICE + ".\n")
        add("origin.json", json.dumps(origins, indent=2))
        for index in range(len(pictures.images)):
            for kind in ("png", "dcm"):
                add(f"{kind}/{index:03d}.{kind}", picture(pictures, index, kind))
    return memory.getvalue()


def dicom_bytes(image, description, series, number=1):
    """The bytes of `dicom.synthetic`."""
    memory = BytesIO()
    dicom.synthetic(image, description, series, number).save_as(memory, enforce_file_format=True)
    return memory.getvalue()


def _dicom(pictures, index):
    described = origin(pictures, index)
    drawing = pictures.drawing
    series = [str(value) for value in (drawing.model, drawing.version, drawing.label, drawing.seed, drawing.truncation)]
    text = ", ".join(f"{name} {value}" for name, value in described.items())
    return dicom_bytes(pictures.images[index], text, [*series, str(drawing.count)], index + 1)


def _encoded(image, **options):
    memory = BytesIO()
    Image.fromarray(image[..., 0] if image.ndim == 3 else image).save(memory, "PNG", **options)
    return memory.getvalue()
