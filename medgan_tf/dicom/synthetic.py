"""Synthetic images as DICOM: Secondary Capture that says, in every way DICOM has, that it shows no patient."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

NOTICE = "Synthetic image, research only, not for diagnosis"


def synthetic(image, description, series, number=1):
    """A Dataset of one image (H, W) or (H, W, 1), uint8 or uint16, that a generator made.

    Secondary Capture Image Storage (PS3.3 A.8.1) with Synthetic Data = YES. description: how it was made, such as
    model and seed; it is kept with the notice. series: strings from which the UIDs follow, and number the place in the
    series: the same give the same UIDs, so that a picture made again is the same DICOM instance, and others give
    others. No UID, date or name comes from anyone. Raises ValueError for other arrays.
    """
    pixels = np.asarray(image)
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
    if pixels.ndim != 2 or pixels.dtype not in (np.uint8, np.uint16) or not pixels.size:
        raise ValueError(f"A synthetic DICOM is of uint8 or uint16 (H, W), not {pixels.dtype} {pixels.shape}.")
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
    bits = 8 * pixels.dtype.itemsize
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def write_synthetic(images, out_dir, description, series):
    """Write images (n, H, W, 1), uint8 or uint16, to out_dir as one `synthetic` series; return the paths."""
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, image in enumerate(images, 1):
        paths.append(out_dir / f"synthetic_{number:05d}.dcm")
        synthetic(image, description, series, number).save_as(paths[-1], enforce_file_format=True)
    return paths
