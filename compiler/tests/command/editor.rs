//! An editor, as far as a language server can tell: it starts one, speaks to it over its pipes, and reads on until what it
//! waits for has been said. It fails when nothing more comes.

use crate::program::{ROOT, program};
use lsp_server::{Message, Notification, Request, RequestId, Response};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything takes: what does not come by then never will.
const NEVER: Duration = Duration::from_secs(120);

/// An editor.
pub(crate) struct Editor {
    pub(crate) child: Child,
    pub(crate) input: Option<ChildStdin>,
    messages: Receiver<Message>,
    /// What was said while something else was waited for.
    heard: VecDeque<Message>,
    pub(crate) requests: i32,
}

impl Editor {
    /// Starts the server, and says nothing yet.
    pub(crate) fn new(directory: &Path) -> Self {
        let mut child = program(directory)
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (said, messages) = channel();
        std::thread::spawn(move || {
            while let Ok(Some(message)) = Message::read(&mut output) {
                if said.send(message).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            messages,
            heard: VecDeque::new(),
            requests: 0,
        }
    }

    /// Starts it in a workspace.
    pub(crate) fn open(root: &Path) -> Self {
        let mut editor = Self::new(Path::new(ROOT));
        let answer = editor.request(
            "initialize",
            json!({
                "processId": null,
                "workspaceFolders": [{"uri": uri(root), "name": "w"}],
                "capabilities": {
                    "workspace": {"workspaceEdit": {"documentChanges": true}},
                    "textDocument": {"publishDiagnostics": {"relatedInformation": true}},
                },
            }),
        );
        assert_eq!(answer["capabilities"]["positionEncoding"], "utf-16");
        editor.notify("initialized", json!({}));
        editor
    }

    pub(crate) fn send(&mut self, message: impl Into<Message>) {
        let input = self.input.as_mut().unwrap();
        message.into().write(input).unwrap();
    }

    pub(crate) fn notify(&mut self, method: &str, params: Value) {
        self.send(Notification {
            method: method.to_owned(),
            params,
        });
    }

    pub(crate) fn next(&mut self) -> Message {
        self.messages.recv_timeout(NEVER).unwrap()
    }

    pub(crate) fn respond(&mut self, method: &str, params: Value) -> Response {
        self.requests += 1;
        let id = RequestId::from(self.requests);
        self.send(Request {
            id: id.clone(),
            method: method.to_owned(),
            params,
        });
        loop {
            match self.next() {
                Message::Response(response) if response.id == id => return response,
                other => self.heard.push_back(other),
            }
        }
    }

    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        self.respond(method, params).response_result.unwrap()
    }

    pub(crate) fn did_open(&mut self, path: &Path, text: &str) {
        self.notify(
            "textDocument/didOpen",
            json!({"textDocument": {"uri": uri(path), "languageId": "yaml", "version": 1, "text": text}}),
        );
    }

    pub(crate) fn did_change(&mut self, path: &Path, version: i32, changes: Value) {
        self.notify(
            "textDocument/didChange",
            json!({"textDocument": {"uri": uri(path), "version": version}, "contentChanges": changes}),
        );
    }

    /// The next diagnostics of a file that are as wanted; what comes before is forgotten.
    pub(crate) fn diagnostics(&mut self, path: &Path, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let uri = uri(path);
        loop {
            let message = match self.heard.pop_front() {
                Some(message) => message,
                None => self.next(),
            };
            if let Message::Notification(notification) = message
                && notification.method == "textDocument/publishDiagnostics"
                && notification.params["uri"] == *uri
                && wanted(&notification.params)
            {
                return notification.params["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    /// Those of a version of a document.
    pub(crate) fn diagnostics_of(&mut self, path: &Path, version: i32) -> Vec<Value> {
        self.diagnostics(path, |params| params["version"] == version)
    }

    pub(crate) fn at(&mut self, method: &str, path: &Path, position: Value) -> Value {
        self.request(
            method,
            json!({
                "textDocument": {"uri": uri(path)},
                "position": position,
                "context": {"includeDeclaration": true},
            }),
        )
    }

    pub(crate) fn actions(&mut self, path: &Path, range: &Value) -> Vec<Value> {
        let answer = self.request(
            "textDocument/codeAction",
            json!({"textDocument": {"uri": uri(path)}, "range": range, "context": {"diagnostics": []}}),
        );
        answer.as_array().unwrap().clone()
    }

    /// Ends the conversation in order; the exit status.
    pub(crate) fn close(mut self) -> i32 {
        assert_eq!(self.request("shutdown", Value::Null), Value::Null);
        self.notify("exit", Value::Null);
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn uri(path: &Path) -> String {
    format!("file://{}", path.to_str().unwrap().replace(' ', "%20"))
}
