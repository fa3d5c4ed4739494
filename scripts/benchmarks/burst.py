"""Many alerts in a minute: that none is lost, and how long each waits until its order leaves."""

from dataclasses import dataclass

from scripts.benchmarks.drain import await_ends, check_arrivals
from scripts.benchmarks.figures import Figures
from scripts.benchmarks.ground import Ground
from scripts.benchmarks.loading import load_at_pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """`seconds` is how long the ingest really took; `waited` goes from commit to the order's bytes."""

    signals: int
    seconds: float
    waited: Figures


def measure_burst(ground: Ground, signals: int, seconds: float) -> Burst:
    """Ingest entries evenly over a time while a worker runs, and wait until all are executed.

    What is taken for the commit lies before it: figures are too high by the rest of an ingest, never too low.

    Raises:
        RuntimeError: one was lost or came twice.
    """
    alerts = ground.alerts(signals)
    before = ground.venue.arrivals()
    with ground.worker("burst") as worker:
        worker.await_event("wake_ups_connected")
        begun_at = ground.records.value("select clock_timestamp()")
        took = load_at_pace(ground.stack.database_url, alerts, seconds)
        await_ends(ground, (worker,), begun_at, signals)
    check_arrivals(ground, len(before.seconds), before.repeated, signals)
    arrived = ground.venue.arrivals().seconds
    received = ground.records.rows(
        "select o.client_order_id, extract(epoch from s.received_at)::float8 as at from public.signals s"
        " join public.orders o on o.signal_id = s.id where s.received_at >= %s",
        begun_at,
    )
    waited = [1000 * (arrived[row["client_order_id"]] - row["at"]) for row in received]
    return Burst(signals=signals, seconds=took, waited=Figures.of(waited))
