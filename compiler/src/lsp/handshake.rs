//! What is said before the work begins: what the client can do and which directories it opened, what the server can do,
//! and of which files it wants to be told.

use super::uri;
use lsp_server::{Request, RequestId};
use lsp_types::InitializeParams;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What the client can do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Abilities {
    /// Show places that belong to a diagnostic.
    pub(super) related: bool,
    /// Take edits of one version of a document.
    pub(super) versioned_edits: bool,
    /// Watch files when asked to.
    pub(super) watches: bool,
}

impl Abilities {
    /// What it says of itself.
    pub(super) fn of(params: &InitializeParams) -> Self {
        let text = params.capabilities.text_document.as_ref();
        let workspace = params.capabilities.workspace.as_ref();
        Self {
            related: text
                .and_then(|text| text.publish_diagnostics.as_ref())
                .and_then(|publishing| publishing.related_information)
                .unwrap_or(false),
            versioned_edits: workspace
                .and_then(|workspace| workspace.workspace_edit.as_ref())
                .and_then(|edit| edit.document_changes)
                .unwrap_or(false),
            watches: workspace
                .and_then(|workspace| workspace.did_change_watched_files.as_ref())
                .and_then(|watching| watching.dynamic_registration)
                .unwrap_or(false),
        }
    }
}

/// The directories that the client opened.
pub(super) fn roots(params: &InitializeParams) -> Vec<PathBuf> {
    #[expect(deprecated, reason = "what older clients say instead of folders")]
    let older = params
        .root_uri
        .as_ref()
        .map(|uri| uri::name(uri.as_str()))
        .or_else(|| params.root_path.clone());
    let folders = params.workspace_folders.iter().flatten();
    let mut roots: Vec<PathBuf> = folders
        .map(|folder| uri::name(folder.uri.as_str()).into())
        .collect();
    if roots.is_empty() {
        roots.extend(older.map(PathBuf::from));
    }
    roots.retain(|root| root.is_absolute());
    roots
}

/// The answer to `initialize`.
pub(super) fn capabilities() -> Value {
    let files = json!({"filters": [{"scheme": "file", "pattern": {"glob": "**/*"}}]});
    json!({
        "capabilities": {
            "positionEncoding": "utf-16",
            "textDocumentSync": {"openClose": true, "change": 2, "save": true},
            "hoverProvider": true,
            "definitionProvider": true,
            "referencesProvider": true,
            "codeActionProvider": {"codeActionKinds": ["quickfix", "source.fixAll.portcullis"]},
            "workspace": {"fileOperations": {"didCreate": files, "didRename": files, "didDelete": files}},
        },
        "serverInfo": {"name": "portcullis", "version": env!("CARGO_PKG_VERSION")},
    })
}

/// Asks to be told of files that are changed, added and removed elsewhere.
pub(super) fn watching(id: RequestId) -> Request {
    Request {
        id,
        method: "client/registerCapability".to_owned(),
        params: json!({"registrations": [{
            "id": "files",
            "method": "workspace/didChangeWatchedFiles",
            "registerOptions": {"watchers": [
                {"globPattern": "**/*.{yaml,yml,json,guarantees}"},
                {"globPattern": "**/portcullis.toml"},
            ]},
        }]}),
    }
}
