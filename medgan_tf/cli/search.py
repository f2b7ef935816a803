"""Search: settings of one model tuned on validation patients with optuna, in trainings that a kill does not lose."""

import re

from medgan_tf import config, datasets, metrics, networks, results, training
from medgan_tf.training import checkpoint

RANGE = re.compile(r"(.+?)\.\.(.+)")


def search(run, model, space, trials):
    """Train `model` of a prepared config.Run with settings from a space until `trials` are done; return a DataFrame.

    space: {name of a setting: a list of choices, or a text "LOW..HIGH"}; whole numbers stay whole, and positive ranges
    are searched on a logarithmic scale. A trial is judged by the kernel distance of its kept weights to validation
    images: test patients are never looked at, but notebook 06 measures on both, so that the chosen settings have to be
    trained and measured on other patients, or the report must say that they were chosen so. Trials are kept in the
    run's folder search/MODEL; the same call goes on with the one that was interrupted. Raises ValueError for unknown
    settings and for values that they cannot have, before any work.
    """
    optuna = _optuna()
    for name, values in space.items():
        for value in _ends(values):
            config.changed(run.profile, {name: value})
    folder = run.directory / "search" / model
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder / "trials.log"))),
        study_name=model,
        load_if_exists=True,
    )
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))  # one seed would repeat the first trials
    states = optuna.trial.TrialState
    for interrupted in study.get_trials(states=(states.RUNNING,)):
        study.enqueue_trial(interrupted.params)
        study.tell(interrupted.number, state=states.FAIL)
    data = datasets.load(run.images, run.profile.image_size)
    feature_classifier = metrics.load_classifier(run.feature_classifier)
    while (done := len(study.get_trials(states=(states.COMPLETE,)))) < trials:
        trial = study.ask()
        changes = {name: _suggest(trial, name, values) for name, values in space.items()}
        print(f"Trial {done + 1} of {trials}: {_text(changes)}", flush=True)
        trained = folder / re.sub(r"[^\w.=]+", "_", _text(changes))
        study.tell(trial, _train(run, model, changes, data, feature_classifier, trained))
    table = study.trials_dataframe(("value", "params", "state")).query("state == 'COMPLETE'").drop(columns="state")
    table = table.rename(columns=lambda name: name.removeprefix("params_")).sort_values("value", ignore_index=True)
    table = table.rename(columns={"value": "validation distance"})
    about = {"chosen on": "validation patients", "tried": len(table), "best": study.best_params}
    results.write(run.directory, f"search/{model}", about | {"trials": table.to_dict("records")})
    return table


def _optuna():
    try:
        import optuna
    except ImportError as error:
        raise ValueError("A search needs optuna: pip install optuna, or install medgan_tf[search].") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _train(run, model, changes, data, feature_classifier, folder):
    """Train, or go on, in a folder; return the kernel distance of the kept weights to validation images."""
    import keras
    import pandas as pd

    keras.backend.clear_session()
    settings = config.changed(run.profile, changes).training(model)
    labelled = len(data.classes) > 1 and settings.architecture not in networks.WITHOUT_LABELS
    gan = training.build(settings, data.image_size, len(data.classes) if labelled else 0)
    training.fit(gan, settings, data, folder, feature_classifier)
    log = pd.read_csv(folder / checkpoint.LOG)
    return float(log.loc[log["kernel_distance"].idxmin(), "validation_distance"])


def _ends(values):
    """The choices, or both ends of a range. Raises ValueError for anything else."""
    if isinstance(values, list):
        return values
    found = RANGE.fullmatch(str(values))
    try:
        return [(int if re.fullmatch(r"-?\d+", end.strip()) else float)(end) for end in found.groups()]
    except (AttributeError, ValueError):
        raise ValueError(f"'{values}' cannot be searched: write LOW..HIGH, or [FIRST, SECOND, ...].") from None


def _suggest(trial, name, values):
    ends = _ends(values)
    if isinstance(values, list):
        return trial.suggest_categorical(name, values)
    suggest = trial.suggest_int if all(isinstance(end, int) for end in ends) else trial.suggest_float
    return suggest(name, *ends, log=ends[0] > 0)


def _text(changes):
    return ", ".join(
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}" for name, value in changes.items()
    )
