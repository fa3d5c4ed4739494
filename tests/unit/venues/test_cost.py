import subprocess
import sys

import pytest

from scripts.benchmarks.venues import measure

# For a busy machine; the targets proper are those of the benchmark.
SLACK = 4.0


@pytest.mark.alone
def test_all_venues_together_cost_a_process_little(capsys: pytest.CaptureFixture[str]) -> None:
    measured = measure(runs=1)
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(measured.report()) + "\n")
    assert set(measured.venues) == {"aster", "oanda", "tradier", "tastytrade"}
    assert list(measured.missed(SLACK)) == []


def test_commands_do_not_load_the_library_of_logs() -> None:
    program = "import sys, sparky.venues.registry; sys.exit('structlog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
