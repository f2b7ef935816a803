"""Load trained generators by name or folder."""

from pathlib import Path

from medgan_tf import config
from medgan_tf.config.runs import available
from medgan_tf.datasets import image_hashes

from .generator import Generator, build_network


def load(model, measured_on=None):
    """Load the `Generator` of a folder that a training wrote, or of a name in `available`.

    measured_on: the datasets.ImageDataset whose held-out images the model will be measured with. Raises ValueError,
    with the remedy, if the folder holds no model or a damaged one, and if the model saw images that are held out.
    """
    model_dir = Path(model) if Path(model).exists() else available().get(str(model), Path(model))
    record_path, weights = model_dir / "model.json", model_dir / "generator.weights.h5"
    for path in (record_path, weights):
        if not path.exists():
            known = ", ".join(available()) or "none"
            raise ValueError(f"{model_dir} holds no trained model: {path.name} is missing. There are: {known}.")
    try:
        record = config.read_record(record_path)
        network = build_network(record, len(record["classes"]) if record["conditional"] else 0)
        network.load_weights(weights)
    except (OSError, KeyError, ValueError) as error:
        sentence = f"The model in {model_dir} is damaged or was made by another version ({error}); train it again."
        raise ValueError(sentence) from error
    if measured_on is not None:
        _refuse_seen(model_dir, record, measured_on)
    return Generator(network, record)


def _refuse_seen(model_dir, record, data):
    """Raise ValueError if held-out images of `data` are among those that the model was trained on, or may be."""
    if record.get("training") == data.train.record:
        return
    path = model_dir / image_hashes.FILE
    if not path.exists():
        raise ValueError(
            f"The model in {model_dir} was not trained on the training split of {data.name}, and without"
            f" {path.name} it is not known whether it saw held-out images: train it again."
        )
    found = image_hashes.find_same(data.held_out, image_hashes.read(path))
    if len(found):
        raise ValueError(
            f"The model in {model_dir} was trained on {len(found)} of the {len(data.held_out)} held-out images, such as"
            f" {data.held_out.files[found[0]]}: the splits have changed since. Train it again, or measure it on others."
        )
