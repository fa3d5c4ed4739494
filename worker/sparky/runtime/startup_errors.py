"""What is wrong with the settings, in sentences and without values."""

from typing import Any, Final

from pydantic import ValidationError

_CREDENTIALS: Final = {"worker_token": "worker_token", "sealing_key_files": "sealing_key"}
_VALUE_ERROR_PREFIX: Final = "Value error, "


def explain(error: ValidationError, prefix: str) -> str:
    """Return one line for each wrong setting, naming it and saying where to set it."""
    return "\n".join(
        _explain_one(problem, prefix) for problem in error.errors(include_input=False, include_url=False)
    )


def _explain_one(problem: Any, prefix: str) -> str:
    message = str(problem["msg"]).removeprefix(_VALUE_ERROR_PREFIX)
    if not problem["loc"]:
        return f"{message}."
    name = str(problem["loc"][0])
    places = [f"the variable {prefix}{name.upper()}", f"{name} in the file of --config or {prefix}CONFIG"]
    if name in _CREDENTIALS:
        places.insert(0, f"the systemd credential {_CREDENTIALS[name]}")
    if problem["type"] == "missing":
        return f"{name} is not set: set {' or '.join(places)}."
    return f"{name} is wrong: {message[:1].lower()}{message[1:]} (set by {' or '.join(places)})."
