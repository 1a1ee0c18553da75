"""Stands in for Kubernetes where there is none: an API server that knows one StatefulSet and its pods, and the
kubelet behind it. Pods are network namespaces of this machine, containers are process namespaces, and what is
asked of them comes from the real kubectl.

    kubernetes.py PREFIX COUNT DIR -- SERVER...

says `ready`, and takes everything down again at the end of its input."""
import base64, hashlib, http.server, json, os, secrets, signal, socket, struct, subprocess, sys, threading, time
from urllib.parse import parse_qs, urlparse

PREFIX, COUNT, DIR, SERVER = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[5:]
PORT, SET, LOCK = 8001, "db", threading.Lock()
# What containers get by default, and no more unless it is asked for.
RIGHTS = ["chown", "dac_override", "fsetid", "fowner", "mknod", "net_raw", "setgid", "setuid", "setfcap",
          "setpcap", "net_bind_service", "sys_chroot", "kill", "audit_write"]
statefulset = {"kind": "StatefulSet", "apiVersion": "apps/v1", "spec": {"replicas": COUNT},
               "metadata": {"name": SET, "namespace": "default", "uid": "set-1", "resourceVersion": "1"}}


def run(*words):
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def build():
    run("ip", "netns", "add", f"{PREFIX}-b")
    run("ip", "-n", f"{PREFIX}-b", "link", "add", "br0", "type", "bridge")
    run("ip", "-n", f"{PREFIX}-b", "link", "set", "br0", "up")
    for at in range(COUNT + 1):
        ns = f"{PREFIX}-{at}"
        run("ip", "netns", "add", ns)
        run("ip", "-n", ns, "link", "add", "eth0", "type", "veth", "peer", "name", f"p{at}", "netns", f"{PREFIX}-b")
        run("ip", "-n", f"{PREFIX}-b", "link", "set", f"p{at}", "master", "br0", "up")
        run("ip", "-n", ns, "addr", "add", f"10.98.0.{at}/24", "dev", "eth0")
        run("ip", "-n", ns, "link", "set", "eth0", "up")
        run("ip", "-n", ns, "link", "set", "lo", "up")


def control_groups():
    """Where a control group can be made: a container's identity is its name."""
    for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/freezer", "/sys/fs/cgroup/pids"]:
        try:
            if os.path.exists(f"{root}/cgroup.procs"):
                os.mkdir(f"{root}/{PREFIX}")
                return f"{root}/{PREFIX}"
        except OSError:
            pass
    sys.exit("no control group can be made")


def child(pid):
    """The first process in the namespace that this one has made."""
    for _ in range(1000):
        found = open(f"/proc/{pid}/task/{pid}/children").read().split()
        if found:
            return int(found[0])
        time.sleep(0.01)
    sys.exit("a container does not start")


def lives(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def limited(add):
    return ["setpriv", "--bounding-set", "-all," + ",".join("+" + right for right in RIGHTS + add)]


class Pod:
    def __init__(self, at):
        self.name, self.ns, self.address = f"{SET}-{at}", f"{PREFIX}-{at + 1}", f"10.98.0.{at + 1}"
        self.uid, self.leaves = f"{self.name}-1", None
        self.last, self.ephemeral, self.restarts, self.over = {}, {}, 0, False
        self.log = open(f"{DIR}/{self.name}.log", "ab")
        self.began = threading.Event()
        threading.Thread(target=self.keep, daemon=True).start()
        self.began.wait()

    def keep(self):
        """A kubelet starts a container that has ended again: at once, and later after a while."""
        while not self.over:
            self.id = secrets.token_hex(32)
            group = f"{GROUPS}/{self.id}"
            os.mkdir(group)
            inside = lambda: open(f"{group}/cgroup.procs", "w").write("0")
            data = f"{DIR}/{self.name}"
            os.makedirs(data, exist_ok=True)
            self.process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.ns}", "unshare", "-p", "-f", "--mount-proc", "--kill-child",
                 *SERVER], preexec_fn=inside, cwd=data, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
            self.pid = child(self.process.pid)
            self.running = True
            self.began.set()
            code = self.process.wait()
            with LOCK:
                self.running = False
                code = 128 - code if code < 0 else code
                self.last = {"terminated": {"exitCode": code, "reason": "Error", "containerID": f"containerd://{self.id}"}}
            for _ in range(100):
                try:
                    os.rmdir(group)
                    break
                except OSError:
                    time.sleep(0.01)
            time.sleep(min(self.restarts, 1))
            self.restarts += 1
            if self.leaves:
                self.replace()

    def delete(self):
        """Its containers are asked to end; only when they have, it goes, and another one comes."""
        self.leaves = self.leaves or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        for pid in [self.pid] + [pid for _, pid, _ in self.ephemeral.values()]:
            if lives(pid):
                os.kill(pid, signal.SIGTERM)

    def replace(self):
        time.sleep(1)
        with LOCK:
            self.uid, self.leaves = self.uid + "1", None
            self.last, self.ephemeral, self.restarts = {}, {}, 0

    def add(self, spec):
        context = spec.get("securityContext", {})
        with open(f"{DIR}/asked.jsonl", "a") as asked:
            asked.write(json.dumps(spec) + "\n")
        rights = [right.lower() for right in context.get("capabilities", {}).get("add", [])]
        inner = ["sh", "-c", 'mount -t proc proc /proc; mount -t tmpfs tmpfs /tmp; exec "$@"', "sh",
                 *limited(rights), *spec["command"], *spec.get("args", [])]
        if spec.get("targetContainerName"):
            outer = ["nsenter", "-t", str(self.pid), "-n", "-p", "unshare", "-m"]
        else:
            outer = ["nsenter", f"--net=/run/netns/{self.ns}", "unshare", "-m", "-p", "-f", "--kill-child"]
        keeper = subprocess.Popen(outer + inner, stdin=subprocess.DEVNULL, start_new_session=True)
        threading.Thread(target=keeper.wait, daemon=True).start()
        self.ephemeral[spec["name"]] = (spec, child(keeper.pid), rights)

    def json(self):
        stopped = self.last if self.leaves else {"waiting": {"reason": "CrashLoopBackOff"}}
        state = {"running": {}} if self.running else stopped
        status = {"name": "server", "image": "x", "imageID": "x", "ready": True, "restartCount": self.restarts,
                  "containerID": f"containerd://{self.id}", "state": state, "lastState": self.last}
        ephemeral = []
        for name, (_, pid, _) in self.ephemeral.items():
            state = {"running": {}} if lives(pid) else {"terminated": {"exitCode": 0}}
            ephemeral.append({"name": name, "image": "x", "imageID": "x", "ready": False, "restartCount": 0,
                              "containerID": "containerd://" + name, "state": state})
        owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": SET, "uid": "set-1", "controller": True}
        leaves = {"deletionTimestamp": self.leaves} if self.leaves else {}
        return {"kind": "Pod", "apiVersion": "v1",
                "metadata": {"name": self.name, "namespace": "default", "uid": self.uid, "resourceVersion": "1",
                             "ownerReferences": [owner], **leaves},
                "spec": {"containers": [{"name": "server", "image": "x"}],
                         "ephemeralContainers": [spec for spec, _, _ in self.ephemeral.values()]},
                "status": {"phase": "Running", "podIP": self.address, "containerStatuses": [status],
                           "ephemeralContainerStatuses": ephemeral}}


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, what, code=200, kind="application/json"):
        body = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, code, why):
        self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": why, "code": code}, code)

    def do_GET(self):
        url = urlparse(self.path)
        path = [part for part in url.path.split("/") if part]
        known = {
            "version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
            "api": {"kind": "APIVersions", "versions": ["v1"]},
            "apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
                 "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}}]},
            "api/v1": resources("v1", [("pods", "Pod", "po"), ("pods/exec", "PodExecOptions", None),
                                       ("pods/ephemeralcontainers", "Pod", None), ("pods/log", "Pod", None)]),
            "apis/apps/v1": resources("apps/v1", [("statefulsets", "StatefulSet", "sts")]),
        }
        if "/".join(path) in known:
            return self.answer(known["/".join(path)])
        if "statefulsets" in path and path[-1] == SET:
            return self.answer(statefulset)
        pod = self.pod(path)
        if pod is None:
            return self.refuse(404, f"{url.path} not found")
        rest, query = path[path.index("pods") + 2:], parse_qs(url.query)
        if not rest:
            with LOCK:
                return self.answer(pod.json())
        if rest == ["log"] and "previous" in query:
            return self.refuse(400, "previous terminated container not found")
        if rest == ["log"]:
            return self.answer(open(pod.log.name, "rb").read(), kind="text/plain")
        if rest == ["exec"]:
            return self.execute(pod, query)
        return self.refuse(404, f"{url.path} not found")

    do_POST = do_GET

    def do_PATCH(self):
        path = [part for part in urlparse(self.path).path.split("/") if part]
        patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "statefulsets" in path:
            statefulset["metadata"].update({k: v for k, v in patch["metadata"].items() if v is not None})
            return self.answer(statefulset)
        pod = self.pod(path)
        if pod is None or path[-1] != "ephemeralcontainers":
            return self.refuse(404, "not found")
        with LOCK:
            for spec in patch["spec"]["ephemeralContainers"]:
                if spec["name"] not in pod.ephemeral:
                    pod.add(spec)
            return self.answer(pod.json())

    def do_DELETE(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pod = self.pod([part for part in urlparse(self.path).path.split("/") if part])
        if pod is None:
            return self.refuse(404, "not found")
        with LOCK:
            pod.delete()
            return self.answer(pod.json())

    def pod(self, path):
        name = path[path.index("pods") + 1] if "pods" in path[:-1] else None
        return next((pod for pod in PODS if pod.name == name), None)

    def execute(self, pod, query):
        """The streams of a command, over a WebSocket: v5.channel.k8s.io."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.send_header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
        self.end_headers()
        self.close_connection = True
        _, keeper, rights = pod.ephemeral[query["container"][0]]
        process = subprocess.Popen(["nsenter", "-t", str(keeper), "-n", "-p", "-m", *limited(rights), *query["command"]],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)
        turn = threading.Lock()

        def send(payload, code=2):
            size = len(payload)
            head = bytes([0x80 | code])
            head += bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size) if size < 65536 else \
                b"\x7f" + struct.pack(">Q", size)
            try:
                with turn:
                    self.connection.sendall(head + payload)
            except OSError:
                pass

        def pump(channel, pipe):
            while data := pipe.read1(65536):
                send(bytes([channel]) + data)

        pumps = [threading.Thread(target=pump, args=(channel, pipe), daemon=True)
                 for channel, pipe in ((1, process.stdout), (2, process.stderr))]
        for thread in pumps:
            thread.start()

        def finish():
            process.wait()
            for thread in pumps:
                thread.join()
            send(b"\x03" + json.dumps({"metadata": {}, "status": "Success"}).encode())
            send(struct.pack(">H", 1000), 8)
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

        threading.Thread(target=finish, daemon=True).start()
        try:
            self.hear(process, send)
        except (OSError, ValueError, struct.error):
            pass
        try:
            process.stdin.close()
        except OSError:
            pass
        process.wait()

    def hear(self, process, send):
        read = self.rfile.read
        while head := read(2):
            code, size = head[0] & 15, head[1] & 127
            size = struct.unpack(">H", read(2))[0] if size == 126 else struct.unpack(">Q", read(8))[0] if size == 127 else size
            mask, data = read(4), read(size)
            wide = (mask * (size // 4 + 1))[:size]
            data = (int.from_bytes(data, "big") ^ int.from_bytes(wide, "big")).to_bytes(size, "big")
            if code == 9:
                send(data, 10)
            elif code == 8:
                return
            elif data[:1] == b"\x00":
                process.stdin.write(data[1:])
                process.stdin.flush()
            elif data[:1] == b"\xff":
                process.stdin.close()


def resources(version, kinds):
    every = [{"name": name, "kind": kind, "singularName": "", "namespaced": True,
              "verbs": ["get", "list", "patch", "create", "delete"], "shortNames": [short] if short else []}
             for name, kind, short in kinds]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": every}


if __name__ == "__main__":
    if os.environ.get("INSIDE") != PREFIX:
        build()
        os.environ["INSIDE"] = PREFIX
        os.execvp("nsenter", ["nsenter", f"--net=/run/netns/{PREFIX}-0", sys.executable, *sys.argv])
    GROUPS = control_groups()
    PODS = [Pod(at) for at in range(COUNT)]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    for pod in PODS:
        pod.over = True
        pod.process.kill()
    for pod in PODS:
        pod.process.wait()
    for at in range(COUNT + 1):
        run("ip", "netns", "del", f"{PREFIX}-{at}")
    run("ip", "netns", "del", f"{PREFIX}-b")
    for _ in range(200):
        try:
            for name in os.listdir(GROUPS):
                if os.path.isdir(f"{GROUPS}/{name}"):
                    os.rmdir(f"{GROUPS}/{name}")
            os.rmdir(GROUPS)
            break
        except OSError:
            time.sleep(0.02)
