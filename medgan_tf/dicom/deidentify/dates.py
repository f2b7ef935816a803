"""Shift all dates and times of a patient by one secret span: their order and the time between them stay."""

import re
from collections.abc import MutableSequence
from datetime import datetime, timedelta

from medgan_tf.dicom.pseudonyms import pseudonym

DAYS = 3650  # the longest shift; the shortest is one day
DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)")
TIME = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(\.\d{1,6})?)?)?")
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
    values = {}
    for tag in list(dataset.keys()):
        element = dataset[tag]
        if element.VR == "DA" and tag not in values:
            partner = _partner(dataset, element)
            moved = [_date_and_time(*pair, span) for pair in _pairs(element, partner)]
            values[tag] = [date for date, _ in moved]
            if partner is not None:
                values[partner.tag] = [time for _, time in moved]
        elif element.VR == "DT":
            values[tag] = [_datetime(text, span) for text in _texts(element)]
    for tag in list(dataset.keys()):
        if dataset[tag].VR == "TM" and tag not in values:
            values[tag] = [_date_and_time("20000101", text, span)[1] for text in _texts(dataset[tag])]
    return {tag: value if all(value) else "" for tag, value in values.items()}


def _partner(dataset, element):
    """The time that belongs to a date; None where there is none with as many values."""
    keyword = element.keyword
    name = keyword.replace("Date", "Time") if "Date" in keyword else ""
    partner = dataset[name] if name and name in dataset else None
    return (
        partner if partner is not None and partner.VR == "TM" and len(_texts(partner)) == len(_texts(element)) else None
    )


def _pairs(element, partner):
    dates = _texts(element)
    return zip(dates, _texts(partner) if partner is not None else [""] * len(dates), strict=True)


def _texts(element):
    """The values of an element as strings."""
    if element.is_empty:
        return []
    return [
        str(part).strip() for part in (element.value if isinstance(element.value, MutableSequence) else [element.value])
    ]


def _date_and_time(date, time, span):
    """(date, time) after the shift, each "" where it was empty or malformed."""
    day, clock = DATE.fullmatch(date), TIME.fullmatch(time)
    if not day:
        return "", ""
    parts = [*day.groups(), *((clock.groups()[:3]) if clock else ())]
    moved = _move([part for part in parts if part], span)
    if not moved:
        return "", ""
    digits = 2 * sum(part is not None for part in clock.groups()[:3]) if clock else 0
    return moved[:8], moved[8 : 8 + digits] + ((clock[4] or "") if clock else "")


def _datetime(text, span):
    found = DATETIME.fullmatch(text)
    if not found:
        return ""
    *parts, fraction, zone = found.groups()
    parts = [part for part in parts if part]
    moved = _move(parts, span)
    return moved and moved[: 2 + 2 * len(parts)] + (fraction or "") + (zone or "")


def _move(parts, span):
    """YYYYMMDDHHMMSS of the moment that begins with these parts, shifted; "" where there is no such moment."""
    try:
        moment = datetime(*map(int, [*parts, *EARLIEST[len(parts) :]])) + span
    except (ValueError, OverflowError):
        return ""
    return f"{moment.year:04d}{moment:%m%d%H%M%S}"
