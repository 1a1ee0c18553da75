//! How many operations a second go through client programs: questions and answers as lines, nothing asked of
//! any server. The program is this one again, as simple as one can be.
//!
//! The bar is 20,000 a second on two cores.

use duress_targets::exec::Spec;
use duress_targets::{Completion, Context, Node};
use duress_workloads::Invocation;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// With this argument it is the program.
const ECHO: &str = "--echo";
/// How many programs at the same time.
const PROGRAMS: [usize; 4] = [1, 4, 10, 20];
/// How long each number of them is looked at.
const TIME: Duration = Duration::from_secs(3);

fn main() {
    if std::env::args().any(|arg| arg == ECHO) {
        return echo();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for programs in PROGRAMS {
        let local = LocalSet::new();
        let done = local.block_on(&runtime, drive(programs));
        println!("{programs:>3} programs  {:>7.0} operations/s", done as f64 / TIME.as_secs_f64());
    }
}

async fn drive(programs: usize) -> u64 {
    let exe = std::env::current_exe().expect("a path").display().to_string();
    let spec = Spec::new(vec![exe, ECHO.to_owned()]);
    let context = Context::new("register", [].into(), [].into());
    let node = Node { name: "n1".to_owned(), addr: std::net::Ipv4Addr::LOCALHOST.into() };
    let mut clients = Vec::new();
    for _ in 0..programs {
        clients.push(spec.connect(&node, &context).await.expect("a client"));
    }
    let end = Instant::now() + TIME;
    let tasks = clients.into_iter().map(|mut client| {
        tokio::task::spawn_local(async move {
            let mut done = 0;
            while Instant::now() < end {
                let answered = client.invoke(&Invocation::new("write", json!([7, done]))).await;
                assert!(matches!(answered, Completion::Ok(_)), "{answered:?}");
                done += 1;
            }
            done
        })
    });
    let mut done = 0;
    for task in tasks.collect::<Vec<_>>() {
        done += task.await.expect("no panic");
    }
    done
}

fn echo() {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let asked: Value = serde_json::from_str(&line).expect("a message");
        let answer = match asked["type"].as_str() {
            Some("init") => json!({"type": "init_ok"}),
            Some("invoke") => json!({"type": "ok", "id": asked["id"], "value": asked["value"]}),
            _ => return,
        };
        if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}
