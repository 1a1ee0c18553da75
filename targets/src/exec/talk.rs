//! One conversation with one client program, from `init` to `close`.

use super::lines::{self, Line, Lines};
use super::process::{Program, Started};
use super::protocol::{Answer, Broken, Kind, Rule, Said, Say, shown};
use super::{LOG_WITHIN, NotStarted, Spec};
use crate::{ClientError, Context, Node, Stoppable};
use duress_workloads::Invocation;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::pipe::Sender;
use tokio::task::JoinHandle;

/// How long a program may take to end when it has been told to.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// How often one looks whether it has.
const CLOSE_POLL: Duration = Duration::from_millis(2);

/// A program that is ready for operations. When this is dropped it is told to end, and ended if it does not
/// within a second; at once if it is in the middle of something.
pub struct Talk {
    program: Arc<Program>,
    /// `None` when it was told to end.
    input: Option<Sender>,
    lines: Lines,
    /// What it says on standard error, to its end, until somebody waits for that.
    log: Option<JoinHandle<String>>,
    /// Of the last question.
    id: u64,
    /// Room for a question.
    question: Vec<u8>,
    /// A question is open.
    busy: bool,
}

impl Talk {
    /// Starts the program and says `init`.
    ///
    /// # Errors
    /// When it could not be started, ended, or answered anything but `init_ok` in time.
    pub async fn start(spec: &Spec, node: &Node, cx: &Context) -> Result<Self, NotStarted> {
        let process = cx.next_connection();
        let started = Program::start(spec, cx.log(process)).map_err(|error| {
            let why = format!("`{}` could not be started: {error}", spec.command.join(" "));
            NotStarted::Broken(Broken::new(Rule::Start, why))
        })?;
        let Started { program, input, output, log } = started;
        let mut talk = Self {
            program,
            input: Some(input),
            lines: Lines::new(output),
            log: Some(log),
            id: 0,
            question: Vec::new(),
            busy: true,
        };
        let init = Say::init(node, cx, process).line();
        match tokio::time::timeout(spec.start_timeout, talk.ask(&init)).await {
            Err(_) => {
                let limit = spec.start_timeout;
                let why = format!(
                    "the client's program was not ready in time: no answer to `init` within {limit:?} (`start-timeout`)"
                );
                let withheld = talk.withheld().await;
                Err(NotStarted::Broken(withheld.unwrap_or_else(|| Broken::new(Rule::Start, why))))
            }
            // Whoever ends instead of answering has not begun.
            Ok(Err(Broken { rule: Rule::Alive, why, line })) => {
                Err(NotStarted::Broken(Broken { rule: Rule::Start, why, line }))
            }
            Ok(Err(broken)) => Err(NotStarted::Broken(broken)),
            Ok(Ok((said, line))) => match said.kind {
                Kind::InitOk => Ok(talk),
                Kind::Fail => Err(NotStarted::Refused(said.error())),
                _ => {
                    let broken = Broken::at(Rule::Start, "it answered `init` with something else", &line);
                    Err(NotStarted::Broken(broken))
                }
            },
        }
    }

    /// Says `setup`: what operations need is there afterwards, unless the program says why not.
    ///
    /// # Errors
    /// When it answered something else.
    pub async fn set_up(&mut self) -> Result<Result<(), ClientError>, Broken> {
        let (said, line) = self.ask(&Say::Setup.line()).await?;
        match said.kind {
            Kind::SetupOk => Ok(Ok(())),
            Kind::Fail => Ok(Err(said.error())),
            _ => Err(Broken::at(Rule::Setup, "it answered `setup` with something else", &line)),
        }
    }

    /// Asks for one operation, and waits for its answer for as long as it takes.
    ///
    /// # Errors
    /// When there was none, or one that breaks a rule: then nobody knows what became of the operation, and
    /// the program should not be asked again.
    pub async fn invoke(&mut self, invocation: &Invocation) -> Result<(Answer, Vec<u8>), Broken> {
        self.quiet().await?;
        self.id += 1;
        let mut question = std::mem::take(&mut self.question);
        Say::invoke(self.id, invocation).write_to(&mut question);
        let answered = self.ask(&question).await;
        self.question = question;
        let (said, line) = answered?;
        match said.id {
            Some(id) if id == self.id => {}
            Some(id) if id + 1 == self.id => {
                return Err(Broken::at(Rule::Once, format!("it answered {id} twice"), &line));
            }
            Some(id) => {
                let why = format!("it answered {id} when {} was asked", self.id);
                return Err(Broken::at(Rule::Id, why, &line));
            }
            None => return Err(Broken::at(Rule::Id, "its answer has no `id`", &line)),
        }
        let answer = match said.kind {
            Kind::Fail => Answer::Fail(said.error()),
            Kind::Info => Answer::Info(said.error()),
            Kind::Ok => Answer::Ok(said.value),
            Kind::InitOk | Kind::SetupOk => {
                return Err(Broken::at(Rule::Message, "that is no answer to an operation", &line));
            }
        };
        self.quiet().await?;
        Ok((answer, line))
    }

    /// Is it silent when it was not asked?
    ///
    /// # Errors
    /// When it is not, or has ended.
    pub async fn quiet(&mut self) -> Result<(), Broken> {
        match self.lines.unasked() {
            None => Ok(()),
            Some(Line::Whole(line)) => {
                let said = Said::parse(&line)?;
                let why = match said.id {
                    Some(id) if id == self.id => format!("it answered {id} twice"),
                    _ => "it said something that nobody had asked for".to_owned(),
                };
                Err(Broken::at(Rule::Once, why, &line))
            }
            Some(other) => Err(self.broke_off(other).await),
        }
    }

    /// Of one that has not answered: tells it to end. If it answers then, it had the answer all the time, and
    /// had not flushed it.
    pub async fn withheld(&mut self) -> Option<Broken> {
        self.say_close();
        match tokio::time::timeout(CLOSE_WITHIN, self.lines.next()).await {
            Ok(Line::Whole(line)) if Said::parse(&line).is_ok() => {
                let why = "it had an answer, and let go of it only when its input ended";
                Some(Broken::at(Rule::Flush, why, &line))
            }
            _ => None,
        }
    }

    /// Tells it to end, and waits for that.
    ///
    /// # Errors
    /// When it does not, or not with 0.
    pub async fn close(mut self) -> Result<(), Broken> {
        self.quiet().await?;
        self.say_close();
        let polls = CLOSE_WITHIN.as_nanos() / CLOSE_POLL.as_nanos();
        for _ in 0..polls {
            match self.program.ended() {
                Some(0) => return Ok(()),
                Some(code) => {
                    return Err(Broken::new(Rule::Close, format!("it ended with {}", status(code))));
                }
                None => tokio::time::sleep(CLOSE_POLL).await,
            }
        }
        self.busy = true;
        Err(Broken::new(Rule::Close, format!("it had not ended {CLOSE_WITHIN:?} after `close`")))
    }

    /// It can be made to stand still.
    pub fn stoppable(&self) -> Arc<dyn Stoppable> {
        Arc::clone(&self.program) as Arc<dyn Stoppable>
    }

    /// Says one line, and waits for one.
    async fn ask(&mut self, line: &[u8]) -> Result<(Said, Vec<u8>), Broken> {
        self.busy = true;
        // That it does not listen any more shows in what it says, too, and there with more to tell.
        if let Some(input) = &self.input {
            let _ = lines::write(input, line).await;
        }
        match self.lines.next().await {
            Line::Whole(line) => {
                let said = Said::parse(&line)?;
                self.busy = false;
                Ok((said, line))
            }
            other => Err(self.broke_off(other).await),
        }
    }

    async fn broke_off(&mut self, what: Line) -> Broken {
        match what {
            Line::TooLong(bytes) => {
                let why = format!("a line has more than {} bytes", lines::MAX_LINE);
                Broken::at(Rule::Message, why, &bytes)
            }
            Line::Whole(rest) | Line::End(rest) => {
                let how = match self.program.ended_soon().await {
                    Some(code) => {
                        format!("it ended by itself with {}{}", status(code), self.last_words().await)
                    }
                    None => "it closed its standard output".to_owned(),
                };
                match rest.is_empty() {
                    true => Broken::new(Rule::Alive, how),
                    false => Broken::at(Rule::Alive, format!("{how} in the middle of a line"), &rest),
                }
            }
        }
    }

    /// The last line that it has said on standard error, of one that has ended.
    async fn last_words(&mut self) -> String {
        let Some(log) = self.log.take() else { return String::new() };
        match tokio::time::timeout(LOG_WITHIN, log).await {
            Ok(Ok(line)) if !line.is_empty() => {
                format!("; the last that it said on standard error: {}", shown(&line))
            }
            _ => String::new(),
        }
    }

    fn say_close(&mut self) {
        if let Some(input) = self.input.take() {
            // A pipe that is full belongs to a program that does not read; the end of it says the same.
            let _ = input.try_write(&Say::Close.line());
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.say_close();
        self.program.end(if self.busy { Duration::ZERO } else { CLOSE_WITHIN });
    }
}

/// How a program ended; see [`Program::ended`].
fn status(code: i32) -> String {
    match code {
        129.. => format!("signal {}", code - 128),
        _ => format!("status {code}"),
    }
}
