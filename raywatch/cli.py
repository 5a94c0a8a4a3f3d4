"""The command line: every command reads the settings, does one thing and says clearly what went wrong.

A command imports what it needs when it runs, so that `raywatch version` is quick and `raywatch serve` is
ready in a moment.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from collector.errors import QueryError, RaywatchError
from raywatch import logs, process
from raywatch.config import Config, ConfigError, load

if TYPE_CHECKING:
    import pyarrow as pa

    from collector.storage.control import ApiKey, Control
    from collector.storage.control_access import Access, AccessKey
    from raywatch.run import Target
    from raywatch.serving import Serving

F = TypeVar("F", bound=Callable[..., Any])

SETTLED_AFTER = 3.0
"""Seconds after the start in which the parts have done what they do only once."""
CLOSE_WITHIN = 9.5
"""Seconds after which a stop that has not finished is ended."""

FLAGS = {
    "data": ("--data", "PATH", "Directory of the data; :memory: for a throw-away."),
    "host": ("--host", "NAME", "Where to listen."),
    "port": ("--port", "PORT", "Pages, JSON and OTLP/HTTP; 0 for any free one."),
    "otlp_http": ("--otlp-http", "ADDRESS", "OTLP/HTTP; PORT, HOST:PORT or off."),
    "otlp_grpc": ("--otlp-grpc", "ADDRESS", "OTLP/gRPC; PORT, HOST:PORT or off."),
    "xray_udp": ("--xray-udp", "ADDRESS", "X-Ray daemon, segments; PORT, HOST:PORT or off."),
    "xray_tcp": ("--xray-tcp", "ADDRESS", "X-Ray daemon, HTTP; PORT, HOST:PORT or off."),
    "auth": ("--auth", "auto|on|off", "Whether keys and logins are asked for."),
    "log_level": ("--log-level", "LEVEL", "debug, info, warning or error."),
    "allow_reset": ("--allow-reset", "", "Let POST /_raywatch/reset from this machine forget all data."),
}


class Failure(click.ClickException):
    """One clear line and exit code 1."""

    def show(self, file: Any = None) -> None:  # noqa: ARG002 -- click's signature
        click.echo(f"raywatch: {self.format_message()}", err=True)


class BadConfiguration(click.ClickException):
    """Everything that is wrong, a line each, and exit code 2."""

    exit_code = 2

    def __init__(self, error: ConfigError) -> None:
        super().__init__(str(error))
        self.problems = error.problems

    def show(self, file: Any = None) -> None:  # noqa: ARG002 -- click's signature
        for problem in self.problems:
            click.echo(f"raywatch: {problem}", err=True)


class Commands(click.Group):
    """Commands in the order they are written; our own errors become one line."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise BadConfiguration(error) from error
        except QueryError as error:
            raise Failure(_query_error(error)) from error
        except RaywatchError as error:
            raise Failure(str(error)) from error


def _query_error(error: QueryError) -> str:
    where = f" (line {error.line}, column {error.column})" if error.line else ""
    return f"{error}{where}{f'; did you mean {error.suggestion}?' if error.suggestion else ''}"


def settings_options(*names: str) -> Callable[[F], F]:
    """Adds --config, --set and the flags of some settings; the command gets them as `flags`."""

    def decorate(command: F) -> F:
        wrapped: Any = command
        wrapped = click.option(
            "--set", "changes", multiple=True, metavar="NAME=VALUE", help="Any other setting; see docs."
        )(wrapped)
        for name in reversed(names):
            flag, metavar, text = FLAGS[name]
            kind: dict[str, Any] = {"metavar": metavar} if metavar else {"is_flag": True}
            wrapped = click.option(flag, name, help=text, **kind)(wrapped)
        config = click.option("--config", "file", metavar="FILE", help="Configuration file (TOML).")
        result: F = config(wrapped)
        return result

    return decorate


def configure(ctx: click.Context, options: Mapping[str, Any]) -> Config:
    """The configuration for a command, with what stood before its name on the command line."""
    given = {**(ctx.obj or {}), **{key: value for key, value in options.items() if value}}
    flags = {name: given.get(name) for name in FLAGS}
    for change in given.get("changes", ()):
        name, equals, value = change.partition("=")
        if not equals:
            raise ConfigError([f"--set {change}: write it as NAME=VALUE"])
        flags[name.strip()] = value.strip()
    return load(file=given.get("file"), flags=flags)


def _version() -> str:
    from importlib.metadata import version

    return version("raywatch")


@click.group(cls=Commands, invoke_without_command=True, context_settings={"max_content_width": 110})
@settings_options(*FLAGS)
@click.option("--quiet", is_flag=True, help="Say nothing but warnings and errors.")
@click.version_option(package_name="raywatch", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context, /, **options: Any) -> None:
    """X-Ray and CloudWatch in one program: traces, metrics and logs of your programs, by OpenTelemetry.

    Without a command it serves: `raywatch` is `raywatch serve`.
    """
    ctx.obj = {key: value for key, value in options.items() if value}
    if ctx.invoked_subcommand is None:
        ctx.invoke(serve)


@main.command()
@settings_options(*FLAGS)
@click.option("--quiet", is_flag=True, help="Say nothing but warnings and errors.")
@click.pass_context
def serve(ctx: click.Context, /, **options: Any) -> None:
    """Take telemetry in and show it. This is what `raywatch` does without a command."""
    config = configure(ctx, options)
    quiet = bool(options.get("quiet") or (ctx.obj or {}).get("quiet"))
    _serve(config, quiet=quiet)


def _serve(config: Config, *, quiet: bool) -> None:
    stop = _stop_on_signals()
    logs.begin(config.settings.log_level)
    from raywatch.assemble import serving

    with ExitStack() as stack:
        with _working("opening the data …", quiet=quiet):
            server = stack.enter_context(serving(config, _version()))
        _announce(server, quiet=quiet)
        if not stop.wait(SETTLED_AFTER):
            process.release_startup_memory()
            stop.wait()
        _end_within(CLOSE_WITHIN, server.drained.is_set)
        if not quiet:
            click.echo("raywatch: finishing what was received …", err=True)
    # Everything is closed. Tearing the interpreter down would only take time and report threads as leaks.
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _working(what: str, *, quiet: bool) -> AbstractContextManager[object]:
    """A line that goes again, for what may take a while after a crash; only on a terminal."""
    if quiet or not sys.stderr.isatty():
        return nullcontext()
    from raywatch import show

    return show.console(stderr=True).status(what)


def _announce(server: Serving, *, quiet: bool) -> None:
    if quiet:
        return
    from raywatch import show

    terminal = show.console(stderr=True)
    terminal.print()
    for line in show.banner(server.live.settings, server.running, server.login, _version()):
        terminal.print(line)


def _stop_on_signals() -> threading.Event:
    """Set by the first SIGTERM or Ctrl-C; the second one ends the process at once."""
    stop = threading.Event()

    def stopped(number: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stopped)
    return stop


def _end_within(seconds: float, drained: Callable[[], bool]) -> None:
    """Whatever hangs while closing, the process ends: with 0 once all that was received is on the disk.

    What is left then is only tidying, which the next start does as after a crash.
    """

    def end() -> None:
        logging.getLogger(__name__).warning("closing took longer than %s s; ended", seconds)
        os._exit(0 if drained() else 1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


@main.command()
@settings_options(*FLAGS)
@click.option(
    "--rate", default=10.0, show_default=True, type=click.FloatRange(0.1, 200), help="Visits a second."
)
@click.option("--seconds", type=click.FloatRange(min=0), help="End by itself after so long.")
@click.option("--cycle", default=600.0, type=click.FloatRange(min=1), hidden=True)
@click.pass_context
def demo(ctx: click.Context, /, rate: float, seconds: float | None, cycle: float, **options: Any) -> None:
    """Serve, with a shop of several services that sends real telemetry to it.

    Without --data the data is thrown away at the end.
    """
    from raywatch.demo import main as open_shop

    config = configure(ctx, options)
    logs.begin(config.settings.log_level)

    def announce(server: Serving) -> None:
        _announce(server, quiet=False)

    sys.exit(open_shop(config, _version(), announce, rate=rate, seconds=seconds, cycle=cycle))


@main.command(context_settings={"ignore_unknown_options": True})
@settings_options("data")
@click.option("--endpoint", metavar="URL", help="Send there instead of to this installation.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
@click.pass_context
def run(ctx: click.Context, /, endpoint: str | None, command: tuple[str, ...], **options: Any) -> NoReturn:
    """Start a program that sends its telemetry here: raywatch run -- python app.py

    It gets the OTEL_* environment, and runs under OpenTelemetry's automatic instrumentation where its
    Python has it. What is set in its environment already stays as it is.
    """
    from raywatch import run as starting

    config = configure(ctx, options)
    target = starting.Target(endpoint, "") if endpoint else _target(config)
    start = starting.prepare(command, target, dict(os.environ), Path.cwd())
    for hint in start.hints:
        click.echo(f"raywatch: {hint}", err=True)
    where = start.environment["OTEL_EXPORTER_OTLP_ENDPOINT"]
    if where in (target.http, target.grpc) and not starting.reachable(target):
        click.echo(f"raywatch: nobody listens at {where} yet; start `raywatch` in another terminal", err=True)
    sys.exit(starting.execute(start))


def _target(config: Config) -> Target:
    """Where this installation listens: the running server, or what the settings say."""
    from raywatch import running
    from raywatch.listen import binds
    from raywatch.run import Target

    server = running.find(config.settings.data)
    if server is not None:
        return Target(server.otlp_http or server.url, server.otlp_grpc, server.token)
    wanted = binds(config.settings)
    port = (wanted.otlp_http or wanted.pages).port
    grpc = f"http://localhost:{wanted.otlp_grpc.port}" if wanted.otlp_grpc else ""
    return Target(f"http://localhost:{port}", grpc)


@main.command()
@settings_options("data")
@click.option("--json", "form", flag_value="json", help="A list of objects.")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values.")
@click.option(
    "--limit", default=1000, show_default=True, type=click.IntRange(1, 1_000_000), help="Most rows."
)
@click.argument("sql")
@click.pass_context
def query(ctx: click.Context, /, sql: str, form: str | None, limit: int, **options: Any) -> None:
    """Ask the store in SQL, read only: raywatch query "SELECT service, count(*) FROM spans GROUP BY 1"

    A running server is asked where there is one; without it the files are opened.
    """
    from raywatch import show

    rows = _rows(configure(ctx, options), "-" if sql == "-" else sql, limit)
    with suppress(BrokenPipeError):
        if form == "json":
            show.write_json(rows, sys.stdout)
        elif form == "csv":
            show.write_csv(rows, sys.stdout)
        else:
            terminal = show.console()
            terminal.print(show.arrow_table(rows))
            count = f"{rows.num_rows:,} {'row' if rows.num_rows == 1 else 'rows'}"
            more = "; there may be more, see --limit" if rows.num_rows == limit else ""
            terminal.print(f"{count}{more}", style="dim")


def _rows(config: Config, sql: str, limit: int) -> pa.Table:
    from raywatch import local, running

    if sql == "-":
        sql = sys.stdin.read()
    deadline = float(config.settings.limits.query_time)
    server = running.find(config.settings.data)
    if server is not None:
        return local.ask(server, sql, max_rows=limit, deadline=deadline)
    from collector.storage.store import StoreOptions, open_store

    if not (Path(config.settings.data) / "telemetry").is_dir():
        raise RaywatchError(f"there is no data in {config.settings.data} yet")
    with running.DataLock(config.settings.data):
        store = open_store(config.settings.data, StoreOptions(background=False))
        store.start()
        try:
            store.settle()
            return store.query_sql(sql, max_rows=limit, deadline=deadline)
        finally:
            store.close()


@main.group()
def config() -> None:
    """What the settings are and where they came from."""


@config.command("show")
@settings_options(*FLAGS)
@click.option("--json", "as_json", is_flag=True, help="As an object of name, value and source.")
@click.pass_context
def config_show(ctx: click.Context, /, as_json: bool, **options: Any) -> None:  # noqa: FBT001 -- click's way
    """Every setting, its value and where it came from. Secrets are not shown."""
    rows = configure(ctx, options).rows()
    if as_json:
        import json

        entries = [{"name": name, "value": value, "source": source} for name, value, source in rows]
        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    from raywatch import show

    show.console().print(show.settings_table(rows))


@config.command("reference", hidden=True)
def config_reference() -> None:
    """docs/configuration.md, as the settings make it."""
    from raywatch.config import reference

    click.echo(reference(), nl=False)


@config.command("aws-reference", hidden=True)
def config_aws_reference() -> None:
    """The tables of docs/aws-api.md, as the registry of operations makes them."""
    from dashboard.aws.reference import reference

    click.echo(reference(), nl=False)


@main.command()
@settings_options(*FLAGS)
@click.pass_context
def doctor(ctx: click.Context, /, **options: Any) -> None:
    """Look at versions, data directory, files, disk and ports; exit code 1 when something is wrong."""
    from rich.text import Text

    from raywatch import show
    from raywatch.doctor import examine

    terminal = show.console()
    marks = {"ok": ("ok", "green"), "warning": ("look", "yellow"), "error": ("bad", "bold red")}
    worst = 0
    for finding in examine(configure(ctx, options).settings):
        mark, style = marks[finding.level]
        terminal.print(Text.assemble(("  "), (f"{mark:<5}", style), f"{finding.subject:<38}", finding.text))
        worst = max(worst, finding.level == "error")
    sys.exit(int(worst))


@main.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Measure this machine: spans, log records and points per second, and what questions take."""
    from raywatch.bench.main import main as bench_main

    sys.exit(bench_main(list(arguments)))


@main.group()
def db() -> None:
    """Back the data up and put it back."""


@db.command("backup")
@settings_options("data")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.argument("path", type=click.Path(path_type=Path))
@click.pass_context
def db_backup(ctx: click.Context, /, path: Path, quiet: bool, **options: Any) -> None:  # noqa: FBT001
    """Copy everything into the new directory PATH, also while the server runs."""
    from collector.storage.backup import backup_closed
    from raywatch import local, running, show

    data = configure(ctx, options).settings.data
    server = running.find(data)
    if server is not None:
        done = show.follow("backing up", local.ask_backup(server, path), quiet=quiet)
    else:
        with running.DataLock(data):
            done = show.follow("backing up", backup_closed(Path(data), path), quiet=quiet)
    if not quiet:
        click.echo(f"{path}: {done / 2**20:,.1f} MiB; look at it with `raywatch --data {path}`")


@db.command("restore")
@settings_options("data")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.argument("path", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.pass_context
def db_restore(ctx: click.Context, /, path: Path, quiet: bool, **options: Any) -> None:  # noqa: FBT001
    """Put the backup in PATH into an empty data directory."""
    from collector.storage.backup import restore
    from raywatch import running, show

    data = configure(ctx, options).settings.data
    with running.DataLock(data):
        done = show.follow("restoring", restore(path, Path(data)), quiet=quiet)
    if not quiet:
        click.echo(f"{data}: {done / 2**20:,.1f} MiB")


@main.group()
def keys() -> None:
    """API keys: who may send, and log in to the pages."""


@keys.command("create")
@settings_options("data")
@click.option("--account", metavar="ID", help="Whose data is sent with it; the default account otherwise.")
@click.option("--region", metavar="NAME", help="And its region; with --aws it comes from each request.")
@click.option("--aws", is_flag=True, help="An access key for AWS SDKs and the AWS CLI.")
@click.option("--access", type=click.Choice(["all", "read", "write"]), help="What it may do, with --aws.")
@click.option("--service", "services", multiple=True, help="Only for this AWS service; may be repeated.")
@click.argument("name")
@click.pass_context
def keys_create(
    ctx: click.Context, /, name: str, account: str | None, region: str | None, **options: Any
) -> None:
    """Make a key. It is printed once and cannot be shown again; older keys stay valid."""
    from collector.storage.control import DEFAULT_ACCOUNT, DEFAULT_REGION

    aws, access, services = (options.pop(one) for one in ("aws", "access", "services"))
    if account and not (account.isdecimal() and len(account) == 12):
        raise RaywatchError("an account is 12 digits")
    if aws:
        if region:
            raise RaywatchError("an access key has no region; each request's signature names it")
        with _control(ctx, options) as control:
            _create_access_key(control, name, account or DEFAULT_ACCOUNT, access or "all", services)
        return
    if access or services:
        raise RaywatchError("--access and --service are for access keys; add --aws")
    with _control(ctx, options) as control:
        tenant = control.tenant_id(account or DEFAULT_ACCOUNT, region or DEFAULT_REGION)
        secret, key = control.create_key(name, time.time_ns(), tenant)
    click.echo(secret)
    click.echo(f"key {key.id} ({name}); send it as x-api-key or authorization: Bearer", err=True)


def _create_access_key(
    control: Control, name: str, account: str, access: Access, services: tuple[str, ...]
) -> None:
    from collector.storage.control_access import AccessKeys
    from dashboard.aws.registry import SERVICES

    for service in services:
        if service not in SERVICES:
            raise RaywatchError(f"there is no AWS service {service!r} here; there are {', '.join(SERVICES)}")
    keys = AccessKeys(control)
    secret, key = keys.create(name, time.time_ns(), account=account, access=access, services=services)
    click.echo(f"AWS_ACCESS_KEY_ID={key.id}\nAWS_SECRET_ACCESS_KEY={secret}")
    text = "from now on calls of the AWS APIs must be signed, or show an API key"
    click.echo(f"access key {key.id} ({name}) for account {account}; {text}", err=True)


@keys.command("list")
@settings_options("data")
@click.pass_context
def keys_list(ctx: click.Context, /, **options: Any) -> None:
    """All keys: name, when they were made and last used, whether they still work."""
    from collector.storage.control_access import AccessKeys
    from raywatch import show

    with _control(ctx, options) as control:
        found: list[tuple[ApiKey | AccessKey, str]] = [(one, "API key") for one in control.find_keys()]
        found += [(one, f"AWS, {_rights(one)}") for one in AccessKeys(control).find()]
    rows = [
        (one.id, one.name, kind, _when(one.created_ns), _when(one.last_used_ns),
         f"revoked {_when(one.revoked_ns)}" if one.revoked_ns else "alive")
        for one, kind in found
    ]  # fmt: skip
    show.console().print(show.simple_table(("id", "name", "kind", "made", "last used", "state"), rows))


def _rights(key: AccessKey) -> str:
    return f"{key.access} of {', '.join(key.services) or 'every service'} in {key.account}"


@keys.command("revoke")
@settings_options("data")
@click.argument("key_id")
@click.pass_context
def keys_revoke(ctx: click.Context, /, key_id: str, **options: Any) -> None:
    """End a key; a running server knows within seconds."""
    from collector.storage.control_access import AccessKeys

    with _control(ctx, options) as control:
        now_ns = time.time_ns()
        if not (control.revoke_key(key_id, now_ns) or AccessKeys(control).revoke(key_id, now_ns)):
            raise RaywatchError(f"there is no key {key_id} alive; `raywatch keys list` shows them")
    click.echo(f"key {key_id} is revoked", err=True)


@contextmanager
def _control(ctx: click.Context, options: Mapping[str, Any]) -> Iterator[Control]:
    """The control database, open: beside a running server too, as SQLite allows."""
    from collector.storage.control import Control

    settings = configure(ctx, options).settings
    if settings.in_memory:
        raise RaywatchError("keys need a data directory; :memory: forgets them")
    Path(settings.data).mkdir(mode=0o700, parents=True, exist_ok=True)
    control = Control(Path(settings.data) / "control.sqlite")
    control.start()
    try:
        yield control
    finally:
        control.close()


@main.command()
@settings_options("data")
@click.pass_context
def login(ctx: click.Context, /, **options: Any) -> None:
    """Print a new link that logs a browser in once."""
    from raywatch import running

    server = running.find(configure(ctx, options).settings.data)
    if server is None:
        raise RaywatchError("no server is running on this data; its start prints a link")
    with _control(ctx, options) as control:
        click.echo(f"{server.url}/login?token={control.create_login_token(time.time_ns())}")


def _when(time_ns: int | None) -> str:
    if not time_ns:
        return "never"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(time_ns / 1e9))


@main.command()
def version() -> None:
    """The version of Raywatch and of what it stands on."""
    import platform
    from importlib.metadata import version as version_of

    click.echo(f"raywatch {_version()}")
    click.echo(f"Python {platform.python_version()}, DuckDB {version_of('duckdb')}")
