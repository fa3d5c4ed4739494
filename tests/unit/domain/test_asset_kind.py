import pytest

from sparky.domain.asset_kind import AssetKind, asset_kind


@pytest.mark.parametrize(
    ("exchange", "symbol", "kind"),
    [
        ("aster", "BTCUSDT", "crypto"),
        ("oanda", "XAU_USD", "forex"),
        ("oanda", "SPX500_USD", "forex"),
        ("tradier", "AAPL", "shares"),
        ("tradier", "BRK.B", "shares"),
        ("tradier", "AAPL260417C00200000", "options"),
        ("tastytrade", "SPY", "shares"),
        ("tastytrade", "SPXW260417P05000000", "options"),
        ("tastytrade", "/ESZ6", "futures"),
        ("paper", "AAPL260417C00200000", "options"),
        ("paper", "EUR_USD", "forex"),
        ("paper", "EURUSD", "forex"),
        ("paper", "AAPL", "shares"),
        ("paper", "BRK.B", "shares"),
        ("paper", "BTCUSDT", "crypto"),
        ("paper", "1000PEPEUSDT", "crypto"),
    ],
)
def test_a_symbol_has_a_kind(exchange: str, symbol: str, kind: str) -> None:
    assert asset_kind(exchange, symbol) is AssetKind(kind)
