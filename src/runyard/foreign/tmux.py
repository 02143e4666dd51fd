"""tmux: the sessions of a server, whose they are, and their end. A server is known by the path of its socket.

Sessions are always named exactly (`=NAME`): without that tmux takes the first one whose name begins so. What is gone,
or a server that is not there, is empty, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping

from runyard.foreign import command

TIMEOUT_S = 30.0


def sessions(socket: str, option: str) -> dict[str, str]:
    """The names of all sessions of this server, each with its value of this option ("": it has none)."""
    told = _tmux(socket, "list-sessions", "-F", f"#{{session_name}}:#{{{option}}}")
    pairs = (line.partition(":") for line in told.splitlines())
    return {name: value for name, _, value in pairs}


def processes(socket: str, session: str) -> list[int]:
    """The pids of the programs that this session has started."""
    told = _tmux(socket, "list-panes", "-s", "-t", f"={session}:", "-F", "#{pane_pid}")
    return [int(line) for line in told.split()]


def screen(socket: str, session: str) -> str:
    """What a session shows, with what has scrolled away of it."""
    return _tmux(socket, "capture-pane", "-p", "-S", "-", "-t", f"={session}:").rstrip("\n")


def end(socket: str, session: str) -> None:
    """End a session; what runs in it is hung up."""
    _tmux(socket, "kill-session", "-t", f"={session}")


def attaching(socket: str, session: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The program that shows a session in a terminal with this environment, which may be one of tmux itself."""
    inside = environ.get("TMUX", "")
    own = ("tmux", "-S", socket)
    if not inside:
        return (*own, "attach-session", "-t", f"={session}")
    if inside.rsplit(",", 2)[0] == socket:
        return (*own, "switch-client", "-t", f"={session}")
    return ("env", "-u", "TMUX", *own, "attach-session", "-t", f"={session}")  # a session of another server


def _tmux(socket: str, *words: str) -> str:
    done = command.run(["tmux", "-u", "-S", socket, *words], TIMEOUT_S)
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else ""
