"""Redirects: the target URL, and the method, headers and body of the next request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from assay.builtins.http import urls

MAX_REDIRECTS = 10

_STATUSES = (301, 302, 303, 307, 308)
_CREDENTIALS = (hdrs.AUTHORIZATION, hdrs.COOKIE, hdrs.PROXY_AUTHORIZATION, hdrs.HOST)
_BODY_HEADERS = (
    hdrs.CONTENT_TYPE,
    hdrs.CONTENT_ENCODING,
    hdrs.CONTENT_LANGUAGE,
    hdrs.CONTENT_LOCATION,
    hdrs.EXPECT,
)


class BadLocationError(Exception):
    """A redirect to an invalid or a non-HTTP URL."""


@dataclass
class Hop:
    """One request of a chain of redirects.

    Attributes:
        method: The HTTP method.
        url: The URL, without credentials.
        headers: The caller's headers, without those that must not be sent to this URL.
        with_body: True if the caller's body is sent.
        chunked: True if the body is sent in chunks.
    """

    method: str
    url: URL
    headers: CIMultiDict[str]
    with_body: bool
    chunked: bool


class Redirect(NamedTuple):
    """A redirect.

    Attributes:
        status: The HTTP status.
        location: The value of the Location header.
    """

    status: int
    location: str


def from_response(response: aiohttp.ClientResponse) -> Redirect | None:
    """Return the redirect of a response, or None if it is not a redirect."""
    location = response.headers.get(hdrs.LOCATION) if response.status in _STATUSES else None
    return None if location is None else Redirect(response.status, location)


def first_hop(method: str, url: URL, headers: CIMultiDict[str], with_body: bool, chunked: bool) -> Hop:
    """Return the first request; credentials of the URL become a header."""
    url, headers = _without_credentials(url, headers)
    return Hop(method, url, headers, with_body, chunked)


def next_hop(hop: Hop, redirect: Redirect, private: Iterable[str]) -> Hop:
    """Return the request that follows a redirect. Raises BadLocationError.

    Args:
        hop: The request that was redirected.
        redirect: The redirect.
        private: Names of headers to drop for another origin, in addition to credentials.
    """
    url, status = _resolve(hop.url, redirect.location), redirect.status
    headers = hop.headers.copy()
    if url.origin() != hop.url.origin():
        for name in (*_CREDENTIALS, *private):
            headers.popall(name, None)
    if url.user is not None:
        headers.popall(hdrs.AUTHORIZATION, None)
    url, headers = _without_credentials(url, headers)
    if (status == 303 and hop.method != hdrs.METH_HEAD) or (status in (301, 302) and hop.method == hdrs.METH_POST):
        for name in _BODY_HEADERS:
            headers.popall(name, None)
        return Hop(hdrs.METH_GET, url, headers, with_body=False, chunked=False)
    return replace(hop, url=url, headers=headers)


def _resolve(base: URL, target: str) -> URL:
    try:
        url = URL(target)
        if not url.scheme:
            url = base.join(url)
        elif url.scheme == base.scheme and not target.startswith(f"{base.scheme}://"):
            url = base.join(URL(target[len(base.scheme) + 1 :]))  # "http:/path" is the same server, as in browsers
        if urls.is_absolute(url):
            return url
    except ValueError:
        pass
    raise BadLocationError(target)


def _without_credentials(url: URL, headers: CIMultiDict[str]) -> tuple[URL, CIMultiDict[str]]:
    if url.user is None and url.password is None:
        return url, headers
    headers.setdefault(hdrs.AUTHORIZATION, aiohttp.encode_basic_auth(url.user or "", url.password or ""))
    return url.with_user(None), headers
