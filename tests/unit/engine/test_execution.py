"""One signal and one worker: what each answer of the venue and of the database leads to."""

import pytest

from tests.unit.engine.world import World, until


async def test_an_entry_is_executed_once_and_recorded() -> None:
    world = World()
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason) == ("done", "Bought 1 at 100.")
    assert signal.orders[1]["state"] == "filled"
    assert signal.fills == {f"fill-{signal.orders[1]['client_order_id']}"}
    assert len(world.venue.executed) == 1


async def test_an_order_is_written_down_before_the_venue_is_asked() -> None:
    world = World()
    signal = world.signal()
    world.venue.before_permit = lambda: states.append(signal.orders[1]["state"])
    states: list[str] = []
    await world.run()
    assert states == ["submitting"]


async def test_an_exit_closes_what_the_venue_has() -> None:
    world = World()
    world.venue.net += 3
    signal = world.exit_signal()
    await world.run()
    assert (signal.status, signal.reason) == ("done", "Closed long 3 at 100.")
    assert world.venue.executed[0].reduce_only
    assert world.venue.net == 0


async def test_an_exit_without_a_position_is_done_with_a_note() -> None:
    world = World()
    signal = world.exit_signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("done", "no_position")
    assert not world.venue.submitted


async def test_a_refusal_is_told_in_the_words_of_the_venue() -> None:
    world = World()
    world.venue.script.append("refuse")
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("rejected", "insufficient_funds")
    assert signal.orders[1]["state"] == "refused"


async def test_an_order_that_never_left_is_sent_again_with_the_same_id() -> None:
    world = World()
    world.venue.script.extend(["not_sent", "not_sent"])
    signal = world.signal()
    await world.run()
    assert signal.status == "done"
    assert world.venue.look_ups == []
    assert len(world.venue.executed) == 1


async def test_waiting_for_a_connection_until_the_time_is_up_counts_as_not_sent() -> None:
    world = World()
    world.venue.script.append("unsent")
    signal = world.signal()
    await world.run()
    assert signal.status == "done"
    assert world.venue.look_ups == []


@pytest.mark.parametrize("behaviour", ["lost", "stuck", "broken"])
async def test_a_lost_answer_is_looked_up_and_never_sent_again(behaviour: str) -> None:
    world = World()
    world.venue.script.append(behaviour)
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason) == ("done", "Bought 1 at 100.")
    assert len(world.venue.submitted) == 1


@pytest.mark.parametrize("behaviour", ["dropped", "hang"])
async def test_an_order_that_the_venue_certainly_has_not_is_sent_again(behaviour: str) -> None:
    world = World()
    world.venue.script.append(behaviour)
    signal = world.signal()
    await world.run()
    assert signal.status == "done"
    assert len(set(world.venue.submitted)) == 1
    assert len(world.venue.executed) == 1


async def test_absence_is_believed_only_after_the_visibility_window() -> None:
    world = World()
    world.venue.script.append("lost")
    world.venue.hidden_for = 4.9
    signal = world.signal()
    await world.run()
    assert signal.status == "done"
    assert len(world.venue.executed) == 1


async def test_an_order_that_is_executed_after_its_sender_gave_up_is_found() -> None:
    world = World()
    world.venue.script.append("late")
    signal = world.signal()
    await world.run()
    assert signal.status == "done"
    assert len(world.venue.executed) == 1


async def test_a_venue_that_cannot_be_asked_for_a_while_is_asked_again() -> None:
    world = World()
    world.venue.script.append("lost")
    world.venue.unavailable = 6
    signal = world.exit_signal()
    world.venue.net += 1
    await world.run()
    assert signal.status == "done"
    assert len(world.venue.executed) == 1


async def test_silence_ends_in_review_and_tells_the_trader_where_to_look() -> None:
    world = World()

    def fall_silent() -> None:
        world.venue.unavailable = 10_000

    world.venue.script.append("lost")
    world.venue.before_permit = fall_silent
    signal = world.signal()
    later = world.signal()
    closing = world.exit_signal()
    async with world.worker() as worker:
        worker.inbox.hint()
        await until(lambda: signal.finished_at is not None)
        assert (signal.status, signal.reason_code) == ("review", "outcome_unknown")
        assert signal.orders[1]["state"] == "unknown"
        assert signal.orders[1]["client_order_id"] in signal.reason
        assert "look at the venue" in signal.reason
        world.venue.before_permit = lambda: None
        world.venue.unavailable = 0
        await until(lambda: closing.finished_at is not None)
    assert closing.status == "done"
    assert later.status == "pending"


async def test_an_entry_that_is_too_old_is_not_sent() -> None:
    world = World()
    signal = world.signal(age=61)
    await world.run()
    assert (signal.status, signal.reason_code) == ("expired", "signal_too_old")
    assert not world.venue.submitted


async def test_an_entry_that_grew_old_while_the_outcome_was_unknown_is_not_sent_again() -> None:
    world = World()
    world.venue.script.append("dropped")
    signal = world.signal(age=56)
    await world.run()
    assert (signal.status, signal.reason_code) == ("expired", "signal_too_old")
    assert signal.orders[1]["state"] == "absent"
    assert not world.venue.executed


async def test_an_exit_is_executed_however_old_it_is() -> None:
    world = World()
    world.venue.net += 1
    world.venue.script.extend(["dropped", "not_sent"])
    signal = world.exit_signal(age=7200)
    await world.run()
    assert signal.status == "done"
    assert world.venue.net == 0


async def test_a_venue_that_is_away_for_long_ends_the_signal_unsent() -> None:
    world = World()
    world.venue.net += 1
    world.venue.script.extend(["not_sent"] * 100)
    signal = world.exit_signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "venue_unavailable")
    assert "act at the venue by hand" in signal.reason
    assert not world.venue.executed


async def test_a_working_order_is_followed_until_it_is_filled() -> None:
    world = World()
    world.venue.script.append("working")
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason) == ("done", "Bought 1 at 100.")


async def test_a_working_order_that_cannot_be_asked_for_is_never_called_unsent() -> None:
    world = World()

    def fall_silent() -> None:
        world.venue.unavailable = 10_000

    world.venue.script.append("working")
    world.venue.before_permit = fall_silent
    signal = world.signal(age=50)
    await world.run()
    assert signal.status == "done"
    assert "working at the venue" in signal.reason
    assert signal.orders[1]["state"] == "working"


async def test_a_partial_fill_is_done_and_says_how_much() -> None:
    world = World()
    world.venue.script.append("partial")
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason) == ("done", "Bought 0.5 of 1 at 100.")


async def test_an_order_that_the_venue_cancels_unfilled_has_failed() -> None:
    world = World()
    world.venue.script.append("cancelled")
    signal = world.signal()
    await world.run()
    assert signal.status == "failed"
    assert "cancelled with 0 of 1 filled" in signal.reason


async def test_a_cancelled_exit_does_not_speak_of_opening() -> None:
    world = World()
    world.venue.net += 1
    world.venue.script.append("cancelled")
    signal = world.exit_signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("failed", "venue_refused")
    assert "opened" not in signal.reason


async def test_keys_that_the_venue_refuses_reject_the_signal() -> None:
    world = World()
    world.venue.accepts_keys = False
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("rejected", "credentials_invalid")


async def test_keys_that_fail_after_an_order_was_sent_end_in_review() -> None:
    world = World()

    def revoke() -> None:
        world.venue.accepts_keys = False

    world.venue.script.append("lost")
    world.venue.before_permit = revoke
    signal = world.signal()
    await world.run()
    assert (signal.status, signal.reason_code) == ("review", "outcome_unknown")


async def test_keys_sealed_for_another_worker_reject_the_signal_with_what_to_do() -> None:
    world = World()
    signal = world.signal()
    world.store_keys("sparky1.0123456789abcdef." + "A" * 120)
    await world.run()
    assert (signal.status, signal.reason_code) == ("rejected", "credentials_invalid")
    assert "save the exchange keys again" in signal.reason


async def test_a_venue_that_is_not_served_rejects_the_signal() -> None:
    world = World()
    signal = world.signal()
    signal.order["account"]["exchange"] = "elsewhere"
    await world.run()
    assert (signal.status, signal.reason_code) == ("rejected", "not_supported")
