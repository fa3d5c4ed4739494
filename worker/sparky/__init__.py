"""Sparky, the execution backend of a multi-tenant trading service."""

__version__: str


def __getattr__(name: str) -> str:
    # Looked up when it is asked for: reading the package's metadata takes longer than importing most of it.
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415

    found = version("sparky")
    globals()[name] = found
    return found
