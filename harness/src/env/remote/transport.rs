//! How one comes to a host: a shell there, through which the agent is put in place and spoken with.
//!
//! Not here: what is said to the agent after the first words (`wire`, `connection`), and the ways to hosts themselves (`ssh`).

use super::binary::AgentBinary;
use super::lines;
use super::wire::Charge;
use crate::env::EnvError;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest time until an agent runs, with the time to put it there.
const OPEN_WITHIN: Duration = Duration::from_secs(120);
/// Lines that a login may say before the agent is in place.
const MOST_CHATTER: usize = 200;
/// Longest of them that is read, bytes.
const LONGEST_LINE: u64 = 4096;
/// Longest wait for what a transport complained about, when it has been ended.
const WORDS_WITHIN: Duration = Duration::from_secs(2);
/// How often one looks whether it has said them.
const WORDS_POLL: Duration = Duration::from_millis(5);
/// How much is kept of what a transport complains about, bytes.
const COMPLAINTS: usize = 2048;

/// A way to one host.
pub trait Transport: Send + Sync {
    /// The host, as the user named it.
    fn host(&self) -> &str;

    /// By which other nodes and the clients reach it.
    ///
    /// # Errors
    /// When nobody knows.
    fn address(&self) -> Result<IpAddr, EnvError>;

    /// Starts a POSIX shell there with this script of one line, with the rights that faults need. Its
    /// standard input, output and error are pipes; at the end of its input it ends. It leads a process group.
    ///
    /// # Errors
    /// When the program that leads there does not start.
    fn shell(&self, script: &str) -> io::Result<Child>;

    /// Where the agent and the servers' data go there.
    fn dir(&self) -> &Path;

    /// The file that has to exist there before anything is done; none where whoever runs Duress has made
    /// the host for it.
    fn consent(&self) -> Option<&Path>;

    /// What the agent there has to do with.
    fn charge(&self) -> Charge {
        Charge::Host
    }

    /// What to do when it cannot be reached, in words.
    fn remedy(&self) -> String;
}

/// An agent that has been started and not been spoken to.
pub struct Stream {
    /// What it hears.
    pub input: ChildStdin,
    /// What it says.
    pub output: BufReader<ChildStdout>,
    /// The program that leads there.
    pub process: Leash,
}

impl Stream {
    /// Says the first word, with what is behind it, and hears the agent's: `read` makes of that what it means, or
    /// why the agent will not work and what to do; `None` when it is of another version.
    ///
    /// # Errors
    /// When it will not work, or says nothing.
    pub(crate) fn greet<A: DeserializeOwned, T>(
        &mut self,
        (transport, what): (&dyn Transport, &str),
        (hello, body): (&impl Serialize, &[u8]),
        read: impl FnOnce(A) -> Option<Result<T, (String, String)>>,
    ) -> Result<T, EnvError> {
        let begun = Instant::now();
        let said = {
            let _deadline = self.process.deadline();
            lines::write(&mut self.input, hello, body).and_then(|()| lines::read(&mut self.output))
        };
        let is_late = begun.elapsed() >= OPEN_WITHIN;
        let (why, fix) = match said {
            Ok(Some((word, _))) => match read(word) {
                Some(Ok(met)) => return Ok(met),
                Some(Err(refused)) => refused,
                None => ("its agent is of another version".to_owned(), transport.remedy()),
            },
            silence => {
                let why = match silence {
                    _ if is_late => format!("its agent was not ready within {OPEN_WITHIN:?}"),
                    Err(error) => error.to_string(),
                    Ok(_) => "its agent has ended".to_owned(),
                };
                let words = self.process.last_words();
                (if words.is_empty() { why } else { format!("{why}: {words}") }, transport.remedy())
            }
        };
        Err(EnvError::Unable { what: what.to_owned(), why, fix })
    }
}

/// The program that leads to an agent. It is ended when this is dropped.
pub struct Leash {
    child: Arc<Mutex<Child>>,
    complaints: Option<JoinHandle<String>>,
}

impl Leash {
    /// It is ended unless what this gives back is dropped in time.
    fn deadline(&self) -> Deadline {
        Deadline::set(Arc::clone(&self.child))
    }

    /// Waits for its end and gives back the last of what it complained about.
    pub fn last_words(&mut self) -> String {
        // What it has to say, it has said when it has ended; what it has started may hold its pipe for longer.
        end(&self.child.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(thread) = self.complaints.take() else { return String::new() };
        let patience = Instant::now() + WORDS_WITHIN;
        while !thread.is_finished() {
            if Instant::now() > patience {
                return String::new();
            }
            std::thread::sleep(WORDS_POLL);
        }
        let said = thread.join().unwrap_or_default();
        said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        end(&child);
        let _ = child.wait();
    }
}

/// Ends it with what it has started: the `ssh` that leads over a jump host may wait for a network that is gone,
/// and its complaints come by the same pipe. Not to be called when it has been waited for: its number may be
/// another's then.
fn end(child: &Child) {
    let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
}

/// Puts the agent on the host, if this very one is not there already, and starts it.
///
/// # Errors
/// Without consent, when the host cannot be reached, or when it is no machine for this binary.
pub fn open(transport: &dyn Transport, binary: &AgentBinary) -> Result<Stream, EnvError> {
    open_as("agent", transport, binary)
}

/// The same for one that holds clients and breaks nothing.
///
/// # Errors
/// As [`open`].
pub fn open_load(transport: &dyn Transport, binary: &AgentBinary) -> Result<Stream, EnvError> {
    open_as("agent --load", transport, binary)
}

fn open_as(command: &str, transport: &dyn Transport, binary: &AgentBinary) -> Result<Stream, EnvError> {
    let mut child =
        transport.shell(&script(command, transport, binary)).map_err(|error| EnvError::Unable {
            what: format!("reach {}", transport.host()),
            why: error.to_string(),
            fix: transport.remedy(),
        })?;
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        unreachable!("a transport gives pipes");
    };
    let child = Arc::new(Mutex::new(child));
    let complaints = std::thread::Builder::new().name("complaints".into()).spawn(|| keep_last(errors)).ok();
    let mut leash = Leash { child, complaints };
    let mut output = BufReader::new(output);
    let said = {
        let _deadline = leash.deadline();
        converse(&mut output, &mut input, binary)
    };
    match said {
        Ok(()) => Ok(Stream { input, output, process: leash }),
        Err(Hitch::Silence(why)) => {
            let words = leash.last_words();
            Err(EnvError::Unable {
                what: format!("reach {}", transport.host()),
                why: if words.is_empty() { why } else { words },
                fix: transport.remedy(),
            })
        }
        Err(Hitch::Refused(word)) => Err(refused(transport, &word)),
    }
}

/// Why there is no agent.
enum Hitch {
    /// The script did not come to its end.
    Silence(String),
    /// It ended by itself; with its word for that.
    Refused(String),
}

/// Hears what the script says, and sends the binary if it asks for it.
fn converse(
    output: &mut BufReader<ChildStdout>,
    input: &mut ChildStdin,
    binary: &AgentBinary,
) -> Result<(), Hitch> {
    let silence = |error: io::Error| Hitch::Silence(error.to_string());
    for _ in 0..MOST_CHATTER {
        let mut line = Vec::new();
        output.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(silence)?;
        if line.is_empty() {
            return Err(Hitch::Silence("it said nothing".to_owned()));
        }
        match String::from_utf8_lossy(&line).trim_end().strip_prefix("duress ") {
            Some("ready") => return Ok(()),
            Some("send") => input.write_all(&binary.bytes).and_then(|()| input.flush()).map_err(silence)?,
            Some(word) => return Err(Hitch::Refused(word.to_owned())),
            // What a login says to everybody.
            None => {}
        }
    }
    Err(Hitch::Silence("it talks of other things".to_owned()))
}

/// What the shell is told. The binary goes by its hash, and gets that name when all of it is there; a
/// folder that is not our own may hold another one under that name.
fn script(command: &str, transport: &dyn Transport, binary: &AgentBinary) -> String {
    let consent = transport.consent().map_or_else(String::new, |file| {
        format!("[ -e {} ] || {{ echo 'duress no-consent'; exit 0; }}; ", quote(&file.display().to_string()))
    });
    let (dir, hash, size) =
        (quote(&transport.dir().display().to_string()), &binary.sha256, binary.bytes.len());
    let machine = format!("Linux {}", std::env::consts::ARCH);
    format!(
        "umask 077; {consent}\
         [ \"$(uname -sm)\" = '{machine}' ] || {{ echo \"duress machine $(uname -sm)\"; exit 0; }}; \
         mkdir -p {dir} && cd {dir} && [ -O . ] || {{ echo 'duress no-dir'; exit 0; }}; \
         if ! [ -x duress-{hash} ]; then echo 'duress send'; new=.new-$$; \
         head -c {size} > $new && [ \"$(sha256sum < $new | cut -c 1-64)\" = {hash} ] \
         && chmod 700 $new && mv -f $new duress-{hash} \
         || {{ rm -f $new; echo 'duress no-room'; exit 0; }}; fi; \
         echo 'duress ready'; exec ./duress-{hash} {command}"
    )
}

fn refused(transport: &dyn Transport, word: &str) -> EnvError {
    let host = transport.host();
    let dir = transport.dir().display();
    let unable = |why: String, fix: String| EnvError::Unable { what: format!("use {host}"), why, fix };
    match word.split_once(' ').unwrap_or((word, "")) {
        ("no-consent", _) => {
            let file =
                transport.consent().map(Path::display).map(|path| path.to_string()).unwrap_or_default();
            unable(
                format!("nobody has agreed to its being broken: it has no file {file}"),
                format!("if it may be, say so there as root: touch {file}"),
            )
        }
        ("machine", other) => unable(
            format!("it is {other}, and this is a duress for Linux {}", std::env::consts::ARCH),
            "start duress on such a machine".to_owned(),
        ),
        ("no-dir", _) => unable(
            format!("its folder {dir} cannot be made or belongs to somebody else"),
            "choose another `dir` in the file that names it, or remove it there".to_owned(),
        ),
        ("no-room", _) => unable(
            format!("the agent could not be put into {dir}"),
            "free some space there; it needs head, cut and sha256sum, too".to_owned(),
        ),
        (other, _) => unable(format!("it answered: {other}"), transport.remedy()),
    }
}

/// For a POSIX shell.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Ends the program that leads to a host unless it is dropped in time.
struct Deadline(Option<SyncSender<()>>);

impl Deadline {
    fn set(child: Arc<Mutex<Child>>) -> Self {
        let (met, wait) = sync_channel::<()>(0);
        let watch = move || {
            if wait.recv_timeout(OPEN_WITHIN) == Err(RecvTimeoutError::Timeout) {
                end(&child.lock().unwrap_or_else(PoisonError::into_inner));
            }
        };
        // Without a thread for it, ssh's own time limits have to do.
        let thread = std::thread::Builder::new().name("deadline".into()).spawn(watch);
        Self(thread.is_ok().then_some(met))
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.0 = None;
    }
}

fn keep_last(mut errors: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut some = [0; 512];
    while let Ok(length @ 1..) = errors.read(&mut some) {
        kept.extend_from_slice(&some[..length]);
        let extra = kept.len().saturating_sub(COMPLAINTS);
        kept.drain(..extra);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// What a run is called on hosts, where others may have the same identity.
pub fn run_name(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let id: String = id.chars().map(plain).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{id}-{:x}-{:x}", std::process::id(), now.as_millis())
}

/// The folder of one node of one run, in that of the agent.
pub fn run_dir(dir: &Path, run: &str, node: &str) -> PathBuf {
    dir.join("runs").join(format!("{run}-{node}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    /// A shell of this machine, which does this.
    struct Here(&'static str);

    impl Transport for Here {
        fn host(&self) -> &str {
            "here"
        }

        fn address(&self) -> Result<IpAddr, EnvError> {
            Ok([127, 0, 0, 1].into())
        }

        fn shell(&self, _: &str) -> io::Result<Child> {
            let mut shell = Command::new("sh");
            shell.args(["-c", self.0]);
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            shell.process_group(0).spawn()
        }

        fn dir(&self) -> &Path {
            Path::new("/nowhere")
        }

        fn consent(&self) -> Option<&Path> {
            None
        }

        fn remedy(&self) -> String {
            "none".to_owned()
        }
    }

    fn stream(script: &'static str) -> Stream {
        let binary = AgentBinary { bytes: Vec::new(), sha256: "0".to_owned() };
        open(&Here(script), &binary).expect("it is ready")
    }

    #[test]
    fn who_leads_there_ends_with_what_it_has_started() {
        let mut stream =
            stream("echo what a login says; sleep 1000 & echo duress ready; echo words >&2; wait");
        let (tell, told) = sync_channel(1);
        std::thread::spawn(move || tell.send(stream.process.last_words()));
        let words = told.recv_timeout(Duration::from_secs(30)).expect("nobody holds its pipes");
        // It may have been ended before it said them.
        assert!(words.is_empty() || words == "words", "{words}");
    }

    #[test]
    fn nobody_waits_for_who_has_gone_a_way_of_his_own() {
        let mut stream = stream("setsid sh -c 'echo duress ready; exec sleep 30' & wait");
        let begun = Instant::now();
        assert_eq!(stream.process.last_words(), "");
        drop(stream);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn an_agent_that_ends_without_a_word_is_told() {
        for (script, why) in [
            ("echo duress ready; read -r hello", "its agent has ended"),
            ("echo duress ready; read -r hello; echo no room >&2; sleep 1", "no room"),
            ("echo duress ready; read -r hello; echo '{\"other\":1}'", "missing field"),
        ] {
            let greeted = stream(script)
                .greet((&Here(""), "use it"), (&"hello", b""), |_: String| None::<Result<(), _>>);
            let told = greeted.expect_err(script).to_string();
            assert!(told.contains(why), "{script}: {told}");
        }
    }
}
