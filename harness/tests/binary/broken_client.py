"""A client of a register on Redis that breaks one rule of the protocol: the one that it is told to break."""
import json
import socket
import sys
import threading
import time

BREAKS = sys.argv[1]
# A busy machine takes a while to kill what is waited for.
TIMEOUT = 5.0 if BREAKS == "fails-after-a-reset" else 1.0
CACHE = {}
PROCESS = 0
# Whatever the environment says about buffers.
OUT = open(1, "w", buffering=1 << 16, closefd=False)


def say(message):
    if BREAKS == "invalid-json":
        print(message, file=OUT, flush=True)  # as Python writes it, in single quotes
    else:
        print(json.dumps(message), file=OUT, flush=BREAKS != "no-flush")


class Server:
    def __init__(self, address, port):
        self.where = (address, port)
        self.file = None

    def call(self, *words):
        if self.file is None:
            self.file = socket.create_connection(self.where, TIMEOUT).makefile("rwb")
        words = [str(word).encode() for word in words]
        bulk = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        self.file.write(b"*%d\r\n" % len(words) + bulk)
        self.file.flush()
        line = self.file.readline()
        if not line.endswith(b"\r\n") or line[:1] == b"-":
            self.file = None
            raise OSError(line.decode())
        if line[:1] != b"$":
            return line[1:-2].decode()
        length = int(line[1:])
        return None if length < 0 else self.file.read(length + 2)[:-2].decode()


CAS = "if redis.call('GET',KEYS[1]) ~= ARGV[1] then return '0' end redis.call('SET',KEYS[1],ARGV[2]) return '1'"


def late(server, *words):
    time.sleep(0.03)
    Server(*server.where).call(*words)


def perform(server, f, key, value):
    name = f"broken-{key}"
    if BREAKS == "fails-among-others" and 1 <= PROCESS <= 4:
        raise LookupError("refused")
    if BREAKS == "doubts-everything":
        raise OSError("perhaps")
    if f == "read":
        if BREAKS == "stale-cache" and name in CACHE:
            return CACHE[name]
        held = server.call("GET", name)
        CACHE[name] = None if held is None else int(held)
        return held if BREAKS == "value-shape" else CACHE[name]
    if f == "write":
        if BREAKS == "answers-first":
            threading.Thread(target=late, args=(server, "SET", name, value)).start()
            return value
        server.call("SET", name, value)
        if BREAKS == "fails-what-happened" and value % 4 == 0:
            raise LookupError("error")
        CACHE[name] = value
        return value
    if f == "cas":
        if server.call("EVAL", CAS, 1, name, *value) != "1":
            raise LookupError("precondition")
        return value
    if BREAKS == "ok-to-unknown":
        return value
    if BREAKS == "dies-on-unknown":
        sys.exit(f"what is {f}?")
    raise LookupError("unsupported")


def answer(server, message):
    key, value = message["value"]
    said = {"id": message["id"] + (BREAKS == "wrong-id")}
    try:
        said.update(type="ok", value=[key, perform(server, message["f"], key, value)])
    except LookupError as error:
        said.update(type="fail", error=str(error.args[0]))
    except OSError as error:
        late = "timeout" if isinstance(error, TimeoutError) else "reset"
        certain = BREAKS in ("fails-in-doubt", f"fails-after-a-{late}")
        said.update(type="fail" if certain else "info", error=f"broken: {error}")
    say(said)
    if BREAKS == "answers-twice":
        say(said)


def main():
    global PROCESS
    server = None
    if BREAKS == "banner":
        print("broken client 1.0, ready", file=OUT, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "init":
            if BREAKS == "dies-at-init":
                sys.exit("I do not like this")
            PROCESS = message["process"]
            server = Server(message["address"], message["port"])
            say({"type": "init_ok"})
        elif message["type"] == "setup":
            say({"type": "setup_ok" if BREAKS != "no-setup" else "ok", "id": 0})
        elif message["type"] == "invoke":
            answer(server, message)
    if BREAKS == "hangs-on-close":
        time.sleep(60)


main()
