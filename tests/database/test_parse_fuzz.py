"""Whatever is sent, private.parse_alert answers: with fields, or with a reason."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparky.domain.alert import Action, parse_alert_terms
from tests.database.alert_cases import ALIASES
from tests.database.alerts import ELSEWHERE
from tests.database.world import World

NAMES = [
    *(name for canonical, others, *_ in ALIASES for name in (canonical, *others)),
    *("stop_price", "close_percent", "market_position_size", "take_profits", "legs", "strike", "expiration"),
    *("dte", "option_symbol", "exit_strategy", "strategy", "strategy_id", "secret", "stopLoss", "other"),
]
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
likely = st.sampled_from(
    [
        "buy",
        "close",
        "BTCUSDT",
        "1",
        "0.5",
        "NaN",
        "1e5",
        "2026-11-22T10:00:00+15:60",
        "1795341600",
        "true",
        "٣",
        "",
    ]
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts, likely
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
objects = st.dictionaries(st.one_of(st.sampled_from(NAMES), texts), values, max_size=8)
pairs = st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(likely, texts)), max_size=8)
bodies = st.one_of(
    objects.map(json.dumps),
    objects.map(lambda value: json.dumps(value, ensure_ascii=False)),
    pairs.map(lambda found: "\n".join(f"{name}={value}" for name, value in found)),
    pairs.map(lambda found: "{" + ",".join(f"{json.dumps(n)}:{json.dumps(v)}" for n, v in found) + "}"),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200),
    st.text(alphabet='{}[]":,=;\n\\u0123456789eE+-.ntf abc', max_size=120),
)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies)
def test_any_text_is_answered_with_fields_or_a_reason(shared: World, body: str) -> None:
    fields, raw, warnings, reason_code, reason = shared.row(
        "select a.fields, a.raw, a.warnings, a.reason_code, a.reason from private.parse_alert(%s) a", body
    )
    assert raw is not None
    assert warnings is not None
    assert (reason_code is None) == (reason is None)
    if reason_code is not None:
        return
    assert fields["action"] in set(Action) - {Action.PROTECT}
    parse_alert_terms({name: value for name, value in fields.items() if name not in ELSEWHERE}, "$")
