//! Pods of a StatefulSet, as a file names them (`[kube]`), and whether they may be broken.

use super::kubectl::Kubectl;
use super::pod::{AGREED, CONSENT, Pod, StatefulSet};
use crate::env::EnvError;
use crate::env::place::refused;
use crate::failure::Failure;
use duress_targets::Node;
use duress_targets::hosts::Kube;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A pod that heals itself sooner would do so whenever the line to it is slow for a moment.
const LEAST_DEAD_MAN: Duration = Duration::from_secs(1);

/// How long one waits for another run to leave a pod: a little longer than a container to which no agent
/// comes waits for one.
const FREED_WITHIN: Duration = Duration::from_secs(75);
/// How often one looks.
const POLL: Duration = Duration::from_millis(300);

/// A table that makes sense, of a StatefulSet that is there and may be broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pods {
    /// What it says.
    pub(super) kube: Kube,
    pub(super) kubectl: Kubectl,
    /// Who owns the pods.
    uid: String,
    replicas: usize,
    /// The number of the first pod.
    first: usize,
}

impl Pods {
    /// Of the table in a file. The API server is asked, and nothing is touched.
    ///
    /// # Errors
    /// When the table makes no sense, the StatefulSet is not there, or its owner has not agreed.
    pub fn new(kube: Kube, path: &Path) -> Result<Self, Failure> {
        if !kube.dir.is_absolute() {
            let why = "dir is a folder in the agents' containers";
            return Err(refused(path, None, why, "give it as an absolute path, or leave it out"));
        }
        if kube.dead_man < LEAST_DEAD_MAN {
            return Err(refused(path, None, "dead-man is too short", "use 1s or more; 15s is usual"));
        }
        let kubectl = Kubectl::new(&kube);
        let name = &kube.statefulset;
        let get = format!("get statefulset {name}");
        let set: StatefulSet = kubectl
            .get(&["statefulset", name])
            .map_err(|why| refused(path, None, why, &format!("`{}` has to show it", kubectl.told(&get))))?;
        if set.metadata.annotations.get(CONSENT).is_none_or(|said| said != AGREED) {
            let agree = kubectl.told(&format!("annotate statefulset {name} {CONSENT}={AGREED}"));
            let why = format!("nobody has agreed to its being broken: {name} is not annotated");
            return Err(refused(path, None, why, &format!("if it may be, say so: {agree}")));
        }
        if set.spec.replicas == 0 {
            let scale = kubectl.told(&format!("scale statefulset {name} --replicas=3"));
            return Err(refused(path, None, format!("{name} has no pods"), &scale));
        }
        let (uid, replicas, first) = (set.metadata.uid, set.spec.replicas, set.spec.ordinals.start);
        Ok(Self { kube, kubectl, uid, replicas, first })
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.replicas
    }

    /// Are there none? Never: that makes no sense.
    pub const fn is_empty(&self) -> bool {
        self.replicas == 0
    }

    /// The nodes of a cluster in the first so many pods.
    ///
    /// # Errors
    /// When one does not run, or is not to be broken as it is.
    pub fn nodes(&self, count: usize) -> Result<Vec<Node>, EnvError> {
        let node = |at: usize| {
            let name = self.pod_name(at);
            let why = |why: String| self.unable(&format!("use pod {name}"), why);
            let pod = self.freed(&name).map_err(why)?;
            self.usable(&pod).map_err(why)?;
            let addr = pod.status.pod_ip.ok_or_else(|| why("it has no address yet".to_owned()))?;
            Ok(Node { name: format!("n{}", at + 1), addr })
        };
        (0..count).map(node).collect()
    }

    /// Of the node at this position.
    pub(super) fn pod_name(&self, at: usize) -> String {
        format!("{}-{}", self.kube.statefulset, self.first + at)
    }

    /// The server's container.
    pub(super) fn container<'a>(&'a self, pod: &'a Pod) -> Result<&'a str, String> {
        let names = || pod.spec.containers.iter().map(|container| &*container.name);
        match &self.kube.container {
            None => names().next().ok_or_else(|| "it has no container".to_owned()),
            Some(wanted) if names().any(|name| name == wanted) => Ok(wanted),
            Some(wanted) => {
                let names: Vec<&str> = names().collect();
                Err(format!("it has no container {wanted}, but {}", names.join(", ")))
            }
        }
    }

    /// The pod, when the containers of the run before have ended: they look once a second.
    fn freed(&self, name: &str) -> Result<Pod, String> {
        let patience = Instant::now() + FREED_WITHIN;
        loop {
            let pod: Pod = self.kubectl.get(&["pod", name])?;
            match pod.occupant() {
                None => return Ok(pod),
                Some(ours) if Instant::now() > patience => {
                    return Err(format!("another run works on it: its container {ours} runs"));
                }
                Some(_) => sleep(POLL),
            }
        }
    }

    fn usable(&self, pod: &Pod) -> Result<(), String> {
        if !pod.metadata.owner_references.iter().any(|owner| owner.uid == self.uid) {
            return Err(format!("it does not belong to the StatefulSet {}", self.kube.statefulset));
        }
        if pod.spec.host_network {
            return Err("it is on its machine's own network, and rules there would cut that off".to_owned());
        }
        let container = self.container(pod)?;
        match pod.container(container) {
            Some(status) if status.is_running() => Ok(()),
            _ => Err(format!("its container {container} does not run")),
        }
    }

    pub(super) fn unable(&self, what: &str, why: String) -> EnvError {
        let fix = format!(
            "look at `{}`",
            self.kubectl.told(&format!("describe statefulset,pod {}", self.kube.statefulset))
        );
        EnvError::Unable { what: what.to_owned(), why, fix }
    }
}
