"""Requests to a worker's health endpoints."""

from __future__ import annotations

import urllib.error
import urllib.request


def get(address: str, path: str, method: str = "GET") -> tuple[int, str]:
    """The status and body of the response; 0 and the reason if the connection fails."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{address}{path}", method=method)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except urllib.error.URLError as error:
        return 0, str(error.reason)
