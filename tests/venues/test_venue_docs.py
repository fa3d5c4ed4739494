from tests.venues.capabilities_table import PAGE, page


def test_the_page_tells_what_the_adapters_can_do() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make conformance`"
