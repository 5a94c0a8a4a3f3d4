"""Runs one program of the shop.

Its first line on standard output is its port. Each line on standard input is a JSON object of the addresses
of the others; when standard input ends, the program drains, sends what it has measured, and ends. So nothing
is left running, whatever becomes of the supervisor.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import json
import signal
import sys
import threading
from pathlib import Path

from raywatch.demo.services.context import Context

MODULES = {
    name: f"raywatch.demo.services.{name.replace('-', '_')}"
    for name in (
        "storefront", "users", "cart", "recommendations", "checkout", "inventory", "payments", "shipping",
        "card-gateway", "orders-queue", "visitors",
    )
}  # fmt: skip


_END_SECONDS = 20.0
"""From the end of the input to the end of the program, though the server that it sends to may be gone."""


def _listen(context: Context) -> None:
    for line in sys.stdin:
        context.addresses.update(json.loads(line))
        context.ready.set()
    faulthandler.dump_traceback_later(_END_SECONDS, exit=True)  # says in shop.log what hangs
    context.stopped.set()
    context.ready.set()


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="raywatch.demo.services")
    parser.add_argument("name", choices=sorted(MODULES))
    parser.add_argument("--version", default="1.0.0")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument(
        "--opened", type=float, required=True, help="when the shop opened, seconds since 1970"
    )
    parser.add_argument("--cycle", type=float, required=True)
    parser.add_argument("--rate", type=float, default=0.0)
    options = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    context = Context(**vars(options))
    threading.Thread(target=_listen, args=(context,), daemon=True).start()
    importlib.import_module(MODULES[context.name]).run(context)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
