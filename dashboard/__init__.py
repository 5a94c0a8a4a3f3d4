"""The web front: pages for people, the same data as JSON and CSV.

`create_app(Web(...))` gives the WSGI application, `warm_up` makes its first page quick. It imports alarms and
collector, never raywatch.
"""

from dashboard.app import create_app
from dashboard.templating import warm_up
from dashboard.web import Web, WebSettings

__all__ = ["Web", "WebSettings", "create_app", "warm_up"]
