"""Random calls as a fleet of workers makes them, of which some are late, mistaken or repeated."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.database.twins import Twins, told
from tests.database.world import call, connect, fill, order


class Calls:
    """Makes calls, and remembers what they brought."""

    def __init__(self, twins: Twins, random: Random) -> None:
        self._twins = twins
        self._random = random
        self._claims: list[Mapping[str, Any]] = []
        self._accounts: list[Mapping[str, Any]] = []
        self._began = datetime.now(UTC)
        self._fills = 0
        self._filled: list[dict[str, Any]] = []

    def step(self) -> None:
        """Make one call."""
        calls = (
            (self._accept, 5),
            (self._claim, 5),
            (self._begin, 9),
            (self._finish, 9),
            (self._extend, 1),
            (self._release, 1),
            (self._run_out, 2),
            (self._compare, 4),
            (self._settle, 2),
        )
        weighted = [one for one, times in calls for _ in range(times)]
        self._random.choice(weighted)()

    def _accept(self) -> None:
        random = self._random
        self._twins.accept(
            random.choice(self._twins.traders),
            id=str(random.randrange(40)),
            symbol=random.choice(("BTCUSDT", "ETHUSDT")),
            action=random.choice(
                ("buy", "sell", "close", "buy", "sell", "close_long", "close_all", "cancel")
            ),
        )

    def _claim(self) -> None:
        worker = self._random.choice(("w1", "w2"))
        self._claims += self._twins.call(
            "claim_signals",
            worker=worker,
            limit=self._twins.room(self._random.choice((1, 2, 10))),
            lease_seconds=60,
        )

    def _begin(self) -> None:
        # A close_all trades nothing itself.
        asked = [self._begun(one) for one in self._some_claims() if one["symbol"] != "*"]
        if asked:
            self._twins.call("begin_orders", claims=asked)

    def _begun(self, claimed: Mapping[str, Any]) -> dict[str, Any]:
        random = self._random
        first = random.choice((1, 1, 1, 2))
        legs = [first] if random.random() < 0.8 else [first, 3]
        purpose = random.choice(("open", "open", "close"))
        side = random.choice(("buy", "sell"))
        asked = order(claimed, first, side=side, purpose=purpose, quantity=random.choice(("1", "2.5", "0.3")))
        others = [order(claimed, leg, side=side, purpose="stop_loss")["orders"][0] for leg in legs[1:]]
        asked["orders"] = [*asked["orders"], *others]
        protection = {"entry": first, "side_closed_by": "sell", "quantity": None, "exits": []}
        asked["plan"] = {
            "legs": asked["orders"],
            "protection": protection if random.random() < 0.4 else None,
        }
        asked["news"] = self._all_news(claimed) if random.random() < 0.3 else []
        return asked

    def _finish(self) -> None:
        random = self._random
        results = []
        for claimed in self._some_claims():
            status = random.choice(("done", "review", "failed", None, None, None))
            results.append(
                {
                    "signal_id": claimed["signal_id"],
                    "fence": claimed["fence"],
                    "status": status,
                    "reason_code": self._random.choice((None, "venue_refused")),
                    "reason": "What came of it.",
                    "news": self._all_news(claimed),
                    "explanation": random.choice((None, {"checks": [], "plan": None})),
                    "close_symbols": random.choice((None, [], ["BTCUSDT", "XRPUSDT"])),
                }
            )
        self._twins.call(
            "finish_signals",
            results=results,
            worker="w3",
            limit=self._random.choice((0, 0, 200)),
            lease_seconds=60,
        )

    def _news(self, leg: int) -> dict[str, Any]:
        random = self._random
        state = random.choice(
            ("filled", "filled", "working", "accepted", "unknown", "absent", "refused", "partially_filled")
        )
        count = random.choice((0, 1, 1, 2)) if state in {"filled", "working", "partially_filled"} else 0
        return {
            "leg": leg,
            "state": state,
            "venue_order_id": random.choice((None, "v1")),
            "filled_quantity": random.choice((None, "1", "0.3")),
            "average_price": random.choice((None, "100.5")),
            "reason_code": None,
            "reason": None,
            "elapsed_ms": random.choice((None, 12)),
            "fills": [self._fill() for _ in range(count)],
        }

    def _fill(self) -> dict[str, Any]:
        random = self._random
        if self._filled and random.random() < 0.15:
            # Told again, perhaps with the fee that was not known before.
            return random.choice(self._filled) | {"fee": "0.03"}
        self._fills += 1
        told_fee = random.choice((None, None, "0.07", "-0.01", "0.1"))
        one = fill(
            f"f{self._fills}",
            quantity=random.choice(("1", "0.7", "0.3", "2")),
            price=random.choice(("100", "101.5", "99.25")),
        )
        one["filled_at"] = (self._began - timedelta(minutes=random.randrange(60), seconds=30)).isoformat()
        self._filled.append(one | {"fee": told_fee})
        return self._filled[-1]

    def _all_news(self, claimed: Mapping[str, Any]) -> list[dict[str, Any]]:
        news = [self._news(leg) for leg in self._legs_of(claimed)]
        if self._random.random() < 0.2:
            # Of another signal, most likely of the same account.
            others = [
                one for one in self._twins.memory.store.orders if one.account_id == claimed["account"]["id"]
            ]
            some = others if others and self._random.random() < 0.9 else list(self._twins.memory.store.orders)
            news += [self._news(one.leg) | {"signal_id": one.signal_id} for one in some[-1:]]
        return news

    def _legs_of(self, claimed: Mapping[str, Any]) -> list[int]:
        # Now and then one that was never written down, which undoes the rest.
        written = [one.leg for one in self._twins.memory.store.orders_of(claimed["signal_id"])]
        legs = [leg for leg in written if self._random.random() < 0.8]
        return [*legs, 4] if self._random.random() < 0.1 else legs

    def _some_claims(self) -> list[Mapping[str, Any]]:
        # Most are those of workers that are in time, the others of late ones.
        store = self._twins.memory.store
        in_time = [
            one
            for one in self._claims
            if store.signals[one["signal_id"]].status == "executing"
            and store.signals[one["signal_id"]].fence == one["fence"]
        ]
        asked_of = in_time if in_time and self._random.random() < 0.85 else self._claims[-6:]
        chosen = [
            self._random.choice(asked_of) for _ in range(min(len(asked_of), self._random.choice((1, 2))))
        ]
        return list({one["signal_id"]: one for one in chosen}.values())

    def _extend(self) -> None:
        claims = [{"signal_id": one["signal_id"], "fence": one["fence"]} for one in self._some_claims()]
        real = call(self._twins.world.worker, "extend_leases", claims, 60)
        memory = self._twins.memory.call("extend_leases", {"p_claims": claims, "p_lease_seconds": 60})
        # The order of what an update returns is not promised.
        assert {one["signal_id"] for one in real} == {one["signal_id"] for one in memory}

    def _release(self) -> None:
        claims = [{"signal_id": one["signal_id"], "fence": one["fence"]} for one in self._some_claims()]
        real = call(self._twins.world.worker, "release_signals", claims)
        memory = self._twins.memory.call("release_signals", {"p_claims": claims})
        assert sorted(real) == sorted(memory)

    def _run_out(self) -> None:
        executing = [one.id for one in self._twins.memory.store.signals if one.status == "executing"]
        if executing:
            signal_id = self._random.choice(executing)
            self._twins.let_lease_run_out(signal_id)
            if self._random.random() < 0.2:
                self._twins.wear_out(signal_id)

    def _compare(self) -> None:
        random = self._random
        if random.random() < 0.5:
            self._twins.make_due()
            claimed = self._claim_accounts(random.choice((1, 5)))
            self._accounts += claimed
        results = [
            {
                "account_id": one["account"]["id"],
                "fence": one["fence"],
                "due_in_seconds": 60,
                "differences": random.choice((None, [], [{"symbol": "BTCUSDT", "ours": "1", "venue": "0"}])),
                "news": [
                    {"signal_id": told_of["signal_id"]} | self._news(told_of["leg"])
                    for told_of in (*one["orders"][:2], *self._other_orders(one["account"]["id"]))
                ],
            }
            for one in self._accounts[-1:]
        ]
        if results:
            self._twins.call("finish_accounts", results=results)

    def _other_orders(self, account_id: str) -> list[dict[str, Any]]:
        # Of signals that are executed meanwhile: such news is not the reconciler's to tell.
        orders = [one for one in self._twins.memory.store.orders if one.account_id == account_id]
        return [{"signal_id": one.signal_id, "leg": one.leg} for one in orders[-1:]]

    def _settle(self) -> None:
        memory = self._twins.memory
        in_review = [one for one in memory.store.signals if one.status == "review"]
        if not in_review:
            return
        signal = self._random.choice(in_review)
        fills = [
            {
                "leg": one.leg,
                "quantity": self._random.choice((one.written["quantity"], "0.1")),
                "price": self._random.choice(("100", "99.5")),
            }
            for one in memory.settling.unsettled(signal)
            if one.written.get("attached_to") is None and self._random.random() < 0.6
        ]
        verdict = "executed" if fills else "not_executed"
        with connect(self._twins.world.url, "service_role") as operator:
            real = call(operator, "settle_signal", signal.id, verdict, "somebody", "looked", fills)
        assert real["status"] == memory.settle(signal.id, fills)

    def _claim_accounts(self, limit: int) -> list[dict[str, Any]]:
        real = call(self._twins.world.worker, "claim_accounts", "w1", limit, 60)
        memory = self._twins.memory.call(
            "claim_accounts", {"p_worker": "w1", "p_limit": limit, "p_lease_seconds": 60}
        )
        by_account = [
            sorted((_unordered(one) for one in answer), key=json.dumps) for answer in (real, memory)
        ]
        assert by_account[0] == by_account[1]
        return list(memory)


def _unordered(claimed: Mapping[str, Any]) -> Any:
    # Open ends that changed in one transaction have no order among them.
    orders = sorted((told(one) for one in claimed["orders"]), key=lambda one: (one["signal_id"], one["leg"]))
    shown = told(claimed) | {"orders": orders}
    return json.loads(json.dumps(shown, default=str, sort_keys=True))
