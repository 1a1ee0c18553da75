//! Files that are right, and every mistake in one with the sentence that it gets.

use super::*;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

const GOOD: &str = r#"
name = "my-db"
workloads = ["register", "set"]

[nodes]
default = 3
max = 5

[ports]
client = 7000
peer = 7001

[server]
start = "sh -c 'exec serve {port.client}' --peers {peers:{node}={address}:{port.peer}} {each peers:--join={node}} --sync={set.sync}"
first = ["sh", "--first", "--dir={data}"]
env = { MODE = "{set.sync}" }
stop = "SIGINT"

[health]
send = "PING\r\n"
says = "PONG"

[leader]
command = "sh -c 'echo {node}'"
term-after = "term="

[client]
command = "sh {here}/client.sh"

[settings.sync]
default = "yes"
doc = "whether"
one-of = ["yes", "no"]

[workload.set]
table = "sets"

[refuses]
clock = "it says that it trusts clocks"
"#;

/// A server that answers everybody like this, and nobody when absent; at which port.
fn server(answer: Option<&'static str>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let Some(answer) = answer else {
                silent.push(stream);
                continue;
            };
            let _ = stream.read(&mut [0; 4_096]).and_then(|_| stream.write_all(answer.as_bytes()));
        }
    });
    port
}

/// What is said of a node at this port that is asked like this.
async fn health(asked: &str, port: u16) -> Result<(), &'static str> {
    let text = GOOD.replace("send = \"PING\\r\\n\"\nsays = \"PONG\"", asked);
    let text = text.replace("client = 7000", &format!("client = {port}"));
    let text = if asked.is_empty() { text.replace("[health]\n", "") } else { text };
    let target = (declare(&text).expect("a target").make)(&Settings::default(), "register").expect("made");
    let node = Node { name: "n1".to_owned(), addr: [127, 0, 0, 1].into() };
    target.healthy(&node).await.map_err(|error| error.class)
}

#[tokio::test]
async fn only_who_says_so_is_healthy() {
    let (sent, url, connects) = (
        "send = \"PING\\r\\n\"\nsays = \"PONG\"",
        "url = \"http://{address}:{port.client}/health\"\nsays = \"fine\"",
        "",
    );
    for (asked, answer, expected) in [
        (sent, Some("+PONG\r\n"), Ok(())),
        (sent, Some("-LOADING\r\n"), Err("unhealthy")),
        (sent, None, Err("timeout")),
        (url, Some("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine"), Ok(())),
        (url, Some("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nstarting"), Err("unhealthy")),
        (url, Some("HTTP/1.1 503 No\r\ncontent-length: 8\r\n\r\nnot fine"), Err("http")),
        (url, None, Err("timeout")),
        (connects, None, Ok(())),
    ] {
        assert_eq!(health(asked, server(answer)).await, expected, "{asked}: {answer:?}");
    }
    // Nobody listens there any more.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|gone| gone.local_addr()).expect("a port").port();
    for asked in [sent, url, connects] {
        assert_eq!(health(asked, port).await, Err(ClientError::REFUSED), "{asked}");
    }
}

/// A directory with the client of [`GOOD`].
fn home() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("client.sh"), "exit 0\n").expect("written");
    dir
}

fn declare(text: &str) -> Result<TargetEntry, String> {
    entry(Path::new("my-db.toml"), text, (home().path(), Here::All)).map_err(|problem| problem.to_string())
}

fn nodes() -> Vec<Node> {
    (1..=3).map(|n: u8| Node { name: format!("n{n}"), addr: [10, 77, 0, n].into() }).collect()
}

#[test]
fn a_file_becomes_a_target() {
    let entry = declare(GOOD).expect("it is right");
    assert_eq!((entry.name.as_str(), entry.default_nodes, entry.max_nodes), ("my-db", 3, Some(5)));
    assert_eq!(entry.ports, [7000, 7001]);
    assert_eq!(entry.workloads, ["register", "set"]);
    assert_eq!(entry.refuses[0].place, "my-db.toml:39");
    let typed = Settings([("sync".to_owned(), "no".to_owned())].into());
    let target = (entry.make)(&typed, "register").expect("a target");
    let Server::Processes(launch) = target.server() else { unreachable!("it has processes") };
    let nodes = nodes();
    let args = launch.args(&nodes, &nodes[1], Path::new("/data"));
    let expected = [
        "-c",
        "exec serve 7000",
        "--peers",
        "n1=10.77.0.1:7001,n3=10.77.0.3:7001",
        "--join=n1",
        "--join=n3",
        "--sync=no",
    ];
    assert_eq!(args, expected);
    assert_eq!(launch.args(&nodes, &nodes[0], Path::new("/data")), ["--first", "--dir=/data"]);
    assert_eq!(launch.env(), [("MODE".to_owned(), "no".to_owned())]);
    assert_eq!(launch.stopping(&nodes, &nodes[0]), Stopping::Signal(libc::SIGINT));
    assert_eq!(launch.files(&nodes, &nodes[0], Path::new("/data")), ServerFiles::default());
    assert!(matches!(launch.source(), Source::Named { place: "my-db.toml:14", .. }));
    assert!(target.keeps_data(), "`start` says nothing of {{data}}");
    let refused = (entry.make)(&Settings([("sync".to_owned(), "maybe".to_owned())].into()), "set");
    assert_eq!(
        refused.err().map(|e| e.to_string()).expect("refused"),
        "sync=maybe cannot be: it takes yes or no"
    );
}

#[test]
fn a_server_that_duress_knows_is_obtained() {
    let text = GOOD
        .replace("sh -c 'exec serve {port.client}'", "redis-server")
        .replace("\"sh\", ", "\"redis-server\", ");
    let text = text.replace("--peers", "--dir={data} --peers");
    let target = (declare(&text).expect("right").make)(&Settings::default(), "set").expect("a target");
    assert!(!target.keeps_data());
    let Server::Processes(launch) = target.server() else { unreachable!("it has processes") };
    assert!(matches!(launch.source(), Source::Recipe(recipe) if recipe.server == "redis-server"));
}

#[test]
fn a_server_works_where_the_file_says() {
    let text = GOOD.replace(
        "stop = \"SIGINT\"",
        "stop = \"SIGINT\"\ndir = \"{data}\"\nlogs = [\"{data}/{node}.log\", \"logs\"]",
    );
    let target = (declare(&text).expect("right").make)(&Settings::default(), "set").expect("a target");
    let Server::Processes(launch) = target.server() else { unreachable!("it has processes") };
    let nodes = nodes();
    let files = launch.files(&nodes, &nodes[1], Path::new("/data"));
    assert_eq!(files.dir.as_deref(), Some(Path::new("/data")));
    assert_eq!(files.logs[0], Path::new("/data/n2.log"));
    assert!(files.logs[1].is_absolute() && files.logs[1].ends_with("logs"), "{:?}", files.logs);
}

#[test]
fn a_file_is_text_whatever_editor_wrote_it() {
    let home = home();
    let path = home.path().join("my-db.toml");
    std::fs::write(&path, format!("\u{feff}{GOOD}")).expect("written");
    assert_eq!(read(&path, false).map(|entry| entry.name), Ok("my-db".to_owned()));
    std::fs::write(&path, [GOOD.as_bytes(), b"# caf\xe9\n"].concat()).expect("written");
    let told = read(&path, false).err().expect("refused").to_string();
    assert!(told.ends_with("my-db.toml:40: it is no UTF-8; save it in that encoding"), "{told}");
}

#[test]
fn programs_of_an_image_are_looked_for_in_there() {
    let text = GOOD
        .replace("sh -c 'exec serve {port.client}'", "./bin/redis-server")
        .replace("\"sh\", ", "\"./bin/redis-server\", ")
        .replace("stop = \"SIGINT\"", "stop = \"SIGINT\"\nrootfs = \"/\"")
        .replace("command = \"sh -c", "command = \"/opt/health -c");
    let target = (declare(&text).expect("right").make)(&Settings::default(), "set").expect("a target");
    let Server::Processes(launch) = target.server() else { unreachable!("it has processes") };
    assert_eq!(launch.rootfs(), Some(Path::new("/")));
    let Source::Named { program, .. } = launch.source() else { unreachable!("nothing of it is obtained") };
    assert_eq!(program, Path::new("/./bin/redis-server"));
}

/// On hosts the same file is read without its programs, which are there or not, and says what has to be there.
#[test]
fn what_hosts_need_is_known_and_is_where_they_have_it() {
    let text = GOOD
        .replace("sh -c 'exec serve {port.client}'", "./serve {here}/conf/a.toml")
        .replace("\"sh\", ", "\"./serve\", ")
        .replace("command = \"sh -c", "command = \"no-such-program -c")
        .replace("[health]\nsend = \"PING\\r\\n\"", "[health]\ncommand = \"./health {address}\"");
    let home = home();
    assert!(entry(Path::new("my-db.toml"), &text, (home.path(), Here::All)).is_err());
    let there =
        entry(Path::new("my-db.toml"), &text, (home.path(), Here::NoNodes)).expect("programs are elsewhere");
    let target = (there.make)(&Settings::default(), "set").expect("a target");
    let Server::Processes(launch) = target.server() else { unreachable!("it has processes") };
    let needs = launch.needs();
    assert_eq!(needs.folder, home.path());
    let files: Vec<_> = needs.files.iter().map(|named| named.path.to_str().expect("plain")).collect();
    assert_eq!(files, ["conf/a.toml", "serve", "serve", "health"]);
    let programs: Vec<_> = needs.programs.iter().map(|named| (named.path.as_path(), &*named.place)).collect();
    assert_eq!(programs, [(Path::new("no-such-program"), "my-db.toml:24")]);
    let first = || launch.args(&nodes(), &nodes()[1], Path::new("/data"))[0].clone();
    assert_eq!(first(), home.path().join("conf/a.toml").display().to_string());
    launch.moved(Path::new("/there"));
    assert_eq!(first(), "/there/conf/a.toml");
}

/// What its clients need is what their command names when it is seen from the file, and no more.
#[test]
fn what_clients_need_elsewhere_is_known_and_is_all_that_they_need_there() {
    let text = GOOD.replace(
        "command = \"sh {here}/client.sh\"",
        "command = \"sh ./client.sh lib --set={set.sync} sh / -v\"\nfiles = [\"data\"]\nenv = { X = \"{here}/x\" }",
    );
    let (home, there) = (home(), tempfile::tempdir().expect("a directory"));
    for file in ["lib", "data", "sh", "x", "other"] {
        std::fs::write(home.path().join(file), "").expect("written");
    }
    let here = entry(Path::new("my-db.toml"), &text, (home.path(), Here::NoNodes)).expect("right");
    let needs = (here.make)(&Settings::default(), "set").expect("a target").client_needs();
    let files: Vec<_> = needs.files.iter().map(|named| named.path.to_str().expect("plain")).collect();
    assert_eq!((needs.folder.as_path(), files), (home.path(), vec!["client.sh", "lib", "sh", "x", "data"]));

    // Nor is a script of the servers.
    let text = text.replace("sh -c 'exec serve {port.client}'", "sh {here}/serve.sh");
    let declaration = Declaration { path: "my-db.toml".into(), text };
    let arrive =
        || clients_of(&declaration, there.path()).map(|entry| (entry.make)(&Settings::default(), "set"));
    let lacks = arrive().err().expect("its files are not there").to_string();
    assert!(lacks.contains("there is no file `./client.sh`"), "{lacks}");
    for file in ["client.sh", "data"] {
        std::fs::write(there.path().join(file), "").expect("written");
    }
    let (program, _) = arrive().expect("right").expect("a target").client_program().expect("a program");
    assert_eq!(
        (program.dir.as_deref(), &program.env["X"]),
        (Some(there.path()), &there.path().join("x").display().to_string())
    );
}

/// What is changed in the file, and what is said about it.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("start = \"sh", "strat = \"sh", "my-db.toml:14: unknown key `strat` in [server]; did you mean `start`?"),
    ("[health]", "[healht]", "my-db.toml:19: unknown key `healht` in the file; did you mean `health`?"),
    ("default = 3", "defualt = 3", "my-db.toml:6: unknown key `defualt` in [nodes]; did you mean `default`?"),
    (
        "stop = \"SIGINT\"",
        "quit = \"SIGINT\"",
        "my-db.toml:17: unknown key `quit` in [server]; there is start, first, env, user, stop, version, rootfs, dir, logs",
    ),
    (
        "default = 3",
        "default = \"three\"",
        "my-db.toml:6: `default` is the text \"three\"; write a whole number",
    ),
    ("default = 3", "default = 12", "my-db.toml:6: `default` is 12, which is out of range; use 1 to 9"),
    (
        "default = 3",
        "default = 6",
        "my-db.toml:6: by default there are 6 nodes, and 5 at most; raise `max`, or lower `default`",
    ),
    (
        "client.sh\"",
        "client.sh\"\nfiles = [\"nowhere\"]",
        "my-db.toml:29: there is no file `nowhere`; check the path, seen from this file",
    ),
    ("client = 7000", "client = 70000", "my-db.toml:10: port 70000 is out of range; use 1 to 65535"),
    (
        "client = 7000",
        "client = 7001",
        "my-db.toml:11: ports `peer` and `client` are both 7001; give each port a number of its own",
    ),
    (
        "client = 7000",
        "clients = 7000",
        "my-db.toml:9: [ports] has no `client`; add the port that clients talk to: client = 7000",
    ),
    ("peer = 7001", "client = 7001", "my-db.toml:11: `client` is there twice; leave one out"),
    (
        "\"register\", \"set\"",
        "\"register\", \"sets\"",
        "my-db.toml:3: there is no workload `sets`; did you mean `set`?",
    ),
    (
        "\"register\", \"set\"",
        "\"set\", \"set\"",
        "my-db.toml:3: the workload `set` is there twice; leave one out",
    ),
    (
        "[\"register\", \"set\"]",
        "[]",
        "my-db.toml:3: there are no workloads; name those that its clients can do: workloads = [\"register\"]",
    ),
    (
        "[\"register\", \"set\"]",
        "\"register\"",
        "my-db.toml:3: `workloads` is the text \"register\"; write a list, [\"…\", \"…\"]",
    ),
    (
        "workloads = [\"register\", \"set\"]",
        "",
        "my-db.toml:1: the file has no `workloads`; add `workloads`: see `duress docs own-cluster`",
    ),
    (
        "name = \"my-db\"",
        "name = \"my db\"",
        "my-db.toml:2: `my db` cannot be a name; use letters, digits and dashes: it becomes part of file names",
    ),
    (
        "--peers",
        "{adress}",
        "my-db.toml:14: `{adress}` is nothing that is filled in; did you mean `address`? A brace is {{",
    ),
    (
        "{port.client}",
        "{port.cleint}",
        "my-db.toml:14: `{port.cleint}`: there is no such port; did you mean `client`?",
    ),
    (
        "--sync={set.sync}",
        "{set.snyc}",
        "my-db.toml:14: `{set.snyc}`: there is no such setting; did you mean `sync`?",
    ),
    (
        "MODE = \"{set.sync}\"",
        "MODE = \"{node}\"",
        "my-db.toml:16: `{node}` is not known here; use `here`, `port.NAME` or `set.NAME`: clients are told their node, and environments are the same for all",
    ),
    (
        "echo {node}",
        "echo {data}",
        "my-db.toml:24: `{data}` is not known here; only the server is told where its data is",
    ),
    (
        "{each peers:--join={node}}",
        "| tee log",
        "my-db.toml:14: `|` needs a shell, and none is run; write [\"sh\", \"-c\", \"…\"]",
    ),
    ("'exec serve {port.client}'", "'exec serve", "my-db.toml:14: the quote ' is not closed; close it"),
    (
        "[\"sh\", \"--first\"",
        "[\"bash\", \"--first\"",
        "my-db.toml:15: `first` starts `bash`, and `start` starts `sh`; let both start the same program",
    ),
    (
        "\"SIGINT\"",
        "\"SIGNIT\"",
        "my-db.toml:17: `SIGNIT` is no signal that ends a server; did you mean `SIGINT`?",
    ),
    (
        "stop = \"SIGINT\"",
        "stop = \"SIGINT\"\nusr = \"nobody\"",
        "my-db.toml:18: unknown key `usr` in [server]; did you mean `user`?",
    ),
    (
        "stop = \"SIGINT\"",
        "stop = \"SIGINT\"\nrootfs = \"none.tar\"",
        "my-db.toml:18: there is no image `none.tar`; check the path, seen from this file; `docker save IMAGE -o image.tar` writes one",
    ),
    (
        "command = \"sh -c",
        "command = \"no-such-program -c",
        "my-db.toml:24: there is no program `no-such-program` on PATH; install it, or write its path",
    ),
    (
        "sh {here}/client.sh",
        "sh {here}/cleint.sh",
        "my-db.toml:28: there is no file `{here}/cleint.sh`; check the path, seen from this file",
    ),
    (
        "sh {here}/client.sh",
        "sh cleint.sh",
        "my-db.toml:28: there is no file `cleint.sh`; check the path, seen from this file",
    ),
    (
        "--peers",
        "server.py",
        "my-db.toml:14: `server.py` is not where the server works; servers work in directories of their own: write {here}/…, or set `dir`",
    ),
    (
        "--peers",
        "{here}/server.py",
        "my-db.toml:14: there is no file `{here}/server.py`; check the path, seen from this file",
    ),
    (
        "stop = \"SIGINT\"",
        "dir = \"etc\"",
        "my-db.toml:17: there is no directory `etc`; check the path, seen from this file",
    ),
    (
        "stop = \"SIGINT\"",
        "logs = \"{data}/log\"",
        "my-db.toml:17: `logs` is the text \"{data}/log\"; write a list, [\"…\", \"…\"]",
    ),
    ("MODE = \"{set.sync}\"", "MODE = 1", "my-db.toml:16: `MODE` is the number `1`; write a text, in quotes"),
    (
        "env = { MODE = \"{set.sync}\" }",
        "env = [\"MODE=1\"]",
        "my-db.toml:16: `env` is a list; write a table, { NAME = \"value\" }",
    ),
    (
        "[settings.sync]",
        "start-timeout = 10\n[settings.sync]",
        "my-db.toml:30: `start-timeout` is the number `10`; write a length of time, in quotes: \"10s\"",
    ),
    (
        "[settings.sync]",
        "start-timeout = \"ten\"\n[settings.sync]",
        "my-db.toml:30: `ten` is no length of time; write one like \"10s\"",
    ),
    (
        "[settings.sync]",
        "start-timeout = \"0s\"\n[settings.sync]",
        "my-db.toml:30: `0s` is no time at all; write one like \"10s\"",
    ),
    (
        "name = \"my-db\"",
        "name = fixed",
        "my-db.toml:2: `name` is `fixed`, without quotes; a text needs them: \"fixed\"",
    ),
    (
        "name = \"my-db\"",
        "name = my-db # mine",
        "my-db.toml:2: `name` is `my-db`, without quotes; a text needs them: \"my-db\"",
    ),
    (
        "{ MODE = \"{set.sync}\" }",
        "{ A = \"1\", MODE = true-ish }",
        "my-db.toml:16: `MODE` is `true-ish`, without quotes; a text needs them: \"true-ish\"",
    ),
    (
        "\"sh -c 'exec serve {port.client}' --peers {peers:{node}={address}:{port.peer}} {each peers:--join={node}} --sync={set.sync}\"",
        "\"\"\"sh -c 'exec serve'\n  --node={node}\n  --there={frist}\"\"\"",
        "my-db.toml:16: `{frist}` is nothing that is filled in; did you mean `first`? A brace is {{",
    ),
    (
        "first = [\"sh\", ",
        "first = [\n  \"sh\",\n  \"{adress}\",\n ",
        "my-db.toml:17: `{adress}` is nothing that is filled in; did you mean `address`? A brace is {{",
    ),
    (
        "command = \"sh {here}/client.sh\"",
        "command = [\"sh\",\n  \"{here}/cleint.sh\"]",
        "my-db.toml:29: there is no file `{here}/cleint.sh`; check the path, seen from this file",
    ),
    ("[leader]", "[health]", "my-db.toml:23: `health` is there twice; leave one out"),
    (
        "sh {here}/client.sh",
        "./nowhere.sh",
        "my-db.toml:28: there is no program `HERE/./nowhere.sh`; check the path",
    ),
    (
        "send = \"PING\\r\\n\"",
        "",
        "my-db.toml:19: [health] asks nothing; give it a `command`, a `url` or a `send`, or leave it out",
    ),
    (
        "says = \"PONG\"",
        "url = \"http://{address}/\"",
        "my-db.toml:21: [health] has `send` and `url`; keep one of them",
    ),
    (
        "send = \"PING\\r\\n\"",
        "url = \"{address}/health\"",
        "my-db.toml:20: `{address}/health` is no address; write http://{address}:{port.client}/…",
    ),
    (
        "default = \"yes\"",
        "default = \"on\"",
        "my-db.toml:31: the default `on` of `sync` is not among `one-of`; add it there, or choose another",
    ),
    (
        "[workload.set]",
        "[workload.queue]",
        "my-db.toml:35: [workload.queue] is for a workload that `workloads` does not name; there is register, set",
    ),
    (
        "\"it says that it trusts clocks\"",
        "\"\"",
        "my-db.toml:39: `clock` is refused for no reason; say why, for whoever asks for it",
    ),
    (
        "[client]\ncommand = \"sh {here}/client.sh\"",
        "",
        "my-db.toml: nothing says how clients talk to it; add [client] with a command, or [http]",
    ),
    ("[ports]", "[ports", "my-db.toml:9: "),
];

#[test]
fn every_mistake_is_one_sentence_with_its_line_and_what_to_do() {
    let mut wrong = String::new();
    let home = home();
    for (right, mistake, sentence) in MISTAKES {
        assert!(GOOD.contains(right), "{right}");
        let text = GOOD.replacen(right, mistake, 1);
        let told = match entry(Path::new("my-db.toml"), &text, (home.path(), Here::All)) {
            Ok(_) => "nothing".to_owned(),
            Err(problem) => problem.to_string().replace(&home.path().display().to_string(), "HERE"),
        };
        let fits = if sentence.ends_with(": ") { told.starts_with(sentence) } else { told == *sentence };
        if !fits || told.contains('\n') {
            let _ = write!(wrong, "{mistake}\n  expected {sentence}\n  told     {told}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn files_to_begin_with_are_right_and_name_every_key() {
    let home = home();
    let mut named = String::new();
    for client in crate::exec::skeletons::SKELETONS.iter().map(Some).chain([None]) {
        let text = skeleton("first-try", client);
        if let Some(client) = client {
            std::fs::write(home.path().join(client.file), client.text).expect("written");
        }
        // What runs the client need not be on this machine.
        let text =
            client.map_or(text.clone(), |client| text.replace(&format!("{:?}", client.command[0]), "\"sh\""));
        let made = entry(Path::new("first-try.toml"), &text, (home.path(), Here::All));
        let made = made.unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(made.name, "first-try");
        assert!(!text.contains("NAME") && !text.contains("COMMAND"), "{text}");
        named += &text;
    }
    for key in KEYS {
        assert!(named.contains(key), "no file to begin with names {key}");
    }
}

/// Every key that a file may have, besides those of [http].
const KEYS: [&str; 26] = [
    "name",
    "doc",
    "workloads",
    "[nodes]",
    "default",
    "max",
    "[ports]",
    "client",
    "[server]",
    "start",
    "first",
    "env",
    "stop",
    "version",
    "dir",
    "logs",
    "[health]",
    "command",
    "url",
    "send",
    "says",
    "[leader]",
    "term-after",
    "[client]",
    "[refuses]",
    "one-of",
];

#[test]
fn the_page_explains_every_key() {
    let page = include_str!("../../docs/own-cluster.md");
    let page: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
    let explained = |key: &str| {
        page.iter().any(|line| line.split('|').nth(1).unwrap_or_default().contains(&format!("`{key}`")))
    };
    for key in KEYS.iter().chain(&["start-timeout", "[workload.NAME]", "[settings.NAME]"]) {
        assert!(explained(key), "own-cluster.md does not explain {key}");
    }
    // What the code knows, out of what it says of a key that it does not: so none is forgotten here.
    for (table, text) in [
        ("", GOOD.replacen("name =", "nonsense =", 1)),
        ("[nodes]", GOOD.replacen("default = 3", "nonsense = 3", 1)),
        ("[server]", GOOD.replacen("start =", "nonsense =", 1)),
        ("[health]", GOOD.replacen("says =", "nonsense =", 1)),
        ("[leader]", GOOD.replacen("term-after =", "nonsense =", 1)),
        ("[client]", GOOD.replacen("command = \"sh {here}", "nonsense = \"sh {here}", 1)),
        ("[settings.sync]", GOOD.replacen("one-of", "nonsense", 1)),
    ] {
        let told = declare(&text).err().expect("refused");
        let known = told.split_once("; there is ").unwrap_or_else(|| panic!("{table}: {told}")).1;
        for key in known.split(", ") {
            assert!(
                explained(key) || explained(&format!("[{key}]")) || explained(&format!("[{key}.NAME]")),
                "{table}: {key}"
            );
        }
    }
    let holes =
        ["{node}", "{address}", "{index}", "{first}", "{port.NAME}", "{data}", "{here}", "{set.NAME}"];
    for hole in holes.iter().chain(&["{peers:TEXT}", "{nodes:TEXT}", "{each peers:TEXT}"]) {
        assert!(explained(hole), "own-cluster.md does not explain {hole}");
    }
}
