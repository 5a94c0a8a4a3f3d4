"""What the program listens on: addresses of the settings, who is let in there, busy ports explained."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from collector.errors import RaywatchError
from collector.receivers.listen import is_loopback
from raywatch.settings import Settings


@dataclass(frozen=True, slots=True)
class Bind:
    """A host and a port; `setting` is where they come from."""

    host: str
    port: int
    setting: str
    datagrams: bool = False


@dataclass(frozen=True, slots=True)
class Binds:
    """The pages' address, and those of the receivers, None where one is off."""

    pages: Bind
    otlp_http: Bind | None
    otlp_grpc: Bind | None
    xray_udp: Bind | None = None
    xray_tcp: Bind | None = None

    def all(self) -> list[Bind]:
        """Those that are on."""
        every = (self.pages, self.otlp_http, self.otlp_grpc, self.xray_udp, self.xray_tcp)
        return [one for one in every if one is not None]


def binds(settings: Settings) -> Binds:
    """Where to listen."""
    udp = _parse(settings.xray_udp, "localhost", "xray_udp")
    return Binds(
        Bind(settings.host, settings.port, "port"),
        _parse(settings.otlp_http, settings.host, "otlp_http"),
        _parse(settings.otlp_grpc, settings.host, "otlp_grpc"),
        udp and replace(udp, datagrams=True),
        _parse(settings.xray_tcp, settings.host, "xray_tcp"),
    )


def _parse(text: str, host: str, setting: str) -> Bind | None:
    if text == "off":
        return None
    given, _, port = text.rpartition(":")
    return Bind(given.strip("[]") or host, int(port), setting)


def refuse_open_doors(wanted: Binds, *, any_key: bool, auth: str) -> None:
    """Raise RaywatchError when others could reach it without saying who they are.

    Datagrams are left out: nobody can be asked there, and their address is another than localhost only when
    a person named one for them alone.
    """
    outside = next((one for one in wanted.all() if not one.datagrams and not is_loopback(one.host)), None)
    if outside is None or (any_key and auth != "off"):
        return
    setting = "host" if outside.setting == "port" else outside.setting
    how = (
        "set auth to auto or on (it is off)"
        if any_key
        else "make a key first with `raywatch keys create NAME`, or set RAYWATCH_API_KEYS"
    )
    raise RaywatchError(
        f"{outside.host or 'every address'} ({setting}) can be reached from other machines, and nobody would "
        f"be asked for a key; {how}. Or listen on localhost."
    )


def explain_busy(message: str, wanted: Binds) -> str:
    """A message about a port that is taken, with who has it and which setting chooses another."""
    for one in wanted.all():
        if one.datagrams != ("UDP" in message):
            continue
        if one.port and f":{one.port}:" in message + ":" and "uses this port" in message:
            owner = port_owner(one.port, datagrams=one.datagrams)
            flag = "--" + one.setting.replace("_", "-")
            off = "" if one.setting == "port" else "; `off` does without it"
            kind = "UDP port" if one.datagrams else "port"
            return (
                f"{kind} {one.port} is in use{' by ' + owner if owner else ''}; "
                f"stop that program or choose another port with {flag} or RAYWATCH_{one.setting.upper()}{off}"
            )
    return message


def port_owner(port: int, *, datagrams: bool = False) -> str:
    """'name (pid 42)' of who listens on a TCP or UDP port, '' where the system does not tell."""
    inodes = set()
    protocol, listening = ("udp", "07") if datagrams else ("tcp", "0A")
    for table in (f"/proc/net/{protocol}", f"/proc/net/{protocol}6"):
        with suppress(OSError):
            for line in Path(table).read_text("ascii").splitlines()[1:]:
                parts = line.split()
                if parts[3] == listening and int(parts[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{parts[9]}]")
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        with suppress(OSError):
            if any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""
