"""OANDA's v20 REST interface: currencies, metals and CFDs, with exits that the venue binds to each trade."""
