"""An HTTP connection of the benchmark's senders: kept open, one request after the other."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Mapping

TIMEOUT = 60.0


class HttpConnection:
    """Posts bodies to one path. judge: what is wrong with the body of a 200, '' when everything was taken."""

    def __init__(
        self, address: str, path: str, headers: Mapping[str, str], judge: Callable[[bytes], str]
    ) -> None:
        host, _, port = address.rpartition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)
        self._path, self._headers, self._judge = path, headers, judge

    def send(self, body: bytes) -> str:
        """'ok', 'retry' or the reason why it was refused."""
        try:
            self._connection.request("POST", self._path, body, dict(self._headers))
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return "retry"
        if response.status in {429, 502, 503, 504}:
            return "retry"
        if response.status != 200:
            return f"{response.status}: {answer[:200]!r}"
        return self._judge(answer) or "ok"

    def close(self) -> None:
        """Nothing is sent any more."""
        self._connection.close()
