"""Posts the scenario's alerts as TradingView would, and remembers what came back."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import httpx

from scripts.demo.evidence import Sent
from scripts.demo.scenario import DUPLICATE, Act, Alert, Via
from scripts.testbed.trader import Answer, Trader, post_alert

_SECONDS: Final = 30.0


class Poster:
    """Posts alerts of the traders. `on_sent` hears of every answer."""

    def __init__(
        self, webhook_url: str, traders: Mapping[str, Trader], on_sent: Callable[[Sent], None]
    ) -> None:
        self._url = webhook_url
        self._traders = traders
        self._on_sent = on_sent
        self._http = httpx.AsyncClient(timeout=_SECONDS)
        self.sent: list[Sent] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def play(self, act: Act, number: int) -> None:
        """Post the act's chains side by side, the alerts of a chain one after another."""
        async with asyncio.TaskGroup() as group:
            for chain in act.chains:
                group.create_task(self._play_chain(chain, number))

    def accepted(self, number: int) -> frozenset[str]:
        """Return the signals that an act's alerts have become so far."""
        return frozenset(
            sent.answer.signal_id
            for sent in self.sent
            if sent.act == number and sent.answer.http == 200  # noqa: PLR2004 - HTTP
        )

    async def _play_chain(self, chain: tuple[Alert, ...], number: int) -> None:
        for alert in chain:
            await self._post(alert, number)

    async def _post(self, alert: Alert, number: int) -> None:
        url, body = self._address(alert)
        answers = await asyncio.gather(*(self._timed(url, body) for _ in range(alert.copies)))
        # Which of several copies is taken first is the database's to decide.
        answers.sort(key=lambda timed: timed[1].body.get("status") == DUPLICATE.status)
        for copy, (posted_at, answer) in enumerate(answers):
            expected = alert.reply if copy == 0 else DUPLICATE
            sent = Sent(act=number, alert=alert, expected=expected, posted_at=posted_at, answer=answer)
            self.sent.append(sent)
            self._on_sent(sent)

    async def _timed(self, url: str, body: Mapping[str, str] | bytes) -> tuple[datetime, Answer]:
        posted_at = datetime.now(UTC)
        return posted_at, await post_alert(self._http, url, body)

    def _address(self, alert: Alert) -> tuple[str, Mapping[str, str] | bytes]:
        trader = self._traders[alert.trader]
        with_token = f"{self._url}/{trader.token}"
        if alert.raw is not None:
            return with_token, alert.raw
        fired_at = datetime.now(UTC) - timedelta(seconds=alert.age)
        body = {"symbol": alert.symbol, "action": alert.action, **alert.fields, "time": fired_at.isoformat()}
        match alert.via:
            case Via.URL:
                return with_token, body
            case Via.BODY:
                return self._url, {"secret": trader.secret, **body}
            case Via.TEXT:
                pairs = {"secret": trader.secret, **body}
                return self._url, "\n".join(f"{name}={value}" for name, value in pairs.items()).encode()
            case Via.WRONG_TOKEN:
                return f"{self._url}/{secrets.token_urlsafe(24)}", body
            case Via.WRONG_SECRET:
                return self._url, {"secret": secrets.token_urlsafe(24), **body}
