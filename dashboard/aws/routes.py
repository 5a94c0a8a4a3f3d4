"""Which operation of which service a request is for, and in which protocol: AWS's own marks, in one place.

The path for rest-json and CBOR, X-Amz-Target for JSON, Action and Version for query, and the credential
scope where several services would do. Models are loaded when the first request comes that may be for one.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from collector.errors import RaywatchError
from dashboard.aws import query
from dashboard.aws.models import OperationModel, ServiceModel, load
from dashboard.aws.problems import UNKNOWN, problem_of
from dashboard.aws.protocols import CBOR, JSON, QUERY, REST_JSON, Problem, Spoken, Wire
from dashboard.aws.service import Service

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_RPC_PATH = re.compile(r"/service/([A-Za-z0-9_]+)/operation/([A-Za-z0-9_]+)")


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes. form: what is read instead of the body, for query. problem: why it goes nowhere.

    service, operation: None when it is for none that is known.
    """

    wire: Wire
    service: Service | None = None
    operation: OperationModel | None = None
    form: bytes | None = None
    problem: Problem | None = None


class Routes:
    """The services and how requests find them."""

    def __init__(
        self, services: Mapping[str, Service], load_model: Callable[[str], ServiceModel] = load
    ) -> None:
        self._services = services
        self._load = load_model
        self._lock = threading.Lock()
        self._spoken: dict[str, Spoken] = {}
        self._paths: dict[str, tuple[Spoken, str]] = {}
        self._of_paths: dict[str, Route] = {}
        self._prefixes: dict[str, Spoken] = {}

    def handles(self, environ: WSGIEnvironment) -> bool:
        """Whether a request is for an AWS API and not for a page."""
        path = environ.get("PATH_INFO", "")
        if environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4-"):
            return True
        if environ["REQUEST_METHOD"] == "POST":
            # Only AWS's paths begin with a capital letter; the models stay unread until one comes.
            return path == "/" or path.startswith("/service/") or (path[1:2].isupper() and self._has(path))
        in_url = environ["REQUEST_METHOD"] == "GET" and path == "/"
        return in_url and "Action=" in environ.get("QUERY_STRING", "")

    def prompt(self, method: str, path: str) -> bool:
        """Whether the operation of this path waits for nothing. Reads no model: one that was asked before."""
        found = self._paths.get(path) if method == "POST" else None
        return found is not None and found[1] in found[0].service.prompt

    def _has(self, path: str) -> bool:
        self._ready()
        return path in self._paths

    def find(self, environ: WSGIEnvironment, scope: str, body: Callable[[], bytes]) -> Route:
        """Where it goes. scope: the service that the signature names, '' without one. body: reads it."""
        self._ready()
        path, target = environ.get("PATH_INFO", ""), environ.get("HTTP_X_AMZ_TARGET", "")
        found = self._paths.get(path)
        if found is not None and environ["REQUEST_METHOD"] == "POST":
            return self._of_path(path, *found)
        if target:
            return self._json(environ, target)
        if (rpc := _RPC_PATH.fullmatch(path)) is not None:
            return self._cbor(rpc[1], rpc[2])
        if path == "/":
            return self._query(environ, scope, body)
        if scope and scope not in self._services:
            text = f"the service {scope!r} is not spoken here; {self._known()}"
        else:
            text = f"no operation of a service here has the path {path[:80]!r}"
        return self._nowhere(self._any(REST_JSON).json(), text)

    def _of_path(self, path: str, spoken: Spoken, name: str) -> Route:
        route = self._of_paths.get(path)
        if route is None:
            route = self._of_paths[path] = self._route(spoken.json(), spoken, name)
        return route

    def _json(self, environ: WSGIEnvironment, target: str) -> Route:
        prefix, _, name = target.rpartition(".")
        spoken = self._prefixes.get(prefix)
        kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if spoken is not None and JSON in spoken.model.protocols:
            return self._route(spoken.json(kind), spoken, name)
        text = f"no service here has the target {target[:80]!r}; {self._known()}"
        return self._nowhere(self._any(JSON).json(kind), text)

    def _cbor(self, prefix: str, name: str) -> Route:
        spoken = self._prefixes.get(prefix)
        if spoken is not None and CBOR in spoken.model.protocols:
            return self._route(spoken.cbor, spoken, name)
        return self._nowhere(self._any(CBOR).cbor, f"no service here is called {prefix[:80]!r}")

    def _query(self, environ: WSGIEnvironment, scope: str, body: Callable[[], bytes]) -> Route:
        wire = self._any(QUERY).query
        try:
            form = environ.get("QUERY_STRING", "").encode() + b"&" + body()
            fields = query.form(form.decode("utf-8"))
        except RaywatchError as error:
            return Route(wire, problem=problem_of(error, None, None))
        except ValueError as error:
            text = f"the form cannot be read: {error}"
            return Route(wire, problem=Problem("SerializationException", text))
        action, version = fields.get("Action", ""), fields.get("Version", "")
        if not action:
            text = f"an X-Amz-Target, an Action or the path of an operation is needed; {self._known()}"
            return Route(wire, problem=Problem("MissingAction", text))
        having = [
            one for one in self._spoken.values()
            if QUERY in one.model.protocols and action in one.model.names
        ]  # fmt: skip
        having.sort(key=lambda one: (one.model.version != version, one.service.name != scope))
        if not having:
            text = f"no service here has the action {action[:80]!r} in version {version[:40]!r}"
            return self._nowhere(wire, f"{text}; {self._known()}")
        route = self._route(having[0].query, having[0], action)
        return Route(route.wire, route.service, route.operation, form)

    def _route(self, wire: Wire, spoken: Spoken, name: str) -> Route:
        try:
            return Route(wire, spoken.service, spoken.model.operation(name))
        except KeyError:
            text = f"{spoken.service.title} has no operation {name[:80]!r}"
            return Route(wire, spoken.service, problem=Problem(UNKNOWN, text, 404))

    def _nowhere(self, wire: Wire, text: str) -> Route:
        return Route(wire, problem=Problem(UNKNOWN, text, 404))

    def _known(self) -> str:
        return f"Raywatch speaks {', '.join(self._services)}"

    def _any(self, protocol: str) -> Spoken:
        """A service that speaks the protocol, for errors that belong to none; else any."""
        every = self._spoken.values()
        return next((one for one in every if protocol in one.model.protocols), next(iter(every)))

    def _ready(self) -> None:
        if self._prefixes:
            return
        with self._lock:
            spoken = {
                name: Spoken(service, self._load(service.model)) for name, service in self._services.items()
            }
            self._paths = {
                path: (one, name)
                for one in spoken.values()
                if REST_JSON in one.model.protocols
                for path, name in one.model.paths.items()
            }
            self._spoken = spoken
            self._prefixes = {one.model.target_prefix: one for one in spoken.values()}
