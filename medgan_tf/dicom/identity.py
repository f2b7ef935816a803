"""What of a file's header stands in names and manifests: pseudonymous keys and the modality; files that it lists."""

from pathlib import Path

from .greyscale import DicomError
from .pseudonyms import DEIDENTIFIED_BY, PSEUDONYM, pseudonym

# PS3.3 C.7.3.1.1.1, images only
MODALITIES = set(
    [
        "AR",
        "AS",
        "BDUS",
        "BI",
        "BMD",
        "CD",
        "CF",
        "CP",
        "CR",
        "CS",
        "CT",
        "DD",
        "DF",
        "DG",
        "DM",
        "DS",
        "DX",
        "EC",
        "EOG",
        "ES",
        "FA",
        "FS",
        "GM",
        "IO",
        "IVOCT",
        "IVUS",
        "KER",
        "LEN",
        "LP",
        "LS",
        "MA",
        "MG",
        "MR",
        "MS",
        "NM",
        "OAM",
        "OCT",
        "OP",
        "OPM",
        "OPT",
        "OPTBSV",
        "OPTENF",
        "OPV",
        "OSS",
        "OT",
        "PT",
        "PX",
        "RF",
        "RG",
        "RTDOSE",
        "RTIMAGE",
        "SC",
        "SEG",
        "SM",
        "SRF",
        "ST",
        "TG",
        "US",
        "VA",
        "VF",
        "XA",
        "XC",
    ]
)


def keys(dataset, sha256, key):
    """Pseudonyms of patient, study, series and instance; where an identifier is missing the next stands in.

    So files of unknown patients are kept apart rather than taken for one patient. The patient of a file that was
    de-identified here stays what it is, if it has the form of a pseudonym: any header can claim to be of here.
    """
    instance, series, study, patient = (
        str(dataset.get(keyword) or "").strip()
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID")
    )
    series = series or sha256
    study = study or series
    return {
        "patient": patient if _is_pseudonymous(dataset, patient) else pseudonym(key, "patient", patient or study),
        "study": pseudonym(key, "study", study),
        "series": pseudonym(key, "series", series),
        # Two different files may carry one SOP Instance UID; their bytes tell them apart.
        "instance": pseudonym(key, "instance", f"{instance}:{sha256}"),
    }


def _is_pseudonymous(dataset, patient):
    method = dataset.get("DeidentificationMethod") or [""]
    claimed = dataset.get("PatientIdentityRemoved") == "YES" and method[0] == DEIDENTIFIED_BY
    return claimed and PSEUDONYM.fullmatch(patient)


def modality(dataset):
    """The modality where the standard has such a one: whatever else a header says there does not leave."""
    stated = str(dataset.get("Modality") or "").strip()
    return stated if stated in MODALITIES else ""


def references(path, dataset):
    """The files that a DICOMDIR lists (PS3.10 section 8), as paths below its folder. Raises DicomError for others."""
    folder, found = Path(path).parent, []
    for entry in dataset.DirectoryRecordSequence:
        parts = entry.get("ReferencedFileID")
        if parts:
            parts = [parts] if isinstance(parts, str) else list(parts)
            if ".." in parts or "/" in "".join(parts):
                raise DicomError("lists files outside its folder")
            file = folder.joinpath(*parts)
            lower = folder.joinpath(*(part.lower() for part in parts))  # as some systems show a CD
            found.append(str(lower if lower.exists() and not file.exists() else file))
    return found
