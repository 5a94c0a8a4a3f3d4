"""The command: `raywatch-agent --endpoint http://localhost:4318 --log /var/log/x.log`."""

from __future__ import annotations

import argparse
import logging
import platform
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from .config import Config, ConfigError, load
from .host import measure
from .ship import Shipper
from .tail import Positions

_POLL = 0.5
_LOOK_EVERY = 10
_TIMEOUT = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="raywatch-agent", description=__doc__)
    parser.add_argument("--config", type=Path, help="TOML file")
    parser.add_argument("--endpoint", help="base address of the OTLP/HTTP receiver (http://localhost:4318)")
    parser.add_argument(
        "--log", action="append", dest="logs", metavar="PATH", help="file or pattern to follow"
    )
    parser.add_argument("--interval", type=float, help="seconds between measurements, 0: none (15)")
    parser.add_argument("--state", help="file that keeps how far each log was read")
    flags = vars(parser.parse_args(argv))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        config = load(flags.pop("config"), flags)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    stop = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: stop.set())
    run(config, stop)
    return 0


def run(config: Config, stop: threading.Event) -> None:
    """Measures and follows until `stop` is set."""
    metrics = _measure(config) if config.interval else None
    exporter = OTLPLogExporter(
        endpoint=f"{config.endpoint.rstrip('/')}/v1/logs",
        headers=dict(config.headers) or None,
        timeout=_TIMEOUT,
        compression=Compression.Gzip,
    )
    threading.Thread(target=_close, args=(exporter, stop), daemon=True).start()
    shipper = Shipper(config.logs, Positions(Path(config.state)), exporter, stop)
    rounds = 0
    while not stop.wait(_POLL):
        rounds += 1
        if rounds % _LOOK_EVERY == 0:
            shipper.look()
        shipper.poll()
    shipper.close()
    if metrics is not None:
        metrics.shutdown()


def _close(exporter: OTLPLogExporter, stop: threading.Event) -> None:
    """Ends an export that waits for its next try as soon as the agent is to stop."""
    stop.wait()
    exporter.shutdown()  # type: ignore[no-untyped-call]


def _measure(config: Config) -> MeterProvider:
    host = platform.node() or "localhost"
    resource = Resource.create(
        {
            "service.name": "host",
            "service.instance.id": host,
            "host.name": host,
            "host.arch": platform.machine(),
            "os.type": platform.system().lower(),
            "os.description": platform.platform(),
        }
    )
    exporter = OTLPMetricExporter(
        endpoint=f"{config.endpoint.rstrip('/')}/v1/metrics",
        headers=dict(config.headers) or None,
        timeout=_TIMEOUT,
        compression=Compression.Gzip,
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=1000 * config.interval)
    provider = MeterProvider([reader], resource)
    measure(provider.get_meter("raywatch_agent.host", "0.1.0"))
    return provider
