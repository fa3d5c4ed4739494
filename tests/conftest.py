"""What holds for every test."""

from hypothesis import settings

pytest_plugins = ["tests.fault_table", "tests.halves"]

# A busy machine makes single examples slow, which says nothing about the code; each test has its time limit.
settings.register_profile("sparky", deadline=None)
settings.load_profile("sparky")
