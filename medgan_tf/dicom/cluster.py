"""Sends the files of `convert` and `deidentify` to a Dask cluster instead of this machine's cores."""

import contextlib

import joblib


@contextlib.contextmanager
def on_dask(scheduler=None):
    """A context in which the workers of this scheduler (an address, tcp://host:8786) do the work; None: this machine.

    They need this package and the same paths for sources and output; journal, sheets and manifest are written here.
    The key of the pseudonyms travels to them: let the connection be a trusted or an encrypted one. Raises ValueError
    where Dask is not installed and OSError where no scheduler answers.
    """
    if scheduler is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError('A scheduler needs Dask: pip install -c requirements.lock -e ".[scale]".') from error
    with Client(scheduler), joblib.parallel_config(backend="dask"):
        yield
