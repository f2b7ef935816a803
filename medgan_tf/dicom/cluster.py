"""Send the files of `convert` and `deidentify` to a Dask cluster instead of this machine's cores."""

import contextlib

import joblib


@contextlib.contextmanager
def on_dask(scheduler=None):
    """Let the workers of a Dask scheduler process files in this context. None means this machine.

    scheduler: an address such as tcp://host:8786. Its workers need this package and the same paths for sources and
    output. The key of the pseudonyms is sent to them, so the connection must be trusted or encrypted. Raises ValueError
    where Dask is not installed and OSError where no scheduler answers.

    >>> with on_dask("tcp://host:8786"):
    ...     convert("hospital/export", "outputs/images")
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
