"""Phantoms as valid DICOM files: Digital X-Ray Image Storage - For Presentation (PS3.3, A.26.4)."""

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, generate_uid

from .drawing import FIELD_CM


@dataclass(frozen=True)
class Scanner:
    """How the files of one patient's scanner store pixels: stored value = offset + slope * brightness."""

    photometric: str  # MONOCHROME1 or MONOCHROME2
    bits_stored: int  # 12 to 14
    offset: int
    slope: int


def sample_scanner(rng):
    """Draw a `Scanner` from the numpy Generator `rng`: one in four is MONOCHROME1."""
    bits = int(rng.integers(12, 15))
    slope = int(2**bits * rng.uniform(0.7, 0.95))
    offset = int(rng.integers(0, 2**bits - slope))
    return Scanner("MONOCHROME1" if rng.random() < 0.25 else "MONOCHROME2", bits, offset, slope)


def make_dataset(picture, patient, study, entropy, scanner):
    """The DX dataset of a picture (H, W) in [0, 1] with bright bone; its window maps the stored values back to [0, 1].

    patient: {DICOM keyword: value}. study: (date as YYYYMMDD, time as HHMMSS, number from 1). entropy: strings that
    determine the UIDs of the patient's images.
    """
    inverse = scanner.photometric == "MONOCHROME1"  # which stores bone dark
    brightness = (1 - picture if inverse else picture).astype(np.float64)
    date, time, number = study
    sources = [*entropy, str(number)]
    spacing = [f"{10 * FIELD_CM / side:.6g}" for side in picture.shape]
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.SOPClassUID = DigitalXRayImageStorageForPresentation
    for name, suffix in {"SOPInstance": "image", "StudyInstance": "study", "SeriesInstance": "series"}.items():
        setattr(ds, f"{name}UID", generate_uid(entropy_srcs=[*sources, suffix]))
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = date
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = time
    ds.AccessionNumber = ds.ReferringPhysicianName = ""
    ds.Modality = "DX"
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.Manufacturer = "medgan_tf phantoms"
    ds.StudyDescription = "Chest PA phantom"
    ds.AnatomicRegionSequence = [snomed_code("51185008", "Thorax")]
    for keyword, value in patient.items():
        setattr(ds, keyword, value)
    ds.BodyPartExamined = "CHEST"
    ds.KVP = "120"
    ds.ImagerPixelSpacing = ds.PixelSpacing = spacing
    ds.DetectorType = "DIRECT"
    ds.PositionerType = "NONE"
    ds.ViewPosition = "PA"
    ds.ViewCodeSequence = [snomed_code("399348003", "postero-anterior")]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []
    ds.StudyID = str(number)
    ds.SeriesNumber = ds.InstanceNumber = 1
    ds.PatientOrientation = ["L", "F"]
    ds.ImageLaterality = "U"
    ds.AcquisitionContextSequence = []
    ds.BurnedInAnnotation = "NO"
    ds.PixelIntensityRelationship = "LOG"
    ds.PixelIntensityRelationshipSign = 1 if inverse else -1
    ds.RescaleIntercept = "0"
    ds.RescaleSlope = "1"
    ds.RescaleType = "US"
    ds.WindowCenter = f"{scanner.offset + scanner.slope / 2 + 0.5:.1f}"
    ds.WindowWidth = str(scanner.slope + 1)
    ds.LossyImageCompression = "00"
    ds.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
    pixels = np.rint(scanner.offset + scanner.slope * brightness).astype(np.uint16)
    ds.set_pixel_data(pixels, scanner.photometric, scanner.bits_stored, generate_instance_uid=False)
    return ds


def snomed_code(value, meaning):
    """An item of a code sequence with a SNOMED CT code."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item
