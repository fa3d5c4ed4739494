"""Keeping secrets out of logs, whoever writes the line."""

import re
from collections.abc import Mapping
from typing import Any, Final

REDACTED: Final = "[redacted]"
# Shorter texts would be cut out of ordinary words and numbers.
_SHORTEST_SECRET: Final = 8
_DEEPEST: Final = 8
_LISTS: Final = (list, tuple, set, frozenset)

_LONGEST_TEXT: Final = 16 * 1024

_WORD: Final = (
    r"(?:api[-_]?key|authorization|password|passwd|passphrase|secret|signature|credential"
    r"|cookie|private[-_]?key|sealed|(?<![a-z])token)"
)
_SECRET_NAME: Final = re.compile(rf"[\w-]*{_WORD}[\w-]*", re.IGNORECASE)
# Ids, counts and places of secrets are what an operator needs to see.
_HARMLESS_NAME: Final = re.compile(r"(?:.*_)?(?:count|length|id|ids|version|file|files|path)", re.IGNORECASE)
# name=value in URLs and forms, "name": "value" in JSON, (b'name', b'value') of httpcore
_JOINT: Final = r"""(?:\\?["'])?\s*(?:[=:]|(?<=["']),)\s*(?:b?\\?["'])?"""
# No pattern starts with an unbounded repetition: long texts would take quadratic time.
_PATTERNS: Final = (
    # header values go on to the end of the line
    (re.compile(rf"((?:authorization|cookie)\b{_JOINT})[^\r\n\"']+", re.IGNORECASE), rf"\1{REDACTED}"),
    (
        re.compile(
            rf"({_WORD}[\w-]{{0,40}}{_JOINT})(?!b?\\?[\"']?\[redacted)[^\s\"'&,;)}}\]\\]+", re.IGNORECASE
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {REDACTED}"),
    # JSON Web Tokens, keys of Supabase and Stripe, sealed credentials
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)?"), REDACTED),
    (re.compile(r"\b(?:sb|sk|rk|whsec)_[\w-]{8,}"), REDACTED),
    (re.compile(r"\bsparky1\.[0-9a-f]{16}\.[\w-]+"), REDACTED),
    # user:password@ of a URL
    (re.compile(r"(://)[^\s/@:]{1,200}:[^\s/@]{1,200}@"), rf"\1{REDACTED}@"),
)


class Redactor:
    """Cuts secrets out of log entries: by name, by form, and by value where the value is registered."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._values: re.Pattern[str] | None = None

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"

    def register(self, secret: str) -> None:
        """Cut this text out of everything. Texts shorter than 8 characters are left to their names."""
        if len(secret) >= _SHORTEST_SECRET:
            self._secrets.add(secret)
            longest_first = sorted(self._secrets, key=len, reverse=True)
            self._values = re.compile("|".join(re.escape(text) for text in longest_first))

    def text(self, value: str) -> str:
        """Return `value` without secrets."""
        if self._values is not None:
            value = self._values.sub(REDACTED, value)
        if len(value) > _LONGEST_TEXT:
            value = f"{value[:_LONGEST_TEXT]}… ({len(value)} characters)"
        for pattern, replacement in _PATTERNS:
            value = pattern.sub(replacement, value)
        return value

    def entry(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return a log entry without secrets, in values that JSON has."""
        return {str(name): self._named(str(name), value, 0) for name, value in event.items()}

    def _named(self, name: str, value: Any, depth: int) -> Any:
        if value is not None and _SECRET_NAME.fullmatch(name) and not _HARMLESS_NAME.fullmatch(name):
            return REDACTED
        return self._plain(value, depth)

    def _plain(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth < _DEEPEST and isinstance(value, Mapping):
            return {str(name): self._named(str(name), item, depth + 1) for name, item in value.items()}
        if depth < _DEEPEST and isinstance(value, _LISTS):
            return [self._plain(item, depth + 1) for item in value]
        # Decimal, datetime and UUID read well as str; of anything else the repr may hold a secret.
        return self.text(str(value))
