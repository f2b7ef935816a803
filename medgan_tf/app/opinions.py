"""What trained classifiers say of pictures, never without how far they can be trusted."""

import logging
from dataclasses import dataclass

from medgan_tf import config, metrics

log = logging.getLogger("medgan_tf.app")


@dataclass(frozen=True)
class Opinion:
    """Of one picture: {class: probability} or None without a classifier, outlier score in 0 to 1 or None."""

    probabilities: dict | None
    outlier: float | None


@dataclass(frozen=True)
class Opinions:
    """The classifier of a run with what was measured of it, and the features that the outlier score compares."""

    label_classifier: object  # metrics.Extractor or None
    feature_classifier: object  # metrics.Extractor or None
    reference: object  # metrics.outliers.Reference or None

    def of(self, images):
        """An Opinion of each of images (n, H, W, 1) uint8."""
        count = len(images)
        given = metrics.probabilities(self.label_classifier, images) if self.label_classifier else [None] * count
        named = [
            dict(zip(self.label_classifier.report["classes"], map(float, row), strict=True))
            if self.label_classifier
            else None
            for row in given
        ]
        scores = [None] * count
        if self.reference:
            features = metrics.extract(self.feature_classifier, images).features
            scores = metrics.outlier_scores(self.reference, features).tolist()
        return [Opinion(*pair) for pair in zip(named, scores, strict=True)]


def load(entry):
    """The Opinions of the run of a `catalogue.Entry`; a classifier that was not measured on held-out images is none."""
    label_classifier, feature_classifier = (
        _extractor(config.classifier_folder(entry.run_dir, name)) for name in ("label_classifier", "feature_classifier")
    )
    trusted = label_classifier and label_classifier.report.get("classes") and trust(entry)
    folder = config.classifier_folder(entry.run_dir, "feature_classifier")
    reference = metrics.load_reference(folder, feature_classifier) if feature_classifier else None
    return Opinions(label_classifier if trusted else None, feature_classifier, reference)


def trust(entry):
    """What results.json says of the classifier on held-out real images: `metrics.calibration`'s record, or None."""
    return entry.sections.get("calibration/label_classifier")


def _extractor(folder):
    try:
        return metrics.load_classifier(folder)
    except FileNotFoundError:
        return None
    except Exception:  # a damaged classifier takes its opinions away, not the model that it would judge
        log.exception("The classifier in %s cannot be loaded", folder)
        return None
