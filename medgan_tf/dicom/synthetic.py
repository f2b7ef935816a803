"""Synthetic images as DICOM: Secondary Capture that states, in every way DICOM has, that it shows no patient."""

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

NOTICE = "Synthetic image, research only, not for diagnosis"


def synthetic_dataset(image, description, series, number=1):
    """Return a Dataset of one image that a generator made: (H, W[, 1]) uint8 or uint16, or RGB (H, W, 3) uint8.

    It is a Secondary Capture Image (PS3.3 A.8.1) with Synthetic Data = YES, without a UID, date or name of anyone.
    description: how it was made, such as model and seed; stored behind the notice. series, number: strings from which
    the UIDs are derived, and the place in the series; the same give the same UIDs, so that an image generated again is
    the same DICOM instance. Raises ValueError for other arrays.
    """
    pixels = np.asarray(image)
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    if not (colour or pixels.ndim == 2) or pixels.dtype not in (np.uint8, np.uint16)[: 2 - colour] or not pixels.size:
        raise ValueError(
            f"A synthetic DICOM needs uint8 or uint16 (H, W), or uint8 (H, W, 3), not {pixels.dtype} {pixels.shape}."
        )
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = generate_uid(entropy_srcs=[*series, "image", str(number)])
    ds.SyntheticData = "YES"
    ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ds.ReferringPhysicianName = ""
    ds.Modality = "OT"
    ds.ConversionType = "SYN"  # synthetic image
    ds.Manufacturer = "medgan_tf"
    ds.StudyDescription = ds.SeriesDescription = NOTICE
    ds.PatientName = "Synthetic^Research only"
    ds.PatientID = "SYNTHETIC"
    ds.PatientBirthDate = ds.PatientSex = ""
    ds.StudyInstanceUID = generate_uid(entropy_srcs=[*series, "study"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=[*series, "series"])
    ds.StudyID = ""
    ds.SeriesNumber, ds.InstanceNumber = 1, number
    ds.PatientOrientation = ds.Laterality = ""  # unknown: nobody was examined
    ds.DerivationDescription = f"{NOTICE}. {description}"[:1024]
    ds.ImageComments = f"{NOTICE}. {description}"[:10240]
    ds.set_pixel_data(
        pixels, "RGB" if colour else "MONOCHROME2", 8 * pixels.dtype.itemsize, generate_instance_uid=False
    )
    return ds


def write_synthetic(images, out_dir, description, series):
    """Write images (n, H, W, C) to out_dir as one series of `synthetic_dataset`; return the paths."""
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, image in enumerate(images, 1):
        paths.append(out_dir / f"synthetic_{number:05d}.dcm")
        synthetic_dataset(image, description, series, number).save_as(paths[-1], enforce_file_format=True)
    return paths
