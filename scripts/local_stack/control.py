"""Requests to the server's own controls."""

import json
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from scripts.local_stack.errors import StackError


def set_realtime(url: str, secret_key: str, state: str) -> None:
    """Stop (`stopped`) or start (`running`) Realtime.

    Raises:
        StackError: the server does not answer or refuses.
    """
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        body = json.dumps({"state": state})
        headers = {"apikey": secret_key, "content-type": "application/json"}
        connection.request("POST", "/__stack/realtime", body, headers)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise StackError(f"The stack at {url} does not answer: look at `status`.") from error
    finally:
        connection.close()
    if status != 200:  # noqa: PLR2004 - HTTP
        raise StackError(f"The stack at {url} refused (status {status}): see its log.")
