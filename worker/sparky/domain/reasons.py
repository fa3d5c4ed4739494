"""The stable codes under which a trader is told what happened and why."""

from enum import StrEnum, unique
from typing import Self


@unique
class Reason(StrEnum):
    """Every reason code. A code never changes its meaning; sentences may."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        """Keep the one-line meaning beside the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    # What the alert says
    INVALID_JSON = "invalid_json", "The alert is neither JSON nor key=value pairs."
    MISSING_FIELD = "missing_field", "A field that this alert needs is not there."
    INVALID_VALUE = "invalid_value", "A field has a value that it cannot have."
    UNKNOWN_FIELD_COMBINATION = "unknown_field_combination", "Two fields contradict each other."
    NOT_SUPPORTED = "not_supported", "The alert asks for something that is not executed yet."
    NO_SIZE = "no_size", "Neither the alert nor the settings say how much."
    SIZE_CONFLICT = "size_conflict", "The alert says how much in two ways."
    NO_PRICE = "no_price", "The venue has no price by which the order could be valued."
    DUPLICATE = "duplicate", "The same alert was received before; it has one effect."
    DRY_RUN = "dry_run", "The alert asked to plan and explain only; nothing was sent."

    # What it names
    UNKNOWN_EXCHANGE = "unknown_exchange", "The exchange is not one that is served."
    UNKNOWN_SYMBOL = "unknown_symbol", "The venue does not list the symbol."
    UNKNOWN_STRATEGY = "unknown_strategy", "The trader has no strategy of that name or id."
    STRATEGY_INACTIVE = "strategy_inactive", "The strategy is switched off."
    NO_ACCOUNT = "no_account", "The trader has no account at that venue and environment."
    CREDENTIALS_INVALID = "credentials_invalid", "The exchange keys cannot be opened or are not accepted."

    # What the position and the rules allow
    BELOW_MINIMUM = "below_minimum", "The size is below the smallest order of the venue."
    ABOVE_MAXIMUM = "above_maximum", "The size is above a limit."
    POSITION_EXISTS = "position_exists", "A position of the same side is open and pyramiding is off."
    NO_POSITION = "no_position", "There is nothing to close."
    ALREADY_THERE = "already_there", "The position is what the alert asks for; nothing was sent."
    NOTHING_TO_CANCEL = "nothing_to_cancel", "No order of ours works there."
    OPPOSITE_REJECTED = "opposite_rejected", "A position of the other side is open and on_opposite is reject."
    SHORT_NOT_ALLOWED = "short_not_allowed", "Going short is switched off or impossible at the venue."

    # What the trader's limits and switches allow
    OUTSIDE_TRADING_WINDOW = "outside_trading_window", "The trading window is closed."
    WEEKEND = "weekend", "Entries on weekends are switched off."
    MAX_TRADES_PER_DAY = "max_trades_per_day", "The day's number of entries is used up."
    MAX_OPEN_POSITIONS = "max_open_positions", "As many positions as allowed are open."
    MAX_DAILY_LOSS = "max_daily_loss", "The day's loss has reached its limit."
    COOLDOWN = "cooldown", "The last entry in the symbol was too short a time ago."
    MAX_SLIPPAGE = "max_slippage", "The market has moved too far from the price of the alert."
    SIGNAL_TOO_OLD = "signal_too_old", "The signal is older than it may be; it is never executed late."
    TRADING_DISABLED = "trading_disabled", "The trader has switched trading off."
    PLATFORM_HALTED = "platform_halted", "The operator has halted trading."
    PLAN_LIMIT = "plan_limit", "The limit of the trader's plan is reached."

    # What the venue did
    VENUE_REFUSED = "venue_refused", "The venue refused the order, in its own words."
    VENUE_UNAVAILABLE = "venue_unavailable", "The venue could not be reached; nothing was sent."
    INSUFFICIENT_FUNDS = "insufficient_funds", "The account cannot pay for the order."
    INVALID_PRICE = "invalid_price", "A price of the order is one that the venue or the market rules out now."
    MARKET_CLOSED = "market_closed", "The market of the symbol is closed, or the venue has halted it."
    OUTCOME_UNKNOWN = "outcome_unknown", "The venue may or may not have the order; a person must look."
    EXIT_NOT_PLACED = "exit_not_placed", "An exit that was asked for could not be placed at the venue."
    CLOSE_NOT_FILLED = "close_not_filled", "The close of a reverse did not fill, so nothing was opened."

    # What happened here
    INTERNAL_ERROR = "internal_error", "A fault of the service; the operator has been told."
