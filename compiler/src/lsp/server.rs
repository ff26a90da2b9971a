//! The conversation with the editor.

use super::analysis::{Analysis, Job, Outcome};
use super::diagnostics;
use super::documents::Documents;
use super::framing;
use super::handshake::{Abilities, capabilities, roots, watching};
use super::replies::{self, parsed};
use super::worker::Worker;
use crate::limits::Limits;
use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::{
    DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams, InitializeParams,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long after a change an analysis starts, unless another change follows.
const PAUSE: Duration = Duration::from_millis(60);
/// How long changes may follow each other before an analysis starts nevertheless.
const PATIENCE: Duration = Duration::from_millis(300);

/// What the server listens to.
enum Event {
    Client(Message),
    /// A message that is none, as a sentence.
    Malformed(String),
    /// The client hung up.
    Closed,
    Done(Outcome),
}

/// Serves one client until it says `exit` or hangs up. True when it did so in order, after `shutdown`.
///
/// # Errors
/// When threads cannot be started.
pub fn serve(
    input: impl BufRead + Send + 'static,
    output: impl Write + Send + 'static,
    limits: Limits,
) -> io::Result<bool> {
    let (events, inbox) = channel();
    let (outbox, to_write) = channel();
    let reader = events.clone();
    thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || read(input, &reader))?;
    let writer = thread::Builder::new()
        .name("writer".to_owned())
        .spawn(move || write(output, &to_write))?;
    let mut server = Server {
        client: outbox,
        events,
        limits,
        phase: Phase::Waiting,
        abilities: Abilities::default(),
        documents: Documents::default(),
        worker: None,
        generation: 0,
        due: None,
        scan: false,
        thorough: false,
        latest: None,
        waiting: Vec::new(),
        published: BTreeSet::new(),
        remarked: BTreeSet::new(),
        requests: 0,
    };
    let in_order = server.run(&inbox)?;
    drop(server);
    // What was said before the end is still said.
    let _ = writer.join();
    Ok(in_order)
}

fn read(mut input: impl BufRead, events: &Sender<Event>) {
    loop {
        let event = match framing::read(&mut input, framing::LONGEST) {
            Ok(Some(message)) => Event::Client(message),
            Ok(None) => Event::Closed,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Event::Malformed(error.to_string()),
            Err(_) => Event::Closed,
        };
        let is_end = matches!(event, Event::Closed);
        if events.send(event).is_err() || is_end {
            return;
        }
    }
}

fn write(mut output: impl Write, messages: &Receiver<Message>) {
    for message in messages {
        if message.write(&mut output).is_err() {
            return;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// For `initialize`.
    Waiting,
    Serving,
    ShutDown,
}

/// When the next analysis starts.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    /// Not later than this.
    latest: Instant,
}

struct Server {
    client: Sender<Message>,
    events: Sender<Event>,
    limits: Limits,
    phase: Phase,
    abilities: Abilities,
    documents: Documents,
    worker: Option<Worker>,
    /// Counts what changed.
    generation: u64,
    due: Option<Due>,
    /// What the next analysis has to look at again.
    scan: bool,
    thorough: bool,
    latest: Option<Box<Analysis>>,
    /// Questions about a state that is not analysed yet.
    waiting: Vec<Request>,
    /// The files that have diagnostics in the editor.
    published: BTreeSet<Arc<str>>,
    remarked: BTreeSet<String>,
    requests: i32,
}

/// Whether the conversation goes on.
enum Next {
    On,
    End { in_order: bool },
}

impl Server {
    fn run(&mut self, inbox: &Receiver<Event>) -> io::Result<bool> {
        loop {
            let event = match self.due {
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => {
                    let left = due.at.min(due.latest).saturating_duration_since(Instant::now());
                    inbox.recv_timeout(left)
                }
            };
            match event {
                Err(RecvTimeoutError::Timeout) => self.dispatch(),
                Err(RecvTimeoutError::Disconnected) | Ok(Event::Closed) => return Ok(false),
                Ok(Event::Malformed(sentence)) => self.log(&sentence),
                Ok(Event::Done(outcome)) => self.done(outcome),
                Ok(Event::Client(message)) => {
                    if let Next::End { in_order } = self.message(message)? {
                        return Ok(in_order);
                    }
                }
            }
        }
    }

    fn message(&mut self, message: Message) -> io::Result<Next> {
        match message {
            Message::Request(request) => {
                self.request(request)?;
                Ok(Next::On)
            }
            Message::Notification(notification) if notification.method == "exit" => Ok(Next::End {
                in_order: self.phase == Phase::ShutDown,
            }),
            Message::Notification(notification) => {
                if self.phase == Phase::Serving {
                    self.notification(notification);
                }
                Ok(Next::On)
            }
            // Answers to what we asked need nothing further.
            Message::Response(_) => Ok(Next::On),
        }
    }

    fn request(&mut self, request: Request) -> io::Result<()> {
        match (self.phase, &*request.method) {
            (Phase::Waiting, "initialize") => match parsed(&request.params) {
                Ok(params) => {
                    self.initialize(&params)?;
                    self.answer(request.id, capabilities());
                }
                Err(error) => self.refuse(request.id, ErrorCode::InvalidParams, error),
            },
            (Phase::Waiting, _) => {
                let sentence = "`initialize` comes first".to_owned();
                self.refuse(request.id, ErrorCode::ServerNotInitialized, sentence);
            }
            (Phase::ShutDown, _) | (Phase::Serving, "initialize") => {
                let sentence = format!("`{}` does not belong here", request.method);
                self.refuse(request.id, ErrorCode::InvalidRequest, sentence);
            }
            (Phase::Serving, "shutdown") => {
                self.phase = Phase::ShutDown;
                self.due = None;
                for waiting in std::mem::take(&mut self.waiting) {
                    self.refuse(waiting.id, ErrorCode::RequestCanceled, "shut down".to_owned());
                }
                self.answer(request.id, Value::Null);
            }
            (
                Phase::Serving,
                "textDocument/hover"
                | "textDocument/definition"
                | "textDocument/references"
                | "textDocument/codeAction",
            ) => {
                if self
                    .latest
                    .as_ref()
                    .is_some_and(|latest| latest.generation == self.generation)
                {
                    self.question(request);
                } else {
                    self.waiting.push(request);
                    self.hasten();
                }
            }
            (Phase::Serving, method) => {
                let sentence = format!("there is no `{method}` here");
                self.refuse(request.id, ErrorCode::MethodNotFound, sentence);
            }
        }
        Ok(())
    }

    fn initialize(&mut self, params: &InitializeParams) -> io::Result<()> {
        self.abilities = Abilities::of(params);
        let events = self.events.clone();
        let tell = move |outcome| events.send(Event::Done(outcome)).is_ok();
        self.worker = Some(Worker::start(roots(params), self.limits.clone(), tell)?);
        self.phase = Phase::Serving;
        self.changed_on_disk();
        Ok(())
    }

    fn notification(&mut self, notification: Notification) {
        let Notification { method, params } = notification;
        match &*method {
            "initialized" => self.watch(),
            "textDocument/didOpen" => {
                if let Some(DidOpenTextDocumentParams { text_document }) = self.read(&method, &params) {
                    let (uri, version) = (text_document.uri.as_str(), text_document.version);
                    self.documents.open(uri, version, text_document.text);
                    self.thorough = true;
                    self.changed();
                }
            }
            "textDocument/didChange" => {
                if let Some(DidChangeTextDocumentParams {
                    text_document,
                    content_changes,
                }) = self.read(&method, &params)
                {
                    let (uri, version) = (text_document.uri.as_str(), text_document.version);
                    if self.documents.change(uri, version, content_changes) {
                        self.changed();
                    } else {
                        self.log(&format!("`{uri}` was changed, and is not open"));
                    }
                }
            }
            "textDocument/didClose" => {
                if let Some(DidCloseTextDocumentParams { text_document }) = self.read(&method, &params)
                    && self.documents.close(text_document.uri.as_str())
                {
                    self.changed_on_disk();
                }
            }
            "textDocument/didSave"
            | "workspace/didChangeWatchedFiles"
            | "workspace/didCreateFiles"
            | "workspace/didDeleteFiles"
            | "workspace/didRenameFiles"
            | "workspace/didChangeConfiguration" => self.changed_on_disk(),
            "$/cancelRequest" => self.cancel(&params),
            _ => {}
        }
    }

    /// Asks to be told of files that are changed, added and removed elsewhere.
    fn watch(&mut self) {
        if !self.abilities.watches {
            return;
        }
        self.requests += 1;
        let request = watching(RequestId::from(self.requests));
        self.send(request);
    }

    fn cancel(&mut self, params: &Value) {
        let Some(id) = params.get("id").and_then(|id| match id {
            Value::String(text) => Some(RequestId::from(text.clone())),
            id => i32::try_from(id.as_i64()?).ok().map(RequestId::from),
        }) else {
            return;
        };
        if let Some(at) = self.waiting.iter().position(|request| request.id == id) {
            self.waiting.remove(at);
            self.refuse(id, ErrorCode::RequestCanceled, "cancelled".to_owned());
        }
    }

    fn changed(&mut self) {
        self.generation += 1;
        let now = Instant::now();
        let latest = self.due.map_or(now + PATIENCE, |due| due.latest);
        self.due = Some(Due {
            at: now + PAUSE,
            latest,
        });
        if !self.waiting.is_empty() {
            self.hasten();
        }
    }

    fn changed_on_disk(&mut self) {
        self.scan = true;
        self.thorough = true;
        self.changed();
    }

    /// Somebody waits for the next analysis.
    fn hasten(&mut self) {
        if let Some(due) = &mut self.due {
            due.at = Instant::now();
        }
    }

    /// Starts an analysis of what is known now.
    fn dispatch(&mut self) {
        self.due = None;
        let Some(worker) = &self.worker else {
            return;
        };
        let job = Job {
            generation: self.generation,
            opened: self.documents.opened(&self.limits),
            scan: std::mem::take(&mut self.scan),
            thorough: std::mem::take(&mut self.thorough),
        };
        if !worker.begin(job) {
            self.log("the analysis has ended; restart the server");
        }
    }

    fn done(&mut self, outcome: Outcome) {
        if self.phase != Phase::Serving {
            return;
        }
        match outcome {
            Outcome::Failed(generation, sentence) => {
                self.log(&sentence);
                if generation == self.generation {
                    for waiting in std::mem::take(&mut self.waiting) {
                        self.refuse(waiting.id, ErrorCode::RequestFailed, sentence.clone());
                    }
                }
            }
            Outcome::Analysis(analysis) => {
                for remark in &analysis.remarks {
                    if self.remarked.insert(remark.clone()) {
                        self.log(remark);
                    }
                }
                let is_newest = analysis.generation == self.generation;
                self.latest = Some(analysis);
                self.publish();
                if is_newest {
                    for waiting in std::mem::take(&mut self.waiting) {
                        self.question(waiting);
                    }
                }
            }
        }
    }

    /// Publishes what the newest analysis found. Documents that were changed since are left as they are: what was found
    /// there has moved.
    fn publish(&mut self) {
        let Some(analysis) = &self.latest else {
            return;
        };
        let documents = &self.documents;
        let uri = |name: &str| documents.uri(name);
        let mut by_file = diagnostics::by_file(analysis, &uri, self.abilities.related);
        let is_current = |name: &str| {
            documents
                .version(name)
                .is_none_or(|version| analysis.versions.get(name) == Some(&version))
        };
        let gone: Vec<Arc<str>> = self
            .published
            .iter()
            .filter(|name| !by_file.contains_key(*name))
            .cloned()
            .collect();
        by_file.extend(gone.into_iter().map(|name| (name, Vec::new())));
        // An open document without findings is told so once: a client may wait for it.
        for name in analysis.versions.keys() {
            by_file.entry(name.clone()).or_default();
        }
        let mut messages = Vec::new();
        for (name, found) in by_file {
            if !is_current(&name) {
                continue;
            }
            if found.is_empty() {
                self.published.remove(&name);
            } else {
                self.published.insert(name.clone());
            }
            let mut params = json!({"uri": uri(&name), "diagnostics": found});
            if let (Some(version), Some(object)) = (documents.version(&name), params.as_object_mut()) {
                object.insert("version".to_owned(), version.into());
            }
            messages.push(Notification {
                method: "textDocument/publishDiagnostics".to_owned(),
                params,
            });
        }
        for message in messages {
            self.send(message);
        }
    }

    /// Answers a question about the newest analysis.
    fn question(&mut self, request: Request) {
        let Request { id, method, params } = request;
        let answered = catch_unwind(AssertUnwindSafe(|| match &self.latest {
            Some(analysis) => replies::reply(analysis, &self.documents, self.abilities, &method, &params),
            None => Ok(Value::Null),
        }));
        match answered {
            Ok(Ok(value)) => self.answer(id, value),
            Ok(Err(error)) => self.refuse(id, ErrorCode::InvalidParams, error),
            Err(_) => {
                let sentence = format!("`{method}` failed; please report it");
                self.refuse(id, ErrorCode::InternalError, sentence);
            }
        }
    }

    fn read<T: DeserializeOwned>(&mut self, method: &str, params: &Value) -> Option<T> {
        match parsed(params) {
            Ok(params) => Some(params),
            Err(error) => {
                self.log(&format!("`{method}` is not as it should be: {error}"));
                None
            }
        }
    }

    fn answer(&mut self, id: RequestId, result: Value) {
        self.send(Response {
            id,
            response_result: Ok(result),
        });
    }

    fn refuse(&mut self, id: RequestId, code: ErrorCode, sentence: String) {
        self.send(Response::new_err(id, code as i32, sentence));
    }

    /// For the editor's log.
    fn log(&mut self, sentence: &str) {
        self.send(Notification {
            method: "window/logMessage".to_owned(),
            // 2 is a warning.
            params: json!({"type": 2, "message": crate::diagnostic::escape::message(sentence)}),
        });
    }

    fn send(&mut self, message: impl Into<Message>) {
        // With nobody to read it, the end of input is on its way.
        let _ = self.client.send(message.into());
    }
}
