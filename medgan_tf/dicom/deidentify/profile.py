"""Apply the Basic Profile of Table E.1-1, with modified dates, to one dataset, with all its sequences.

The table names what is known to identify. What it does not name may identify too, so beyond the table
- attributes that the standard does not define are removed, and so are all curves, overlays and group lengths;
- text becomes a dummy, unless it describes the device or the pixels (`table.KEPT_TEXT`) and contains no name from the
  same file;
- bytes are removed, unless pixels cannot be shown without them (`table.KEPT_BYTES`);
- UIDs that the standard does not define are replaced, dates are shifted, and invalid numbers and codes are removed.

docs/deidentification.md says what text is kept by this, and why.
"""

import hashlib
import hmac
import re
import uuid
from functools import cache

from pydicom import Dataset, Sequence
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.uid import UID

from medgan_tf.dicom.deidentify import dates, table
from medgan_tf.dicom.header import standard_modality
from medgan_tf.dicom.parsing import PIXEL_DATA
from medgan_tf.dicom.pseudonyms import DEIDENTIFIED_BY

METHODS = {  # DICOM PS3.16, context group 7050
    "113100": "Basic Application Confidentiality Profile",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
}
TEMPORAL = ("DA", "TM", "DT")
NUMBERS = ("DS", "IS", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV", "AT")
CODE = re.compile(r"[A-Z0-9_ ]{0,16}")
WORD = re.compile(r"[^\W_]{3,}|[^\W\d_]{2}")  # one letter or two digits occur in too much harmless text
DUMMIES = {"AS": "000Y", "UR": "http://example.invalid", "DA": "19000101", "TM": "000000", "DT": "19000101000000"}
DUMMIES |= dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"), "REMOVED")
DUMMIES |= dict.fromkeys(("OB", "OW", "OD", "OF", "OL", "OV", "UN"), bytes(8))
DUMMIES |= dict.fromkeys(NUMBERS, 0)


def clean(dataset, key, patient):
    """De-identify a pydicom Dataset in place; return it.

    key: of `pseudonyms.load_key`. patient: the pseudonym that becomes the Patient ID, and by which the dates are
    shifted; `pseudonyms_of` gives the one that `convert` writes into its manifest.
    """
    span = dates.offset(key, patient)
    names = identifying_words(dataset)
    _walk(dataset, key, span, names)
    dataset.PatientID = patient
    dataset.Modality = standard_modality(dataset) or "OT"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = [DEIDENTIFIED_BY, "PS3.15 Table E.1-1 edition 2026c", "dates shifted by patient"]
    dataset.DeidentificationMethodCodeSequence = Sequence(_code(value, name) for value, name in METHODS.items())
    dataset.LongitudinalTemporalInformationModified = "MODIFIED"
    return dataset


def replace_uid(uid, key):
    """Return the UID that replaces this one under the key: "2.25." and a UUID (PS3.5, B.2). The standard's stay."""
    if not uid or str(uid) in UID_dictionary:
        return UID(str(uid))
    digest = hmac.new(key, f"uid:{uid}".encode(), hashlib.sha256).digest()
    return UID(f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}")


def identifying_words(dataset):
    """Return in lower case the words of persons' names (two letters or more) and patients' numbers (three)."""
    words = set()
    for element in dataset.iterall():
        if element.VR == "PN":
            words |= _words(element.value)
        elif element.keyword in ("PatientID", "OtherPatientIDs", "AccessionNumber"):
            words |= _long(_words(element.value))
    return words


def _walk(dataset, key, span, names, in_dummy=False):
    """Clean one level. in_dummy: this is in a sequence that the table wants replaced, so texts become dummies too."""
    for tag in list(dataset.keys()):
        if tag.is_private or tag.element == 0 or tag.group >> 8 in (0x50, 0x60) or not dictionary_has_tag(tag):
            del dataset[tag]
        else:
            _remove_unreadable(dataset, tag)
    moved = dates.shifted(dataset, span)
    for tag in list(dataset.keys()):
        element, rule = dataset[tag], table.rule(tag)
        choice = rule.choice if rule else ""
        if element.VR in TEMPORAL and (rule is None or rule.modified_date):
            element.value = moved.get(tag, "") or (DUMMIES[element.VR] if choice == "D" else "")
        elif choice == "X":
            del dataset[tag]
        elif choice == "Z":
            element.clear()
        elif choice == "U" and element.VR == "UI":
            _map(element, lambda uid: replace_uid(uid, key))
        elif element.VR == "SQ":
            for item in element.value:
                for keyword in PIXEL_DATA:  # only icons have any, and nobody has checked these for text
                    if keyword in item:
                        del item[keyword]
                _walk(item, key, span, names, in_dummy or choice == "D")
        elif choice == "D":
            element.value = DUMMIES.get(element.VR, b"")
        else:
            _beyond_the_table(dataset, element, key, names, in_dummy)


def _beyond_the_table(dataset, element, key, names, in_dummy):
    """Clean an element that the table does not mention."""
    if element.VR not in dictionary_VR(element.tag).split(" or "):
        del dataset[element.tag]  # such as text that calls itself a number
    elif element.VR == "UI":
        _map(element, lambda uid: replace_uid(uid, key))
    elif element.VR == "CS":
        _clean_code(element, names)
    elif (
        element.VR in NUMBERS
        or element.keyword in table.KEPT_BYTES
        or (element.keyword in table.KEPT_TEXT and not in_dummy and not names & _words(element.value))
    ):
        return
    elif element.VR in DUMMIES and not isinstance(DUMMIES[element.VR], bytes):
        element.value = None if element.is_empty else DUMMIES[element.VR]  # conforms also where a value is required
    else:
        del dataset[element.tag]


def _clean_code(element, names):
    """Remove values of a code string that are no code or contain a word of a name; keep the other values.

    A name of two letters stays, because codes of the standard look the same (MR, NO, PA). So does a body part even if
    it is also a name in the file (as in PANCREAS_0001): it says what the image shows.
    """
    parts = dates.values_of(element.value)
    if element.keyword == "BodyPartExamined" and names & _words(parts):
        names = names - _body_parts()
    fits = [bool(CODE.fullmatch(str(part))) and not names & _long(_words(part)) for part in parts]
    if len(parts) > 1:
        element.value = [part if fit else "OTHER" for part, fit in zip(parts, fits, strict=True)]
    elif not all(fits):
        element.clear()


@cache
def _body_parts():
    """PS3.16, CID 4031, Common Anatomic Regions, in lower case; the codes are slow to import and seldom needed."""
    from pydicom.sr.codedict import codes

    return {name.lower() for name in dir(codes.cid4031)}


def _remove_unreadable(dataset, tag):
    """Remove an element whose value does not conform to its VR."""
    try:
        element = dataset[tag]
        if element.VR in ("DS", "IS"):
            [float(part) for part in dates.values_of(element.value) if part not in (None, "")]
    except Exception:  # pydicom converts a value at first access, and malformed ones may raise anything
        del dataset[tag]


def _map(element, function):
    if element.value:
        parts = [function(part) for part in dates.values_of(element.value)]
        element.value = parts if len(parts) > 1 else parts[0]


def _words(value):
    return {word.lower() for part in dates.values_of(value) for word in WORD.findall(str(part or ""))}


def _long(words):
    return {word for word in words if len(word) > 2}


def _code(value, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
