"""What trained classifiers say of pictures, never without how far they can be trusted."""

import logging
from dataclasses import dataclass

from medgan_tf import metrics

log = logging.getLogger("medgan_tf.app")


@dataclass(frozen=True)
class Opinion:
    """Of one picture: {class: probability} or None without a classifier, outlier score in 0 to 1 or None."""

    probabilities: dict | None
    outlier: float | None


@dataclass(frozen=True)
class Opinions:
    """The classifier of a run with what was measured of it, and the features that the outlier score compares."""

    judge: object  # metrics.Extractor or None
    domain: object  # metrics.Extractor or None
    reference: object  # metrics.outliers.Reference or None

    def of(self, images):
        """An Opinion of each of images (n, H, W, 1) uint8."""
        count = len(images)
        given = metrics.probabilities(self.judge, images) if self.judge else [None] * count
        named = [
            dict(zip(self.judge.report["classes"], map(float, row), strict=True)) if self.judge else None
            for row in given
        ]
        scores = [None] * count
        if self.reference:
            features = metrics.extract(self.domain, images).features
            scores = metrics.outlier_scores(self.reference, features).tolist()
        return [Opinion(*pair) for pair in zip(named, scores, strict=True)]


def load(entry):
    """The Opinions of the run of a `catalogue.Entry`; a classifier that was not measured on held-out images is none."""
    judge, domain = (_extractor(entry.run_dir / name) for name in ("judge", "domain"))
    trusted = judge and judge.report.get("classes") and trust(entry)
    reference = metrics.load_reference(entry.run_dir / "domain", domain) if domain else None
    return Opinions(judge if trusted else None, domain, reference)


def trust(entry):
    """What results.json says of the classifier on held-out real images: `metrics.calibration`'s record, or None."""
    return entry.sections.get("calibration/judge")


def _extractor(folder):
    try:
        return metrics.load_domain(folder)
    except FileNotFoundError:
        return None
    except Exception:  # a damaged classifier takes its opinions away, not the model that it would judge
        log.exception("The classifier in %s cannot be loaded", folder)
        return None
