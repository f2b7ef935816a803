"""DICOM to 256-pixel JPEG: `dicom.convert`, a plain loop of pydicom and Pillow, dcmtk's `dcmj2pnm` called per file.

The sets: phantoms as radiographs of 512 pixels, a quarter each uncompressed, RLE, JPEG lossless and JPEG 2000; and,
where --data holds them, real X-ray, CT and MR files. Each is cut to the files of one frame that all tools here
convert (dcmj2pnm reads no JPEG 2000). The plain loop runs in this process, so it has our order of decoders, the fastest
first. What each does differs: ours also finds patients and writes pseudonyms, searches the pixels for text, decodes
in child processes that may crash, keeps a journal and a manifest; the others only write pictures. How much of ours the
search and the isolation take is measured too.
"""

import csv
import functools
import io
import os
import shutil
import subprocess
import tempfile
import warnings
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import gdcm
import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import JPEG2000Lossless, RLELossless, generate_uid

from benchmarks import interleaved_timing
from medgan_tf import dicom, phantoms
from medgan_tf.dicom import batch, burned_in
from medgan_tf.dicom.convert_file import ConversionSettings, convert_file
from medgan_tf.dicom.pseudonyms import KEY_VARIABLE

SIDE, PICTURE = 512, 256
COPIES = 6  # of each file: starting child processes takes as long as some hundred files
REAL = ("xray", "series_ct_signed", "series_mr_t1w", "series_mr_brain")


def phantom_files(folder, patients):
    """Write the phantoms; their paths. Every fourth is left uncompressed."""
    phantoms.write_cohort(folder, patients, seed=0, image_size=SIDE)
    files = sorted(folder.rglob("*.dcm"))
    for number, path in enumerate(files):
        if number % 4 == 1:
            lossless_jpeg(path)
        elif number % 4:
            dataset = pydicom.dcmread(path)
            dataset.compress(RLELossless if number % 4 == 2 else JPEG2000Lossless)
            dataset.save_as(path)
    return files


def copies(files, folder):
    """Write each file COPIES times under other UIDs; their paths."""
    folder.mkdir()
    for index, path in enumerate(files):
        dataset = pydicom.dcmread(path, force=True)
        for number in range(COPIES):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset.save_as(folder / f"{index:03d}_{number}.dcm")
    return sorted(folder.iterdir())


def lossless_jpeg(path):
    """Compress a file in place as most archives do. Raises RuntimeError."""
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(path))
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    if reader.Read():
        change.SetInput(reader.GetImage())
        if change.Change():
            writer.SetFileName(str(path))
            writer.SetFile(reader.GetFile())
            writer.SetImage(change.GetOutput())
            if writer.Write():
                return
    raise RuntimeError(f"GDCM cannot compress {path}.")


def by_hand(path, target):
    """The plain loop's body: what tutorials do."""
    dataset = pydicom.dcmread(path)
    grey = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset).astype(float)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        grey = grey.max() - grey
    grey = (grey - grey.min()) / (grey.max() - grey.min())
    picture = Image.fromarray((grey * 255).astype(np.uint8))
    picture.resize((PICTURE, PICTURE), Image.Resampling.LANCZOS).save(target, quality=95)


def by_dcmtk(path, target):
    """One process a file. Raises subprocess.CalledProcessError."""
    options = ["--write-jpeg", "--compr-quality", "95", "--min-max-window", "--scale-x-size", str(PICTURE)]
    subprocess.run(["dcmj2pnm", *options, path, target], check=True, capture_output=True)


def in_turn(body, files):
    """Work all files off, one after the other, as a loop in a script does."""
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(files):
            body(path, Path(folder) / f"{number}.jpg")


def by_us(files, workers):
    """The Report of `convert` into a fresh folder, and the sources that it rejected."""
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(io.StringIO()):
        report = dicom.convert(files, Path(folder) / "out", PICTURE, labels="none", workers=workers)
        with (Path(folder) / "out.private" / "rejected.csv").open(newline="") as table:
            return report, {row["file"] for row in csv.DictReader(table)}


def converts(body, path):
    """Whether a tool makes a picture of a file."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            body(path, Path(folder) / "one.jpg")
        except Exception:  # pydicom raises what it likes
            return False
        return (Path(folder) / "one.jpg").exists()


def parts(files):
    """Processor seconds of one pass by ours in this process: all, and what the search for text takes of it."""
    searching = []
    search = burned_in.read_text

    def timed_search(*arguments):
        found, turn = interleaved_timing.timed(search, *arguments)
        searching.append(turn["processor_seconds"])
        return found

    def convert_here(settings):
        for part in batch.parts((str(path), ("all", None)) for path in files):
            batch.process_files(convert_file, part, settings)

    burned_in.read_text = timed_search
    try:
        with tempfile.TemporaryDirectory() as folder:
            _, turn = interleaved_timing.timed(convert_here, ConversionSettings(Path(folder), b"0" * 32, PICTURE))
    finally:
        burned_in.read_text = search
    return turn["processor_seconds"], sum(searching)


def measure(name, files, rounds):
    """Rows of one set: ours against each of the others, per core and with all cores, and where ours spends its time."""
    files = [path for path in files if not int(pydicom.dcmread(path, force=True).get("NumberOfFrames") or 1) > 1]
    _, rejected = by_us(files, None)
    others = {"pydicom + Pillow": by_hand} | ({"dcmj2pnm per file": by_dcmtk} if shutil.which("dcmj2pnm") else {})
    files = [path for path in files if str(path) not in rejected]
    files = [path for path in files if all(converts(body, path) for body in others.values())]
    sides = {workers: functools.partial(by_us, files, workers) for workers in (1, os.cpu_count())}
    found = interleaved_timing.interleave(
        sides | {reference: functools.partial(in_turn, body, files) for reference, body in others.items()}, rounds
    )
    note = f"{len(files)} files, {found[1][0][0].held_back} held back for review"
    for reference in ("pydicom + Pillow", "dcmj2pnm per file"):
        for workers in sides:
            what = f"{name}, {workers} worker{'s' if workers > 1 else ''}"
            theirs = found[reference][1] if reference in others else None
            yield interleaved_timing.compared(
                what, reference, len(files), "files", found[workers][1], theirs, note=note
            )
    whole, search = parts(files)
    alone = float(np.median([turn["processor_seconds"] for turn in found[1][1]]))
    yield interleaved_timing.measured(f"{name}: share of the search for text", search / alone, "of processor time")
    yield interleaved_timing.measured(f"{name}: share of isolation and records", 1 - whole / alone, "of processor time")


@contextmanager
def own_key(folder):
    """A pseudonym key of its own, in a folder that goes again."""
    before = os.environ.get(KEY_VARIABLE)
    os.environ[KEY_VARIABLE] = str(Path(folder) / "key")
    try:
        yield
    finally:
        os.environ.pop(KEY_VARIABLE)
        if before is not None:
            os.environ[KEY_VARIABLE] = before


def main():
    """Measure both sets."""
    parser = interleaved_timing.parser(__doc__, rounds=3)
    parser.add_argument("--data", type=Path, default=interleaved_timing.ROOT.parent / "shared" / "data" / "dicom")
    parser.add_argument("--patients", type=int, default=40)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, own_key(folder), warnings.catch_warnings(action="ignore"):
        folder = Path(folder)
        sets = {f"phantoms of {SIDE} px": phantom_files(folder / "phantoms", options.patients)}
        real = sorted(path for name in REAL for path in (options.data / name).glob("*") if path.is_file())
        if real:
            sets["real X-rays, CT, MR"] = real
        for name, files in sets.items():
            for row in measure(name, copies(files, folder / f"copies of {name}"), options.rounds):
                rows.append(row)
                interleaved_timing.save(options.json, rows)
        if not real:
            rows.append(
                {"what": "real X-rays, CT, MR", "reference": "pydicom + Pillow", "status": interleaved_timing.NOT_RUN}
            )
    interleaved_timing.save(options.json, rows)
    interleaved_timing.show(rows)


if __name__ == "__main__":
    main()
