"""Pseudonyms: keyed hashes that stand for patients, studies and series outside the hospital.

HMAC-SHA256 under a secret key: without the key nobody can test whether a known patient is in a set, which
a plain hash would allow. The key is made once, stays outside any repository, and must not travel with the
images; whoever holds it can link new images of a patient to old ones.
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
    """Return the secret key (bytes), creating its file (mode 0600) where there is none.

    The file is ~/.config/medgan_tf/pseudonym.key, or the one that the environment variable
    MEDGAN_TF_KEY_FILE names. Raises OSError or ValueError, in one sentence, where it cannot serve.
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
    """The first 16 hex digits of HMAC-SHA256(key, "kind:value"), for example kind "patient"."""
    return hmac.new(key, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()[:16]
