"""What becomes of each attribute: Table E.1-1 of DICOM PS3.15 (edition 2026c), and what is kept beyond it.

table_e1_1.csv has one row per attribute: its tag, where X stands for any digit; its name; the action of the Basic
Profile; and "C" where the Retain Longitudinal Temporal Information with Modified Dates Option keeps it as a modified
date. The actions are those that dicom-anonymizer 2.1.0 (Kitware, BSD-3-Clause) extracts from the standard. The option,
which its lists leave out, covers every date and time of the table except the birth date, the birth time and the GPS
time stamp.

Actions: X remove; Z empty, or a dummy; D a dummy; U a UID consistent within the cohort. Where the table gives two or
three, the type of the attribute in its information object decides (X where it is optional, Z where it must be present,
D where it must have a value). These types are not known here, so the last is taken, which conforms in every case.
"""

import csv
import functools
from pathlib import Path
from typing import NamedTuple


class Rule(NamedTuple):
    """What the table says about an attribute."""

    action: str  # as in the table, such as "X/Z/D"
    modified_date: bool  # kept as a shifted date or time

    @property
    def choice(self):
        """The action that conforms for every type of the attribute."""
        return self.action.split("/")[-1]


PRIVATE = Rule("X", False)  # private attributes
# Attributes outside the table that keep their text, because it describes the device, a code or the pixels.
KEPT_TEXT = frozenset(
    """
    Manufacturer ManufacturerModelName SoftwareVersions DetectorManufacturerName DetectorManufacturerModelName
    CodeValue LongCodeValue CodingSchemeDesignator CodingSchemeVersion CodingSchemeUID CodeMeaning
    ConvolutionKernel SequenceName FilterMaterial FilterType GridAbsorbingMaterial GridSpacingMaterial
    TransmitCoilName ReceiveCoilName ImagingFrequency ImagedNucleus ResonantNucleus RescaleType ModalityLUTType
    LUTLabel LUTExplanation WindowCenterWidthExplanation PixelPresentation ColorSpace PositionReferenceIndicator
    SegmentLabel SegmentAlgorithmName DimensionDescriptionLabel TransducerType PostprocessingFunction
    RadionuclideHalfLife Radiopharmaceutical ReconstructionMethod AttenuationCorrectionMethod DecayCorrection
    ScatterCorrectionMethod RandomsCorrectionMethod
    """.split()  # noqa: SIM905
)
# Attributes outside the table that keep their bytes: the pixels cannot be shown without them.
KEPT_BYTES = frozenset(
    """
    PixelData FloatPixelData DoubleFloatPixelData RedPaletteColorLookupTableData GreenPaletteColorLookupTableData
    BluePaletteColorLookupTableData AlphaPaletteColorLookupTableData SegmentedRedPaletteColorLookupTableData
    SegmentedGreenPaletteColorLookupTableData SegmentedBluePaletteColorLookupTableData
    SegmentedAlphaPaletteColorLookupTableData LUTData PixelPaddingValue
    """.split()  # noqa: SIM905
)


@functools.cache
def rules():
    """Return {tag of eight characters: Rule}; X stands for any digit."""
    with Path(__file__).with_name("table_e1_1.csv").open(newline="", encoding="utf-8") as file:
        return {row["tag"]: Rule(row["basic_profile"], row["modified_dates"] == "C") for row in csv.DictReader(file)}


def rule(tag):
    """Return the Rule of a pydicom tag, None where the table does not mention it."""
    if tag.group % 2:
        return PRIVATE
    whole = f"{tag.group:04X}{tag.element:04X}"
    repeating = f"{whole[:2]}XX{whole[4:]}"  # curves and overlays: 5000 to 50FF, 6000 to 60FF
    found = (rules().get(name) for name in (whole, repeating, f"{repeating[:4]}XXXX"))
    return next(filter(None, found), None)
