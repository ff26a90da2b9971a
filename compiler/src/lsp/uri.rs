//! `file:` URIs and the names of files.

use std::path::Path;

/// The name of the file that a URI is of; for other schemes (`untitled:`) the URI itself, which no file has as its name.
pub(super) fn name(uri: &str) -> String {
    let Some(rest) = uri.strip_prefix("file://") else {
        return uri.to_owned();
    };
    // What stands before the path is a host, and empty or this machine.
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or(rest);
    let path = decoded(path);
    match path.strip_prefix('/') {
        // `/c:/manifests/a.yaml`
        Some(drive) if cfg!(windows) && drive.get(1..2) == Some(":") => drive.replace('/', "\\"),
        _ => path,
    }
}

/// The URI of a file.
pub(super) fn of(name: &str) -> String {
    if !Path::new(name).is_absolute() {
        return name.to_owned();
    }
    let slashes = if cfg!(windows) {
        format!("/{}", name.replace('\\', "/"))
    } else {
        name.to_owned()
    };
    let mut uri = "file://".to_owned();
    for byte in slashes.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = behind
            .get(..2)
            .filter(|_| first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    #[test]
    fn files_have_one_uri_and_clients_may_write_it_otherwise() {
        for file in ["/a b/ü#?%.yaml", "/plain/a-b_c.yaml", "/😀"] {
            assert_eq!(name(&of(file)), file);
        }
        assert_eq!(of("/a b"), "file:///a%20b");
        assert_eq!(name("file:///a%3ab/%zz"), "/a:b/%zz");
        assert_eq!(name("file://localhost/a"), "/a");
        assert_eq!(name("untitled:Untitled-1"), "untitled:Untitled-1");
        assert_eq!(of("untitled:Untitled-1"), "untitled:Untitled-1");
    }
}
