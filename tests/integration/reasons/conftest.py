"""The reasons come from the same stack, with the same worlds, as the other tests of the worker."""

from tests.integration.worker.conftest import backend, key_file, world

__all__ = ["backend", "key_file", "world"]
