"""Our symbols as Aster spells them: both write `BTCUSDT`, so that nothing has to be changed."""


def to_venue(symbol: str) -> str:
    """Return Aster's spelling."""
    return symbol


def from_venue(symbol: str) -> str:
    """Return our spelling. What alerts cannot spell, such as a name in Chinese, is passed on as it is."""
    return symbol
