"""The worker functions in memory, by the names and the wire that the real ones have over PostgREST."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.simulation.memory.claims import Claims
from tests.simulation.memory.comparing import Comparing
from tests.simulation.memory.outcomes import Outcomes
from tests.simulation.memory.rows import Account, Comparison, Signal
from tests.simulation.memory.settling import Settling
from tests.simulation.memory.store import Clock, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedAlert:
    """An alert as `ingest_alert` has understood it; `key` is what makes it a repetition."""

    signal_id: str
    account_id: str
    symbol: str
    action: str
    is_exit: bool
    alert: Mapping[str, Any]
    key: str
    alert_at: datetime | None = None


class MemoryDatabase:
    """One call is one transaction. `hint` is told of work, as a broadcast is; `keys` are sealed texts."""

    def __init__(self, clock: Clock, hint: Callable[[], None] = lambda: None) -> None:
        self.store = Store(clock)
        self.claims = Claims(self.store)
        self.outcomes = Outcomes(self.store)
        self.comparing = Comparing(self.store, self.outcomes)
        self.settling = Settling(self.store, self.outcomes)
        self.keys: dict[str, str] = {}
        self._hint = hint
        self._functions: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
            "claim_signals": self._claim_signals,
            "begin_orders": self._begin_orders,
            "finish_signals": self._finish_signals,
            "extend_leases": self._extend_leases,
            "release_signals": self._release_signals,
            "claim_accounts": self._claim_accounts,
            "finish_accounts": self._finish_accounts,
            "open_keys": self._open_keys,
            "worker_heartbeat": self._worker_heartbeat,
        }

    def call(self, function: str, params: Mapping[str, Any], *, commits: bool = True) -> Any:
        """Run a function as one transaction; take back what it wrote unless it commits."""
        answer = self._functions[function](_through_json(params))
        if not commits:
            self.store.roll_back(0)
        self._commit()
        return _through_json(answer)

    def add_account(self, account: Account, settings: Mapping[str, Any]) -> None:
        """Let a trader have an account."""
        self.store.accounts.put(account.id, account)
        self.store.comparisons.put(account.id, Comparison(account_id=account.id, due_at=self.store.clock()))
        self.store.settings[account.id] = settings
        self.store.commit()

    def ingest(self, parsed: ParsedAlert) -> str:
        """Store an accepted alert, or return the signal that it repeats."""
        account = self.store.accounts[parsed.account_id]
        before = self.store.alert_keys.get((account.user_id, parsed.key))
        if before is not None:
            return before
        self.store.alert_keys.put((account.user_id, parsed.key), parsed.signal_id)
        self.store.signals.put(
            parsed.signal_id,
            Signal(
                id=parsed.signal_id,
                seq=len(self.store.signals) + 1,
                user_id=account.user_id,
                account_id=account.id,
                exchange=account.exchange,
                environment=account.environment,
                symbol=parsed.symbol,
                action=parsed.action,
                is_exit=parsed.is_exit,
                alert=parsed.alert,
                received_at=self.store.clock(),
                alert_at=parsed.alert_at,
            ),
        )
        self.store.commit()
        self._hint()
        return parsed.signal_id

    def settle(self, signal_id: str, fills: Sequence[Mapping[str, Any]]) -> str:
        """Settle a signal under review, as `settle_signal` does."""
        status = self.settling.settle(signal_id, fills)
        self._commit()
        return status

    def _commit(self) -> None:
        self.store.commit()
        if self.store.wants_hint:
            self.store.wants_hint = False
            self._hint()

    def _claim_signals(self, params: Mapping[str, Any]) -> Any:
        return self.claims.claim(params["p_worker"], params["p_limit"], params["p_lease_seconds"])

    def _begin_orders(self, params: Mapping[str, Any]) -> Any:
        return [self.outcomes.begin(claim) for claim in params["p_claims"]]

    def _finish_signals(self, params: Mapping[str, Any]) -> Any:
        finished = [self.outcomes.finish(result) for result in params["p_results"]]
        claims = self._claim_signals(params) if params.get("p_limit") else []
        return {"finished": finished, "claims": claims}

    def _extend_leases(self, params: Mapping[str, Any]) -> Any:
        return self.claims.extend(params["p_claims"], params["p_lease_seconds"])

    def _release_signals(self, params: Mapping[str, Any]) -> Any:
        given = self.claims.release(params["p_claims"])
        if given:
            self._hint()
        return given

    def _claim_accounts(self, params: Mapping[str, Any]) -> Any:
        return self.comparing.claim(params["p_limit"], params["p_lease_seconds"])

    def _finish_accounts(self, params: Mapping[str, Any]) -> Any:
        return [self.comparing.finish(result) for result in params["p_results"]]

    def _open_keys(self, params: Mapping[str, Any]) -> Any:
        account = self.store.accounts.get(params["p_account_id"])
        if account is None or not self._has_live_work(account.id):
            return {"opened": False, "reason": "no_live_work"}
        return {
            "opened": True,
            "form": "sealed",
            "secret": self.keys[account.id],
            "key_version": account.key_version,
        }

    def _has_live_work(self, account_id: str) -> bool:
        now = self.store.clock()
        compared = self.store.comparisons[account_id].lease_until
        return (compared is not None and compared >= now) or any(
            one.account_id == account_id and one.lease_until is not None and one.lease_until >= now
            for one in self.store.signals
        )

    def _worker_heartbeat(self, params: Mapping[str, Any]) -> Any:
        del params
        return {"now": self.store.clock().isoformat()}


def _through_json(value: Any) -> Any:
    return json.loads(json.dumps(value, default=_text), parse_float=Decimal)


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} is not sent to the database")
