from tests.integration.stack.realtime_own_server import HERE, start_deno


def test_the_units_of_the_server_behave() -> None:
    with start_deno("test", "--allow-read", HERE / "realtime_units_test.ts") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
