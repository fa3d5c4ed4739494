from pathlib import Path

from scripts.benchmarks.bench import Sizes, burst, drain
from scripts.benchmarks.ground import Ground
from scripts.local_stack.stack import Stack


def test_the_benchmark_runs_on_few_signals_and_loses_none(stack: Stack, tmp_path: Path) -> None:
    sizes = Sizes(signals=50, burst=20, idle=0, seed=1)
    with Ground.of(stack, tmp_path, traders=5, latency_ms=1.0) as ground:
        lines = [line for part in (drain, burst) for line in part(ground, sizes).lines]
    assert any("ratio" in line for line in lines)
    assert any("none lost" in line for line in lines)
