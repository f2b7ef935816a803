"""DICOM folders to synthetic medical images one can check: prepare, train, measure, use."""

__version__ = "0.1.0"
