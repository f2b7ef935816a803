"""Image files to `ImageSet`s: single files, folders, manifests and .npy files."""

from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from PIL import Image
from tqdm import tqdm

from medgan_tf.config import shape, size_of
from medgan_tf.sources import as_16_bits, is_coloured, upright

from .encoding import jpg_quality
from .image_set import ImageSet
from .manifests import read_manifest

SAMPLED = 25  # files of a folder that tell whether it is in colour


def read_images(source, image_size=None):
    """All images of a source as one `ImageSet`, whatever their splits.

    source: the path of a folder with class folders of JPG or PNG files or with a manifest.csv; of the manifest.csv
    itself; of an .npy file, uint8 (N, H, W) or (N, H, W, C); or an array of these, or an ImageSet. image_size: what
    files are read at, by default the size of the first one, and in colour if most have some; arrays keep theirs.
    Arrays count as lossless. Raises ValueError for what cannot be read.
    """
    if isinstance(source, ImageSet):
        return source
    if not is_image_folder(source):
        array = np.load(source) if isinstance(source, str | Path) else np.asarray(source)
        return ImageSet(array[..., None] if array.ndim == 3 and isinstance(source, str | Path) else array)
    root = Path(source).parent if Path(source).name == "manifest.csv" else Path(source)
    rows = read_manifest(root)
    if image_size is None:
        with Image.open(root / rows["file"].iloc[0]) as first:
            image_size = first.size[::-1]
    return read_rows(rows, root, with_channels(image_size, rows["file"], root), tuple(sorted(rows["class"].unique())))


def read_at_one_size(*sources):
    """`ImageSet`s of several sources of `read_images`, None for None, all of one size.

    Files are read at the size of the first set in memory, or else of the first image of the first source. Raises
    ValueError for sets in memory that differ in size.
    """
    sources = [each if each is None or is_image_folder(each) else read_images(each) for each in sources]
    sizes = {each.image_size for each in sources if isinstance(each, ImageSet)}
    if len(sizes) > 1:
        known = " and ".join(sorted(map(str, sizes)))
        raise ValueError(f"images of the sizes {known} cannot be compared: prepare all at one size")
    size, read = next(map(shape, sizes), None), []
    for each in sources:
        read.append(each if each is None else read_images(each, size))
        size = size or shape(read[-1].image_size)
    return read


def is_image_folder(source):
    """Whether a source of `read_images` is a folder or a manifest.csv, whose images can be read at any size."""
    return isinstance(source, str | Path) and Path(source).suffix != ".npy"


def with_channels(image_size, files, root):
    """An image_size with its channels: as named, or 3 where most of SAMPLED files show colours, else 1."""
    if isinstance(image_size, list | tuple) and len(image_size) == 3:
        return size_of(image_size)
    sample = [files.iloc[place] for place in np.unique(np.linspace(0, len(files) - 1, SAMPLED).astype(int))]
    in_colour = np.median([_has_colour(Path(root) / file) for file in sample]) > 0.5 if len(files) else False
    return size_of((*shape(image_size)[:2], 3 if in_colour else 1))


def _has_colour(path):
    try:
        with Image.open(path) as image:
            return is_coloured(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False  # whoever reads it says so


def read_rows(rows, root, image_size, classes):
    """The images of a manifest's rows as one `ImageSet`, read at image_size, in grey where it names no channels."""
    read = Parallel(n_jobs=-1, prefer="threads")(
        delayed(_read_file)(root / file, image_size) for file in tqdm(rows["file"], "Reading images", leave=False)
    )
    if len({pixels.dtype for pixels, _ in read}) > 1:
        raise ValueError(f"{root} mixes 8-bit and 16-bit images; convert it again with one format.")
    pixels = np.stack([each for each, _ in read]) if read else np.zeros((0, *shape(image_size)), np.uint8)
    if pixels.dtype == np.uint16:
        pixels = np.rint(as_16_bits(pixels)).astype(np.uint16)
    labels = rows["class"].map({name: label for label, name in enumerate(classes)}).to_numpy(np.int32)
    encoding = np.array([quality for _, quality in read], np.uint8)
    return ImageSet(pixels, labels, rows["patient"].to_numpy(str), rows["file"].to_numpy(str), classes, encoding)


def read_image(path, image_size):
    """(H, W, C) uint8, or uint16 from a 16-bit PNG: as image_size says, padded to its aspect, antialiased."""
    return _read_file(path, image_size)[0]


def _read_file(path, image_size):
    """(pixels (H, W, C), JPG quality) of one file."""
    height, width, channels = shape(image_size)
    try:
        with Image.open(path) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise ValueError(f"it holds {image.n_frames}, of which each needs a file of its own")
            quality = jpg_quality(image, height, width)
            image = upright(image, channels)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} cannot be read as an image ({error}); remove or repair it.") from error
    dtype = np.uint16 if image.mode == "F" else np.uint8
    across, down = image.size
    padded = max(across, round(down * width / height)), max(down, round(across * height / width))
    canvas = Image.new(image.mode, padded)
    canvas.paste(image, ((padded[0] - across) // 2, (padded[1] - down) // 2))
    pixels = np.asarray(canvas.resize((width, height), Image.Resampling.LANCZOS))
    return np.clip(np.rint(pixels), 0, np.iinfo(dtype).max).astype(dtype).reshape(height, width, channels), quality
