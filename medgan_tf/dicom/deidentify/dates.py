"""Shift all dates and times of a patient by one secret span: their order and the time between them stay."""

import re
from collections.abc import MutableSequence
from datetime import datetime, timedelta

from medgan_tf.dicom.pseudonyms import pseudonym

DAYS = 3650  # the longest shift; the shortest is one day
DATE = re.compile(r"\d{4}\.?\d\d\.?\d\d")
TIME = re.compile(r"\d\d(:?\d\d(:?\d\d(\.\d{1,6})?)?)?")
DATETIME = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?")
EARLIEST = (1, 1, 1, 0, 0, 0)


def offset(key, patient):
    """Return how far the dates of a patient are shifted, from the key: minus one day to ten years, in whole minutes."""
    return -timedelta(days=1, minutes=int(pseudonym(key, "dates", patient), 16) % ((DAYS - 1) * 24 * 60))


def shifted(dataset, span):
    """Return {tag: new value} of every date and time at this level of a dataset; "" for malformed ones.

    A date and the time of the same name ("StudyDate", "StudyTime") are shifted as one moment, a date alone as its
    midnight, and a time alone as on any day, so that the order stays. The precision stays too, for example minutes.
    """
    values, elements = {}, [dataset[tag] for tag in list(dataset.keys())]
    for element in elements:
        texts = _texts(element)
        if element.VR == "DA":
            time = _time_of_date(dataset, element)
            times = [""] * len(texts) if time is None else _texts(time)
            moved = [_shift_together(*pair, span) for pair in zip(texts, times, strict=True)]
            values[element.tag] = [date for date, _ in moved]
            if time is not None:
                values[time.tag] = [time for _, time in moved]
        elif element.VR == "DT":
            values[element.tag] = [_shift(text, span) for text in texts]
    for element in elements:
        if element.VR == "TM" and element.tag not in values:
            values[element.tag] = [_shift_together("20000101", text, span)[1] for text in _texts(element)]
    return {tag: value if all(value) else "" for tag, value in values.items()}


def values_of(value):
    """Return the values of a pydicom element's value, which may be one or several, as a list."""
    return list(value) if isinstance(value, MutableSequence) else [value]


def _time_of_date(dataset, date):
    """The time that belongs to a date; None where there is none with as many values."""
    name = date.keyword.replace("Date", "Time")
    time = dataset[name] if name and name in dataset else None
    fits = time is not None and time.VR == "TM" and len(_texts(time)) == len(_texts(date))
    return time if fits else None


def _texts(element):
    return [] if element.is_empty else [str(part).strip() for part in values_of(element.value)]


def _shift_together(date, time, span):
    """(date, time) after the shift, each "" where it was empty or malformed."""
    if not DATE.fullmatch(date):
        return "", ""
    moved = _shift(date.replace(".", "") + (time.replace(":", "") if TIME.fullmatch(time) else ""), span)
    return moved[:8], moved[8:]


def _shift(text, span):
    """A DICOM date and time after the shift, as precise as before; "" where it is malformed."""
    found = DATETIME.fullmatch(text)
    if not found:
        return ""
    *parts, fraction, zone = found.groups()
    parts = [part for part in parts if part]
    try:
        moment = datetime(*map(int, [*parts, *EARLIEST[len(parts) :]])) + span
    except (ValueError, OverflowError):
        return ""
    digits = f"{moment.year:04d}{moment:%m%d%H%M%S}"[: 2 + 2 * len(parts)]
    return digits + (fraction or "") + (zone or "")
