"""Makes .venv and installs exactly what uv.lock names. Runs on a bare Python, with nothing installed.

Kept to syntax that old Pythons understand, so that they get the hint below and no syntax error.
"""

import os
import subprocess
import sys

if sys.version_info >= (3, 11):
    from typing import NoReturn

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
READY = os.path.join(VENV, ".ready")


def main(groups: "list[str]") -> None:
    """Build the environment, with further groups of packages; a failure is one sentence on what to do."""
    if sys.version_info < (3, 11):
        fail(
            "Python 3.11 or newer is needed, and this is %d.%d. "
            "Install it, or name it: make PYTHON=/path/to/python3.11"
        )
    try:
        import ensurepip  # noqa: F401, PLC0415 - only whether it is there
        import venv  # noqa: F401, PLC0415
    except ImportError:
        fail(
            "This Python cannot make virtual environments. On Debian and Ubuntu run: "
            "apt-get install python3-venv (with sudo unless you are root), then the same make command again."
        )
    python = os.path.join(VENV, "bin", "python")
    if not os.path.exists(os.path.join(VENV, "bin", "pip")):
        say("making .venv")
        run([sys.executable, "-m", "venv", "--clear", VENV], "The folder .venv could not be made.")
    install_uv(python)
    say("installing what uv.lock names")
    # Companies put their own certificate authority into the system's store; uv looks there only when told.
    environment = dict(os.environ, UV_SYSTEM_CERTS="1", UV_PROJECT_ENVIRONMENT=VENV, UV_NO_PROGRESS="1")
    more = [word for group in groups for word in ("--group", group)]
    run(
        [os.path.join(VENV, "bin", "uv"), "sync", "--frozen", "--quiet", "--python", python, *more],
        "The packages could not be installed: is the package index reachable?",
        environment,
    )
    with open(READY, "w"):
        pass


def install_uv(python: str) -> None:
    """Install the uv that uv.lock names, by hash."""
    import tomllib  # noqa: PLC0415 - not there before 3.11

    with open(os.path.join(ROOT, "uv.lock"), "rb") as file:
        packages = tomllib.load(file)["package"]
    uv = next(package for package in packages if package["name"] == "uv")
    known = subprocess.run(
        [python, "-c", "from importlib.metadata import version; print(version('uv'))"],
        capture_output=True,
        text=True,
        check=False,
    )
    if known.stdout.strip() == uv["version"]:
        return
    say("installing uv " + uv["version"])
    hashes = " ".join("--hash=" + wheel["hash"] for wheel in uv["wheels"])
    wanted = os.path.join(VENV, "uv.txt")
    with open(wanted, "w") as file:
        file.write("uv==%s %s\n" % (uv["version"], hashes))
    run(
        [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "-r",
            wanted,
        ],
        "uv could not be installed: is the package index reachable?",
    )


def run(command: "list[str]", hint: str, environment: "dict[str, str] | None" = None) -> None:
    """Run a command; on failure show its output and the hint, and stop."""
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.stderr.write(result.stdout + result.stderr)
        fail(hint)


def say(what: str) -> None:
    """Tell what is going on; the first time takes a minute."""
    print("setup: " + what, flush=True)


def fail(hint: str) -> "NoReturn":
    """Stop with one readable sentence."""
    if "%d" in hint:
        hint = hint % sys.version_info[:2]
    sys.exit("setup: " + hint)


if __name__ == "__main__":
    main(sys.argv[1:])
