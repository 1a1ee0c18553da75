//! The way into a pod: an ephemeral container beside the server's, in which the agent is put by `kubectl
//! exec`, and which ends when the agent has ended and nothing of it is left.
//!
//! Not the first process of that container: the agent's watchdog would end with it.

use super::kubectl::Kubectl;
use super::pod::{OURS, Pod};
use super::pods::Pods;
use crate::env::EnvError;
use crate::env::remote::transport::Transport;
use crate::env::remote::wire::Charge;
use duress_targets::Node;
use serde_json::json;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a container may take until it runs, with the time to pull its image.
const RUNS_WITHIN: Duration = Duration::from_secs(120);
/// How often one looks.
const POLL: Duration = Duration::from_millis(300);
/// Where the shell that becomes the agent writes its number.
const PID_FILE: &str = "/tmp/duress-agent";
/// What the container does, with the agent's folder as `$0`. It looks once a second: for a day and an hour at
/// most, which is longer than any run, and for a minute when no agent comes, as where `kubectl exec` is forbidden.
const KEEP: &str = "trap 'exit 0' TERM; n=0; while [ $n -lt 90000 ]; do sleep 1; n=$((n+1)); \
                    if read -r pid < /tmp/duress-agent; then \
                    [ -d /proc/$pid ] || ls \"$0\"/runs/*.json || exit 0; \
                    elif [ $n -gt 60 ]; then exit 0; fi; done > /dev/null 2>&1";
/// What tells the containers of one run apart.
static TURN: AtomicU32 = AtomicU32::new(0);

/// The way into one pod.
pub(super) struct PodTransport {
    kubectl: Kubectl,
    pod: String,
    addr: IpAddr,
    image: String,
    dir: PathBuf,
    charge: Charge,
    /// In whose process namespace.
    target: Option<String>,
}

impl PodTransport {
    /// For the pod's network: in a process namespace of its own, which outlives the server's.
    pub(super) fn network(pods: &Pods, at: usize, node: &Node) -> Self {
        Self {
            kubectl: pods.kubectl.clone(),
            pod: pods.pod_name(at),
            addr: node.addr,
            image: pods.kube.image.clone(),
            dir: pods.kube.dir.clone(),
            charge: Charge::Network,
            target: None,
        }
    }

    /// For the processes of the container of this name, which has this identity now.
    pub(super) fn processes(pods: &Pods, at: usize, node: &Node, (name, id): (&str, &str)) -> Self {
        let charge = Charge::Container { id: id.to_owned() };
        Self { charge, target: Some(name.to_owned()), ..Self::network(pods, at, node) }
    }

    /// Adds the container; its name, when it runs.
    fn container(&self) -> Result<String, String> {
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let kind = if self.target.is_some() { "processes" } else { "network" };
        let name = format!("{OURS}{kind}-{now:x}-{turn:x}");
        let [image, container] = [format!("--image={}", self.image), format!("--container={name}")];
        let target = self.target.as_ref().map(|target| format!("--target={target}"));
        let dir = self.dir.display().to_string();
        let mut args =
            vec!["debug", &self.pod, "--profile=general", "--custom=/dev/stdin", &image, &container];
        args.extend(target.as_deref());
        args.extend(["--", "sh", "-c", KEEP, &dir]);
        self.kubectl.run(&args, &self.rights())?;
        self.await_running(&name)?;
        Ok(name)
    }

    /// What the container gets besides what all have: root's number, whoever the pod's other containers are.
    fn rights(&self) -> String {
        let add: &[&str] = match self.charge {
            Charge::Container { .. } => &["SYS_PTRACE", "KILL"],
            Charge::Host | Charge::Network => &["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE"],
        };
        let user = json!({ "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false });
        let mut context = user;
        context["capabilities"] = json!({ "add": add });
        json!({ "securityContext": context, "imagePullPolicy": "IfNotPresent" }).to_string()
    }

    fn await_running(&self, name: &str) -> Result<(), String> {
        let patience = Instant::now() + RUNS_WITHIN;
        loop {
            let pod: Pod = self.kubectl.get(&["pod", &self.pod])?;
            let state = pod.ephemeral(name).map(|status| status.state.clone()).unwrap_or_default();
            if state.running.is_some() {
                return Ok(());
            }
            let why = match (&state.terminated, &state.waiting) {
                (Some(end), _) => format!("it has ended, with {}", end.exit_code),
                (None, Some(waits)) => format!("{} {}", waits.reason, waits.message),
                (None, None) => "nobody has started it".to_owned(),
            };
            let hopeless = why.starts_with("ErrImage")
                || why.starts_with("ImagePull")
                || why.starts_with("InvalidImage");
            if state.terminated.is_some() || hopeless || Instant::now() > patience {
                return Err(format!(
                    "its container {name}, of image {}, does not run: {}",
                    self.image,
                    why.trim()
                ));
            }
            thread::sleep(POLL);
        }
    }
}

impl Transport for PodTransport {
    fn host(&self) -> &str {
        &self.pod
    }

    fn address(&self) -> Result<IpAddr, EnvError> {
        Ok(self.addr)
    }

    fn shell(&self, script: &str) -> io::Result<Child> {
        let container = self.container().map_err(io::Error::other)?;
        let script = format!("echo $$ > {PID_FILE}; {script}");
        self.kubectl.start(&["exec", "-i", &self.pod, "-c", &container, "--", "sh", "-c", &script])
    }

    fn dir(&self) -> &Path {
        &self.dir
    }

    /// The StatefulSet's annotation has been read.
    fn consent(&self) -> Option<&Path> {
        None
    }

    fn charge(&self) -> Charge {
        self.charge.clone()
    }

    fn remedy(&self) -> String {
        format!(
            "`{}` and `kubectl exec` have to be allowed, with root's rights in there; `image` in [kube] needs sh, coreutils and nft; see \
             `{}`",
            self.kubectl.told(&format!("debug {}", self.pod)),
            self.kubectl.told(&format!("describe pod {}", self.pod)),
        )
    }
}
