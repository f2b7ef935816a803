"""Pseudonyms: keyed hashes that stand for patients, studies and series outside the hospital.

They are HMAC-SHA256 under a secret key: without the key nobody can test whether a known patient is in a set, which a
plain hash would allow. The key must not travel with the images: whoever holds it can link new images of a patient to
old ones.
"""

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

KEY_VARIABLE = "MEDGAN_TF_KEY_FILE"
DEIDENTIFIED_BY = "medgan_tf"  # first in De-identification Method (0012,0063): the Patient ID is a pseudonym already
PSEUDONYM = re.compile(r"[0-9a-f]{16}")  # what `pseudonym` returns


def load_key():
    """Return the secret key (bytes); create its file (mode 0600) where there is none.

    The file is ~/.config/medgan_tf/pseudonym.key, or the one that the environment variable
    MEDGAN_TF_KEY_FILE names. Raises OSError or ValueError, with one sentence, where it cannot be used.
    """
    default = Path.home() / ".config" / "medgan_tf" / "pseudonym.key"
    path = Path(os.environ.get(KEY_VARIABLE) or default)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32) + "\n")
        key = path.read_bytes().strip()
    except OSError as error:
        raise OSError(
            f"The pseudonym key {path} cannot be read or made ({error.strerror}): "
            f"set {KEY_VARIABLE} to a file that can."
        ) from error
    if len(key) < 32:
        raise ValueError(
            f"The pseudonym key {path} is shorter than 32 characters: restore the original, or delete it to "
            "get a new one (which gives every patient a new pseudonym)."
        )
    return key


def pseudonym(key, kind, value):
    """Return the first 16 hexadecimal digits of HMAC-SHA256(key, "kind:value"), for example kind "patient"."""
    return hmac.new(key, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()[:16]


def pseudonyms_of(header, sha256, key):
    """Return the pseudonyms of an image's patient, study, series and instance, by these names.

    Where an identifier is missing the next stands in, so that files of unknown patients are kept apart rather than
    taken for one patient. The patient of a file that was de-identified here stays what it is, but only if it has the
    form of a pseudonym: any header can claim to have been de-identified here. sha256: of the file.
    """
    series = header.series or sha256
    study = header.study or series
    known = header.deidentified_by == DEIDENTIFIED_BY and PSEUDONYM.fullmatch(header.patient)
    return {
        "patient": header.patient if known else pseudonym(key, "patient", header.patient or study),
        "study": pseudonym(key, "study", study),
        "series": pseudonym(key, "series", series),
        # Two different files may carry one SOP Instance UID: their bytes tell them apart.
        "instance": pseudonym(key, "instance", f"{header.sop_instance}:{sha256}"),
    }
