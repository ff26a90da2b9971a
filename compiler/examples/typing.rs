//! How long after a change the language server says what is wrong: `typing DIRECTORY [CHANGES]`.
//!
//! Opens the first manifest of the directory as an editor does, adds to it character by character, and waits each time for
//! the diagnostics of that version. The pause that the server makes for more changes (60 ms) is part of the time.
#![expect(clippy::print_stdout, reason = "a small program of its own")]

use lsp_server::{Message, Notification, Request};
use portcullis_compiler::{limits::Limits, lsp};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufReader, PipeReader, PipeWriter, pipe};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("say which directory")?;
    let directory = std::fs::canonicalize(directory)?;
    let changes: i32 = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(&directory)? {
        files.push(entry?.path());
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let file = files.first().ok_or("there is no manifest in it")?;
    let text = std::fs::read_to_string(file)?;
    let uri = format!("file://{}", file.display());

    let (server_input, mut input) = pipe()?;
    let (output, server_output) = pipe()?;
    let server = std::thread::spawn(move || {
        lsp::serve(BufReader::new(server_input), server_output, Limits::default())
    });
    let mut output = BufReader::new(output);
    let started = Instant::now();
    Message::from(Request {
        id: 1.into(),
        method: "initialize".to_owned(),
        params: json!({"capabilities": {}, "rootUri": format!("file://{}", directory.display())}),
    })
    .write(&mut input)?;
    let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text});
    say(
        &mut input,
        "textDocument/didOpen",
        json!({"textDocument": document}),
    )?;
    wait(&mut output, &uri, 1)?;
    println!(
        "{} files; opened: {} ms",
        files.len(),
        started.elapsed().as_millis()
    );

    let end = json!({"line": text.lines().count(), "character": 0});
    let mut took: Vec<Duration> = Vec::new();
    for version in 2..changes + 2 {
        let change = json!({"range": {"start": end, "end": end}, "text": "#"});
        let started = Instant::now();
        say(
            &mut input,
            "textDocument/didChange",
            json!({"textDocument": {"uri": uri, "version": version}, "contentChanges": [change]}),
        )?;
        wait(&mut output, &uri, version)?;
        took.push(started.elapsed());
    }
    took.sort();
    let at = |part: usize| {
        took.get((took.len().saturating_sub(1)) * part / 4)
            .map_or(0, Duration::as_millis)
    };
    println!(
        "{changes} changes: least {} ms, median {} ms, most {} ms",
        at(0),
        at(2),
        at(4)
    );
    // It ends without `exit`, as when an editor is killed.
    drop((input, output));
    let _ = server.join();
    Ok(())
}

fn say(input: &mut PipeWriter, method: &str, params: Value) -> std::io::Result<()> {
    let method = method.to_owned();
    Message::from(Notification { method, params }).write(input)
}

/// Reads on until the diagnostics of this version of the document have come.
fn wait(output: &mut BufReader<PipeReader>, uri: &str, version: i32) -> Result<(), Box<dyn Error>> {
    while let Some(message) = Message::read(output)? {
        if let Message::Notification(Notification { method, params }) = message
            && method == "textDocument/publishDiagnostics"
            && params.get("uri").is_some_and(|found| *found == *uri)
            && params.get("version").is_some_and(|found| *found == version)
        {
            return Ok(());
        }
    }
    Err("the server hung up".into())
}
