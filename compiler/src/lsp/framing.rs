//! Messages on the wire: a header that says how long they are, and JSON.

use lsp_server::Message;
use std::io::{self, BufRead, Read};

/// The longest message that is read, in bytes: more than the text of any file takes.
pub(super) const LONGEST: u64 = 1 << 30;
/// The longest line of a header.
const HEADER: u64 = 1 << 12;

/// The next message; `None` at the end of the input. Room is made for what has come, not for what the header promises.
///
/// # Errors
/// Of the kind `InvalidData` for what is not a message, or longer than `longest`: those behind it can be read.
pub(super) fn read(input: &mut impl BufRead, longest: u64) -> io::Result<Option<Message>> {
    let Some(length) = length(input)? else {
        return Ok(None);
    };
    let mut body = input.take(length);
    if length > longest {
        io::copy(&mut body, &mut io::sink())?;
        return Err(invalid(format!(
            "a message of {length} bytes is too long to be read"
        )));
    }
    let mut text = Vec::new();
    body.read_to_end(&mut text)?;
    if body.limit() > 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let message = serde_json::from_slice(&text);
    message.map_err(|error| invalid(format!("this is not a message: {error}")))
}

/// Reads a header.
fn length(input: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut length = None;
    loop {
        let mut line = Vec::new();
        if input.take(HEADER).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let malformed = || invalid(format!("this is not a line of a header: {line:?}"));
        let Some(field) = line.strip_suffix("\r\n") else {
            return Err(malformed());
        };
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(": ").ok_or_else(malformed)?;
        if name.eq_ignore_ascii_case("Content-Length") {
            length = Some(value.parse().map_err(|_| malformed())?);
        }
    }
    let none = || invalid("a header without `Content-Length`".to_owned());
    length.ok_or_else(none).map(Some)
}

fn invalid(sentence: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = r#"{"method":"exit"}"#;

    fn framed(length: impl std::fmt::Display, text: &str) -> String {
        format!("Content-Length: {length}\r\nContent-Type: x\r\n\r\n{text}")
    }

    fn kinds(input: &str) -> Vec<Result<(), io::ErrorKind>> {
        let mut input = input.as_bytes();
        let mut kinds = Vec::new();
        loop {
            match read(&mut input, 64) {
                Ok(Some(_)) => kinds.push(Ok(())),
                Ok(None) => return kinds,
                Err(error) => kinds.push(Err(error.kind())),
            }
        }
    }

    #[test]
    fn what_is_no_message_does_not_hide_the_next() {
        let good = framed(SHORT.len(), SHORT);
        let long = "x".repeat(100);
        let invalid = Err(io::ErrorKind::InvalidData);
        for bad in [
            framed(100, &long),
            framed(2, "{}"),
            "Content-Length: -1\r\n".to_owned(),
        ] {
            let input = format!("{good}{bad}{good}");
            let found = kinds(&input);
            assert_eq!(
                (found.first(), found.last()),
                (Some(&Ok(())), Some(&Ok(()))),
                "{bad}"
            );
            assert!(found.contains(&invalid), "{bad}");
        }
    }

    #[test]
    fn no_room_is_made_for_what_does_not_come() {
        assert_eq!(kinds(&framed(u64::MAX, SHORT)), [Err(io::ErrorKind::InvalidData)]);
        assert_eq!(kinds(&framed(64, SHORT)), [Err(io::ErrorKind::UnexpectedEof)]);
        assert_eq!(kinds(&"x".repeat(10_000)).len(), 3);
    }
}
