"""Our symbols and Tradier's: class shares have a slash there, options are the same compact OCC symbols."""

from sparky.domain.options import parse_option


def to_venue(symbol: str) -> str:
    """Return Tradier's spelling: `BRK.B` is `BRK/B`; an option stays as it is."""
    return symbol if parse_option(symbol) is not None else symbol.replace(".", "/")


def from_venue(symbol: str) -> str:
    """Return our spelling: `BRK/B` is `BRK.B`; the blanks of a padded option go."""
    option = parse_option(symbol)
    return option.compact if option is not None else symbol.replace("/", ".")


def is_option(symbol: str) -> bool:
    """Tell an option's symbol from a share's."""
    return parse_option(symbol) is not None
