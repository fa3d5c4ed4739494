"""Measure what the venues cost a process: time to import, memory, and time to sign a request to Aster.

    python -m scripts.benchmarks.venues [--runs 5] [--no-assert]

Exit code 1 means that a target was missed. Import time is the processor's, not the clock's, so that a busy
machine tells nearly the same; each run is a process of its own, and the best of them counts.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from scripts.benchmarks.machine import describe_load, describe_machine
from sparky.venues.aster.signing import AgentKey
from sparky.venues.registry import VENUES

IMPORT_TARGET_SECONDS: Final = 0.4
MEMORY_TARGET_MIB: Final = 90.0
SIGNATURE_TARGET_MS: Final = 0.3
_SIGNATURES: Final = 500
_KEY: Final = bytes(31) + b"\x01"
_MESSAGE: Final = (
    "symbol=ASTERUSDT&side=BUY&type=LIMIT&quantity=10&price=0.7&nonce=1777576052922000&user=0x" + 20 * "ab"
)

# Installed for development alone: httpx loads its command line where they are there.
_AS_IN_PRODUCTION: Final = "import sys\nfor name in ('click', 'pygments', 'rich'): sys.modules[name] = None\n"
_IMPORT: Final = """
import time
begun = time.process_time()
import sparky.venues.registry
print(time.process_time() - begun)
"""
_BUILD: Final = r"""
import asyncio, pathlib, re
from sparky.runtime.seams import Seams
from sparky.venues.registry import VENUES, open_venues
async def build():
    async with open_venues(Seams(), {}) as adapters:
        assert set(adapters) == set(VENUES)
        # Not getrusage: its maximum is inherited from the process that started this one.
        print(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
asyncio.run(build())
"""
_KIB_PER_MIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run found out."""

    venues: tuple[str, ...]
    import_seconds: float
    memory_mib: float
    signature_ms: float

    def report(self) -> Iterator[str]:
        """Yield the figures, each beside its target."""
        yield f"venues      {', '.join(self.venues)}"
        yield f"import      {self.import_seconds:.3f} s, target {IMPORT_TARGET_SECONDS} s"
        yield f"memory      {self.memory_mib:.1f} MiB with all adapters, target {MEMORY_TARGET_MIB:.0f} MiB"
        yield f"signature   {self.signature_ms:.3f} ms (median), target {SIGNATURE_TARGET_MS} ms"

    def missed(self, slack: float = 1.0) -> Iterator[str]:
        """Yield each target that was missed, in words; `slack` widens those of time."""
        for name, value, target in (
            ("import in seconds", self.import_seconds, IMPORT_TARGET_SECONDS * slack),
            ("memory in MiB", self.memory_mib, MEMORY_TARGET_MIB),
            ("signature in ms", self.signature_ms, SIGNATURE_TARGET_MS * slack),
        ):
            if value > target:
                yield f"{name}: {value:.3f}, the target is {target:g}"


def measure(runs: int) -> Measured:
    """Measure import and memory in fresh processes, and signatures in this one."""
    return Measured(
        venues=tuple(VENUES),
        import_seconds=min(_in_a_process(_IMPORT) for _ in range(runs)),
        memory_mib=_in_a_process(_BUILD) / _KIB_PER_MIB,
        signature_ms=_signature_ms(),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="venues", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="how often it is imported (default: 5)")
    parser.add_argument("--no-assert", action="store_true", help="exit code 0 also when a target is missed")
    options = parser.parse_args(arguments)
    for name, value in describe_machine():
        print(f"{name:11} {value}")
    measured = measure(options.runs)
    for name, value in describe_load("load after"):
        print(f"{name:11} {value}")
    print("\n".join(measured.report()))
    missed = list(measured.missed())
    for words in missed:
        print(f"MISSED  {words}")
    return 1 if missed and not options.no_assert else 0


def _in_a_process(program: str) -> float:
    # As an installed worker starts: from the bytecode that the first of the runs has written.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", _AS_IN_PRODUCTION + program],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return float(done.stdout)


def _signature_ms() -> float:
    key = AgentKey(_KEY)
    key.sign("production", _MESSAGE)
    durations = []
    for number in range(_SIGNATURES):
        begun = time.perf_counter()
        key.sign("production", f"{_MESSAGE}&n={number}")
        durations.append(time.perf_counter() - begun)
    return statistics.median(durations) * 1000


if __name__ == "__main__":
    sys.exit(main())
