"""From stored values to the grey a viewer shows: modality LUT, VOI LUT or window, padding, polarity.

The order is that of PS3.3 C.11 and PS3.4 N.2; MONOCHROME1 is inverted last. Functional groups of enhanced
multi-frame images (PS3.3 C.7.6.16) are looked up where an attribute of a frame is asked for.
"""

import contextlib
import math
from dataclasses import dataclass

import numpy as np

# (center, width) in Hounsfield units, as radiology departments commonly set them.
WINDOWS = {
    "abdomen": (60, 400),
    "bone": (480, 2500),
    "brain": (40, 80),
    "liver": (60, 160),
    "lung": (-600, 1500),
    "mediastinum": (50, 350),
    "soft_tissue": (50, 400),
    "stroke": (35, 40),
}
QUANTILES = np.linspace(0, 1, 401)
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")  # of a window; whatever else a header says there is no name of one
TAILS = (0.005, 0.995)  # an automatic window leaves half a percent of the pixels out at either end


class DicomError(ValueError):
    """A file cannot be shown; the message is a phrase that follows the file's name ("is not DICOM")."""


@dataclass(frozen=True)
class Window:
    """A window of PS3.3 C.11.2.1.2 and C.11.2.1.3; `function` is LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    width: float
    function: str = "LINEAR"

    def __call__(self, values):
        """Map modality values of any shape to grey in [0, 1]."""
        if self.function == "SIGMOID":
            return 1 / (1 + np.exp(np.clip(-4 * (values - self.center) / self.width, -700, 700)))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.center) / self.width + 0.5, 0, 1)
        if self.width == 1:
            return (values > self.center - 0.5).astype(float)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1) + 0.5, 0, 1)

    def __str__(self):
        suffix = "" if self.function == "LINEAR" else " " + self.function.lower()
        return f"{self.center:.7g}/{self.width:.7g}{suffix}"


def needs_automatic_window(dataset):
    """True for a grey image that carries neither a VOI LUT nor a usable window."""
    return not is_colour(dataset) and _own_view(dataset, 0) is None


def grey_quantiles(dataset, frames):
    """401 quantiles (float64) of the frames' modality values, padding left out; empty if nothing is left.

    In CT, what is below -1024 Hounsfield units is padding too: lossy compression smears its stated value.
    """
    samples, extremes = [], []
    for index, stored in enumerate(frames):
        step = math.ceil(math.sqrt(stored.size / 2**16))  # 65,000 pixels a frame tell enough
        samples.append(_tissue(dataset, index, stored[::step, ::step]))
        extremes.extend(_tissue(dataset, index, np.array([stored.min(), stored.max()])))
    values = np.concatenate(samples)
    if not values.size:
        return values
    quantiles = np.quantile(values, QUANTILES)
    quantiles[[0, -1]] = min([quantiles[0], *extremes]), max([quantiles[-1], *extremes])
    return quantiles


def _tissue(dataset, index, stored):
    """The modality values (1-D) of those stored values that are no padding."""
    values = _to_modality(dataset, index, stored[~_is_padding(dataset, stored) & np.isfinite(stored)])
    return values[values >= -1024] if dataset.get("Modality") == "CT" else values


def automatic_window(quantiles):
    """The Window of the middle 99% of the pixels that the given results of `grey_quantiles` sum up."""
    pooled = np.concatenate(quantiles)
    if not pooled.size:
        return Window(0, 1, "LINEAR_EXACT")
    low, high = np.quantile(pooled, TAILS)
    if low == high:
        low, high = pooled.min(), pooled.max()
    return Window(float(low + high) / 2, float(high - low) or 1.0, "LINEAR_EXACT")


def show(dataset, index, stored, window="auto"):
    """Bring a stored frame to the screen: float32 (H, W) in [0, 1], and the window's name for a manifest."""
    if is_colour(dataset):
        return stored, ""
    view = _view(dataset, index, window)
    inverted = dataset.get("PhotometricInterpretation") == "MONOCHROME1"

    def display(values):
        grey = view(_to_modality(dataset, index, values))
        grey = 1 - grey if inverted else grey
        return np.where(_is_padding(dataset, values) | ~np.isfinite(grey), 0, grey).astype(np.float32)

    if stored.dtype.itemsize > 2 or stored.dtype.kind not in "iu":
        return display(stored), str(view)
    # At most 65,536 different values: work out each once, then look the pixels up.
    unsigned = stored.view(f"u{stored.dtype.itemsize}")
    every_value = np.arange(2 ** (8 * stored.dtype.itemsize), dtype=unsigned.dtype).view(stored.dtype)
    return np.take(display(every_value), unsigned), str(view)


def pixel_aspect(dataset, index=0):
    """Height over width of a pixel: 1 where the header says nothing credible."""
    group = _group(dataset, index, "PixelMeasuresSequence")
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"):
        with contextlib.suppress(Exception):
            down, across = (float(value) for value in (group.get(keyword) or dataset.get(keyword)))
            ratio = down / across
            if 0.1 < ratio < 10:
                return ratio if abs(ratio - 1) > 0.01 else 1.0
    return 1.0


def _view(dataset, index, window):
    """The function from modality values to [0, 1] that `window` asks for (see `read_image`)."""
    if isinstance(window, Window):
        return window
    if window == "auto":
        return _own_view(dataset, index) or _own_view(dataset, 0)
    if isinstance(window, str):
        if dataset.get("Modality") != "CT":
            modality = dataset.get("Modality") or "of unknown modality"
            raise DicomError(
                f"is {modality}, not CT, and the window '{window}' is in Hounsfield units: "
                "use window='auto' or a pair (center, width)"
            )
        return Window(*WINDOWS[window])
    if isinstance(window, int):
        windows = _windows(dataset, index)
        if not 0 <= window < len(windows):
            raise DicomError(f"has {len(windows)} windows of its own, so there is no window {window}")
        return windows[window]
    return Window(float(window[0]), float(window[1]))


def _own_view(dataset, index):
    """The file's own VOI LUT, else its first window, else None."""
    group = _group(dataset, index, "FrameVOILUTSequence")
    table = _table(group, "VOILUTSequence")
    if table:
        return _VoiLut(table)
    return next(iter(_windows(dataset, index)), None)


class _VoiLut:
    """A VOI LUT (PS3.3 C.11.2.1.1) as a function from modality values to [0, 1]."""

    def __init__(self, item):
        self.item = item

    def __call__(self, values):
        return _look_up(self.item, values) / (2.0 ** self.item.LUTDescriptor[2] - 1)

    def __str__(self):
        return "voi lut"


def _windows(dataset, index):
    """The file's windows for a frame, in order; those no viewer could apply (width 0, no number) left out."""
    group = _group(dataset, index, "FrameVOILUTSequence")
    centers, widths = (np.atleast_1d(group.get(k) or []) for k in ("WindowCenter", "WindowWidth"))
    if group.get("WindowCenter") == 0:
        centers = np.zeros(1)
    stated = str(group.get("VOILUTFunction")).upper()
    function = stated if stated in FUNCTIONS else "LINEAR"
    windows = []
    for center, width in zip(centers, widths, strict=False):
        with contextlib.suppress(TypeError, ValueError):
            window = Window(float(center), float(width), function)
            if math.isfinite(window.center) and window.width >= (1 if function == "LINEAR" else 1e-12):
                windows.append(window)
    return windows


def _to_modality(dataset, index, values):
    """Stored values to the values a window is stated in, such as Hounsfield units (PS3.3 C.11.1): float64."""
    table = _table(dataset, "ModalityLUTSequence")
    if table:
        return _look_up(table, values)
    group = _group(dataset, index, "PixelValueTransformationSequence")
    slope = number(group, "RescaleSlope", 1.0) or 1.0
    return values.astype(np.float64) * slope + number(group, "RescaleIntercept", 0.0)


def _table(dataset, keyword):
    """The first item of a sequence of LUTs, if it holds one."""
    items = dataset.get(keyword) or [{}]
    return items[0] if items[0].get("LUTDescriptor") and items[0].get("LUTData") else None


def _look_up(item, values):
    """Apply a LUT item (PS3.3 C.11.1.1): values outside its range take its first or last entry."""
    entries, first, _ = (int(number) for number in item.LUTDescriptor)
    entries = entries or 2**16
    first -= 2**16 if first >= 2**15 and values.size and values.min() < 0 else 0  # written as US for signed pixels
    table = item.LUTData
    if isinstance(table, bytes):
        table = np.frombuffer(table, np.uint8 if len(table) < 2 * entries else np.uint16)
    table = np.asarray(table, np.float64)[:entries]
    return table[np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)]


def _is_padding(dataset, values):
    """Where stored values are Pixel Padding Value, up to Pixel Padding Range Limit (PS3.3 C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if value is None or values.dtype.kind not in "iu":
        return np.zeros(values.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    # Either may have been written as unsigned beside signed pixels: take the bits as the pixels do.
    bounds = np.array([value, value if limit is None else limit], np.int64).astype(values.dtype)
    return (values >= bounds.min()) & (values <= bounds.max())


def _group(dataset, index, macro):
    """Where a frame's attributes stand: its own functional group, the shared one, or the dataset itself."""
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
    for groups in (frames[index : index + 1], dataset.get("SharedFunctionalGroupsSequence") or []):
        for item in groups:
            if item.get(macro):
                return item[macro][0]
    return dataset


def number(dataset, keyword, default):
    """A finite number from the header, or the default where the header has none."""
    with contextlib.suppress(Exception):
        value = float(dataset.get(keyword))
        if math.isfinite(value):
            return value
    return default


def is_colour(dataset):
    """True where pixels are RGB, YBR or indices into a palette."""
    return number(dataset, "SamplesPerPixel", 1) > 1 or (dataset.get("PhotometricInterpretation") == "PALETTE COLOR")
