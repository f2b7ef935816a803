"""`extractor`: the way in to every feature extractor, by its name."""

from .custom_extractor import from_file
from .feature_classifier import load_classifier
from .inception import inception, keras_inception
from .radimagenet import SOURCE as RADIMAGENET
from .radimagenet import radimagenet
from .squeezenet import SOURCE as SQUEEZENET
from .squeezenet import squeezenet


def extractor(name, folder=None):
    """The `Extractor` of this name.

    "inception" (the graph of published FIDs) and "keras_inception" are downloaded; "feature_classifier" is read from
    the folder it was saved to, and needs no download; "radimagenet" and "squeezenet" from their weight file or its
    folder; a name that ends in .keras is the file of a Keras model, see `from_file`. Raises ValueError for other names.

    >>> metrics.extractor("squeezenet", "weights/squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5")
    """
    if str(name).endswith(".keras"):
        return from_file(name)
    local = {
        "feature_classifier": (load_classifier, "is trained on your images: give the folder it was saved to"),
        "radimagenet": (radimagenet, f"cannot be fetched by a program: give the weight file, from {RADIMAGENET}"),
        "squeezenet": (squeezenet, f"reads its weights from a file: give it, from {SQUEEZENET}"),
    }
    published = {"inception": inception, "keras_inception": keras_inception}
    if name in local:
        load, remedy = local[name]
        if folder is None:
            raise ValueError(f"the {name} extractor {remedy}")
        return load(folder)
    if name not in published:
        raise ValueError(f"no extractor is called {name!r}: choose {', '.join([*local, *published])}, or a file .keras")
    return published[name]()
