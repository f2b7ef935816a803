"""Attributes outside Table E.1-1 that keep their text or bytes: they describe the device, a code or the pixels."""

TEXT = set(
    ["Manufacturer", "ManufacturerModelName", "SoftwareVersions", "DetectorManufacturerName", "DetectorManufacturerModelName", "CodeValue", "LongCodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodingSchemeUID", "CodeMeaning", "ConvolutionKernel", "SequenceName", "FilterMaterial", "FilterType", "GridAbsorbingMaterial", "GridSpacingMaterial", "TransmitCoilName", "ReceiveCoilName", "ImagingFrequency", "ImagedNucleus", "ResonantNucleus", "RescaleType", "ModalityLUTType", "LUTLabel", "LUTExplanation", "WindowCenterWidthExplanation", "PixelPresentation", "ColorSpace", "PositionReferenceIndicator", "SegmentLabel", "SegmentAlgorithmName", "DimensionDescriptionLabel", "TransducerType", "PostprocessingFunction", "RadionuclideHalfLife", "Radiopharmaceutical", "ReconstructionMethod", "AttenuationCorrectionMethod", "DecayCorrection", "ScatterCorrectionMethod", "RandomsCorrectionMethod"]
)
BYTES = set(
    ["PixelData", "FloatPixelData", "DoubleFloatPixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData", "AlphaPaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData", "SegmentedAlphaPaletteColorLookupTableData", "LUTData", "PixelPaddingValue"]
)
