"""What a run's classifiers say about images: class probabilities and an outlier score."""

import logging
from dataclasses import dataclass

from medgan_tf import config, metrics

log = logging.getLogger("medgan_tf.app")


@dataclass(frozen=True)
class ImageScores:
    """Scores of one image."""

    probabilities: dict | None  # {class: probability}; None without a calibrated classifier
    outlier: float | None  # 0 to 1, see `metrics.outlier_scores`; None without reference features


@dataclass(frozen=True)
class Classifiers:
    """The classifiers of a run, each None if it is missing or damaged."""

    label_classifier: object  # metrics.Extractor; None also if it was not calibrated on held-out images
    feature_classifier: object  # metrics.Extractor
    reference: object  # metrics.outliers.Reference

    def score(self, images):
        """A list of ImageScores, one for each of images (n, H, W, 1) uint8."""
        probabilities = outliers = [None] * len(images)
        if self.label_classifier:
            classes = self.label_classifier.report["classes"]
            rows = metrics.probabilities(self.label_classifier, images)
            probabilities = [dict(zip(classes, map(float, row), strict=True)) for row in rows]
        if self.reference:
            features = metrics.extract(self.feature_classifier, images).features
            outliers = metrics.outlier_scores(self.reference, features).tolist()
        return [ImageScores(*pair) for pair in zip(probabilities, outliers, strict=True)]


def load(entry):
    """The Classifiers of the run of a `catalogue.Entry`."""
    folders = [config.classifier_folder(entry.run_dir, name) for name in ("label_classifier", "feature_classifier")]
    label_classifier, feature_classifier = map(_load_classifier, folders)
    calibrated = "calibration/label_classifier" in entry.sections
    reference = metrics.load_reference(folders[1], feature_classifier) if feature_classifier else None
    return Classifiers(label_classifier if calibrated else None, feature_classifier, reference)


def _load_classifier(folder):
    try:
        return metrics.load_classifier(folder)
    except FileNotFoundError:
        return None
    except Exception:  # a damaged classifier must not make the run's models unusable
        log.exception("The classifier in %s cannot be loaded", folder)
        return None
