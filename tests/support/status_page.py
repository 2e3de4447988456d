"""What asks a worker for its health."""

from __future__ import annotations

import urllib.error
import urllib.request


def get(address: str, path: str, method: str = "GET") -> tuple[int, str]:
    """The status and the text of an answer; 0 where nothing listens."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{address}{path}", method=method)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except urllib.error.URLError as error:
        return 0, str(error.reason)
