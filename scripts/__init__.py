"""Programs around the worker: the local stack, the demo, benchmarks."""
