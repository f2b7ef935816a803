"""From stored values to the grey levels that a viewer shows.

The order is that of PS3.3 C.11 and PS3.4 N.2: stored values, modality LUT, VOI LUT or window; MONOCHROME1 is inverted
last. Pixel padding is black.
"""

import math
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from medgan_tf.dicom import colour
from medgan_tf.dicom.parsing import DicomError

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
# A file's own window is not believed if less of the image lies between black and white, if it is narrower than this
# share of the automatic one (a stroke window in CT has 0.02), or, other than in CT, if more of the image is white.
LEAST_SHOWN, LEAST_WIDTH, MOST_WHITE = 0.005, 0.005, 0.6
COARSE = 2**14  # pixels that tell whether a window shows anything
TAILS = (0.005, 0.995)  # quantiles that become black and white in an automatic window


@dataclass(frozen=True)
class Window:
    """A window of PS3.3 C.11.2.1.2 and C.11.2.1.3; `function` is LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    width: float
    function: str = "LINEAR"
    instead_of: str = ""  # the file's own window, which shows next to nothing

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
        instead = self.instead_of and f" instead of {self.instead_of}"
        return f"{self.center:.7g}/{self.width:.7g}{suffix}{instead}"


@dataclass(frozen=True)
class VoiLut:
    """A VOI LUT (PS3.3 C.11.2.1.1): an item with LUTDescriptor and LUTData."""

    item: object

    def __call__(self, values):
        """Map modality values of any shape to grey in [0, 1]: white is the largest number of as many bits as are used.

        The number of bits that the header states is often wrong.
        """
        return _look_up(self.item, values) / (2.0 ** max(1, int(_table(self.item).max()).bit_length()) - 1)

    def __str__(self):
        return "voi lut"


def choose_window(header, frames, window="auto", digits=17):
    """Return (frames, window, quantiles): "auto" becomes the automatic Window where a file has no credible own one.

    frames: those of `pixels.stored_frames`, which are read into a list where its values are needed. quantiles: those of
    `grey_quantiles`, rounded to `digits` significant digits, that the automatic window follows from; else None.
    """
    if window != "auto" or header.is_colour:
        return frames, window, None
    first, own = next(frames), own_view(header.first_frame)
    frames = chain([first], frames)
    if own and not _shows_nothing(header, first, own):
        return frames, window, None
    frames = list(frames)
    quantiles = [float(f"{value:.{digits}g}") for value in grey_quantiles(header, frames)]
    return frames, replace(automatic_window([quantiles]), instead_of=str(own or "")), quantiles


def _shows_nothing(header, frame, own):
    """Whether a file's own window or LUT makes nearly all of a (stored, FrameHeader) black or white.

    Exporters write constants, and workstations keep the window of another modality. Where the automatic window shows
    no more either, as in an image of two values, the file's own is right.
    """
    (stored, own_header), step = frame, math.ceil(math.sqrt(frame[0].size / COARSE))
    quantiles = grey_quantiles(header, [(stored[::step, ::step], own_header)])
    if not quantiles.size:
        return False
    automatic = automatic_window([quantiles])
    grey, shown = own(quantiles), np.mean(_between(automatic(quantiles)))
    white = grey <= 0 if header.photometric == "MONOCHROME1" else grey >= 1
    useless = (
        np.mean(_between(grey)) < LEAST_SHOWN
        or (isinstance(own, Window) and own.width < LEAST_WIDTH * automatic.width)
        or (header.modality != "CT" and np.mean(white) > MOST_WHITE)
    )
    return bool(useless and shown > 2 * np.mean(_between(grey)))


def _between(grey):
    return (grey > 0) & (grey < 1)


def grey_quantiles(header, frames):
    """Return 401 quantiles (float64) of the frames' modality values without padding; empty if nothing is left.

    In CT, values below -1024 Hounsfield units are padding too: lossy compression changes the stated padding value.
    """
    samples, extremes = [], []
    for stored, frame in frames:
        step = math.ceil(math.sqrt(stored.size / 2**16))  # 65,000 pixels a frame are enough
        samples.append(_tissue(header, frame, stored[::step, ::step]))
        extremes.extend(_tissue(header, frame, np.array([stored.min(), stored.max()])))
    values = np.concatenate(samples)
    if not values.size:
        return values
    quantiles = np.quantile(values, QUANTILES)
    quantiles[[0, -1]] = min([quantiles[0], *extremes]), max([quantiles[-1], *extremes])
    return quantiles


def automatic_window(quantiles):
    """Return the Window of the middle 99% of the pixels that several results of `grey_quantiles` summarise."""
    pooled = np.concatenate(quantiles)
    if not pooled.size:
        return Window(0, 1, "LINEAR_EXACT")
    low, high = np.quantile(pooled, TAILS)
    if low == high:
        low, high = pooled.min(), pooled.max()
    return Window(float(low + high) / 2, float(high - low) or 1.0, "LINEAR_EXACT")


def to_grey(header, stored, frame, window="auto"):
    """Return a stored frame as displayed, float32 (H, W) in [0, 1], and the window's name for a manifest.

    stored, frame: pixels and FrameHeader of `pixels.stored_frames`. window: as in `dicom.read_image`, or a Window.
    """
    if header.is_colour:
        return colour.luminance(stored), ""
    view = _view(header, frame, window)

    def display(values):
        grey = view(_to_modality(header, frame, values))
        grey = 1 - grey if header.photometric == "MONOCHROME1" else grey
        return np.where(_is_padding(header, values) | ~np.isfinite(grey), 0, grey).astype(np.float32)

    if stored.dtype.itemsize > 2 or stored.dtype.kind not in "iu":
        return display(stored), str(view)
    # There are at most 65,536 different values: compute each once, then look the pixels up.
    stored, unsigned = stored.astype(stored.dtype.newbyteorder("="), copy=False), f"u{stored.dtype.itemsize}"
    low, high = stored.min(), stored.max()
    every_value = np.arange(int(low), int(high) + 1).astype(stored.dtype)
    above_low = stored.view(unsigned) - low.view(unsigned)
    return np.take(display(every_value), above_low, mode="clip"), str(view)  # a third of the time of mode "raise"


def _view(header, frame, window):
    """The function from modality values to [0, 1] that `window` asks for."""
    if isinstance(window, Window):
        return window
    if window == "auto":
        return own_view(frame) or own_view(header.first_frame)
    if isinstance(window, str):
        if header.modality != "CT":
            raise DicomError(
                f"is {header.modality or 'of unknown modality'}, not CT, and the window '{window}' is in Hounsfield "
                "units: use window='auto' or a pair (center, width)"
            )
        return Window(*WINDOWS[window])
    if isinstance(window, int):
        windows = frame.windows
        if not 0 <= window < len(windows):
            raise DicomError(f"has {len(windows)} windows of its own, so there is no window {window}")
        return Window(*windows[window])
    return Window(float(window[0]), float(window[1]))


def own_view(frame):
    """The frame's own VOI LUT, else its first window, else None."""
    if frame.voi_lut is not None:
        return VoiLut(frame.voi_lut)
    return Window(*frame.windows[0]) if frame.windows else None


def _to_modality(header, frame, values):
    """Stored values to float64 in the units of a window, such as Hounsfield units (PS3.3 C.11.1)."""
    if header.modality_lut is not None:
        return _look_up(header.modality_lut, values)
    return values.astype(np.float64) * frame.rescale_slope + frame.rescale_intercept


def _look_up(item, values):
    """Apply a look-up table (PS3.3 C.11.1.1): values outside its range take its first or last entry."""
    first = int(item.LUTDescriptor[1])
    first -= 2**16 if first >= 2**15 and values.size and values.min() < 0 else 0  # written as US for signed pixels
    table = _table(item)
    return table[np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)]


def _table(item):
    """The entries of a look-up table, float64 (N,)."""
    entries, table = int(item.LUTDescriptor[0]) or 2**16, item.LUTData
    if isinstance(table, bytes):
        table = np.frombuffer(table, np.uint8 if len(table) < 2 * entries else np.uint16)
    return np.asarray(table, np.float64)[:entries]


def _is_padding(header, values):
    """Where stored values are Pixel Padding Value, up to Pixel Padding Range Limit (PS3.3 C.7.5.1.1.2)."""
    if not header.padding or (values.dtype.kind in "iu") != isinstance(header.padding[0], int):
        return np.zeros(values.shape, bool)
    # Either may have been written as unsigned beside signed pixels: interpret the bits as those of the pixels.
    bounds = np.array(header.padding).astype(values.dtype)
    return (values >= bounds.min()) & (values <= bounds.max())


def _tissue(header, frame, stored):
    """The modality values (1-D) of those stored values that are no padding."""
    values = _to_modality(header, frame, stored[~_is_padding(header, stored) & np.isfinite(stored)])
    return values[values >= -1024] if header.modality == "CT" else values
