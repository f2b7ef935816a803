"""The studies that decide whether synthetic images may be used."""
