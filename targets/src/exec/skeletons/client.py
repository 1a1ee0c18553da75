#!/usr/bin/env python3
"""A client of a register (and of a set) on Redis, for Duress. Change `Server` to talk to your system.

Duress starts this program once per connection, writes one JSON message per line to its standard input, and
reads one answer per line from its standard output. Everything else belongs on standard error.
"""
import json
import socket
import sys

TIMEOUT = 1.0  # seconds: less than Duress waits, so that it is we who say what is in doubt


class Failed(Exception):
    """It certainly has not happened."""


class InDoubt(Exception):
    """It may have happened, or may yet."""


class Server:
    """One connection to one Redis server, opened when it is needed."""

    def __init__(self, address, port):
        self.where = (address, port)
        self.file = None

    def call(self, *words):
        """Sends one command, once, and returns its reply. Never repeat a command: it may be done twice."""
        if self.file is None:
            try:
                connection = socket.create_connection(self.where, TIMEOUT)
            except OSError as error:
                # Nothing has been sent: that is certain. `refused` lets Duress rest for a moment.
                raise Failed(f"refused: {error}")
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.file = connection.makefile("rwb")
        request = f"*{len(words)}\r\n"
        for word in map(str, words):
            request += f"${len(word.encode())}\r\n{word}\r\n"
        try:
            self.file.write(request.encode())
            self.file.flush()
            return self.reply()
        except (OSError, ValueError) as error:
            # From the first byte on nobody knows. This connection is not used again.
            self.file = None
            raise InDoubt(f"{type(error).__name__}: {error}")

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("closed before the reply")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            # Redis says some errors instead of doing anything; of the others we do not know.
            error = rest.decode(errors="replace")
            certain = error.startswith(("LOADING", "MISCONF", "OOM", "READONLY", "BUSY", "NOAUTH"))
            raise (Failed if certain else InDoubt)(error)
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        length = int(rest)
        if kind == b"*":
            return [self.reply() for _ in range(length)]
        return None if length < 0 else self.file.read(length + 2)[:-2].decode()


# One command does it all, so that only one thing can be in doubt.
CAS = "if redis.call('GET',KEYS[1]) ~= ARGV[1] then return 0 end redis.call('SET',KEYS[1],ARGV[2]) return 1"


def register(server, f, key, value):
    """Returns what the question's null stands for, or None where there is none."""
    name = f"register-{key}"
    if f == "read":
        held = server.call("GET", name)
        return None if held is None else int(held)
    if f == "write":
        server.call("SET", name, value)
        return value
    if f == "cas":
        old, new = value
        if server.call("EVAL", CAS, 1, name, old, new) != 1:
            raise Failed("precondition: the value was another")
        return value
    raise Failed("unsupported")


def add_and_read(server, f, key, value):
    """A set of whole numbers."""
    name = f"set-{key}"
    if f == "add":
        server.call("SADD", name, value)
        return value
    if f == "read":
        return [int(element) for element in server.call("SMEMBERS", name)]
    raise Failed("unsupported")


WORKLOADS = {"register": register, "set": add_and_read}


def say(message):
    # Without the flush Duress would wait for ever.
    print(json.dumps(message), flush=True)


def main():
    server = perform = None
    # Ends when Duress says `close`, or is gone: then there are no more lines.
    for line in sys.stdin:
        message = json.loads(line)
        kind = message["type"]
        if kind == "init":
            perform = WORKLOADS.get(message["workload"])
            if perform is None:
                say({"type": "fail", "error": f"unsupported: no workload {message['workload']}"})
                continue
            server = Server(message["address"], message.get("port", 6379))
            say({"type": "init_ok"})
        elif kind == "setup":
            # Make tables here, and make it no error if they are there. Redis needs nothing.
            say({"type": "setup_ok"})
        elif kind == "invoke":
            key, value = message["value"]
            answer = {"id": message["id"]}
            try:
                result = perform(server, message["f"], key, value)
                answer.update(type="ok", value=[key, result])
            except Failed as error:
                answer.update(type="fail", error=str(error))
            except Exception as error:  # whatever else went wrong: who knows what has been done
                answer.update(type="info", error=str(error) or type(error).__name__)
            say(answer)
        elif kind == "close":
            return


main()
