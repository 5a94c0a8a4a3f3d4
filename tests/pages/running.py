"""What the page tests run against: a web front over a real store, filled through the pipeline."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from flask.testing import FlaskClient

from collector.accounting import Accounting
from collector.pipeline import Pipeline
from collector.receivers.formats import FormatsDecoder
from collector.receivers.server import HttpServer
from collector.request import Request
from collector.sampling.service import SamplingService
from collector.storage.control import Control
from collector.storage.control_sampling import SamplingStore
from collector.storage.store import StoreOptions, open_store
from dashboard import Web, WebSettings, create_app
from tests.pages.shop import NOW


@dataclass(frozen=True, slots=True)
class Site:
    """A running web front. url: without a path. web: the parts it runs on. send: into the pipeline."""

    url: str
    web: Web
    client: FlaskClient
    send: Callable[[Request], object]


@contextmanager
def serving(requests: Iterable[Request] = (), *, required: bool | None = None) -> Iterator[Site]:
    """A site with these requests stored, on a free port; its present is shop.NOW."""
    options = StoreOptions(background=False, wall_ns=lambda: NOW)
    accounting = Accounting()
    with (
        closing(open_store(":memory:", options)) as store,
        closing(Control(":memory:", required=required)) as control,
    ):
        store.start()
        control.start()
        pipeline = Pipeline(store, FormatsDecoder, accounting, clock=lambda: NOW)
        pipeline.start()
        with closing(pipeline):
            for request in requests:
                pipeline.accept(request)
            store.settle(remote=True)
            web = Web(
                store,
                control,
                accounting,
                WebSettings(name="shop-test", deadline=60, glance=60),
                clock=lambda: NOW,
                sampling=SamplingService(SamplingStore(control)),
            )
            app = create_app(web)
            with closing(HttpServer(app, [("127.0.0.1", 0)])) as server:
                server.start()
                yield Site(f"http://127.0.0.1:{server.port}", web, app.test_client(), pipeline.accept)


def find_chromium() -> str:
    """The system's Chromium, '' when there is none."""
    named = os.environ.get("RAYWATCH_CHROMIUM", "")
    names = (named, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if name and (path := shutil.which(name))), "")
