//! URLs of files in a folder that is served over plain HTTP.

use std::fmt::Write;

use wstp_protocol::{MirrorUrl, SharePath, spelling};

/// The URL of a file in a folder that is served over plain HTTP. Each name is percent-encoded (RFC 3986, section 2). A
/// name that is not UTF-8 has the bytes of that server's disk.
#[must_use]
pub fn file_url(folder: &MirrorUrl, path: &SharePath) -> String {
    let mut url = folder.as_str().trim_end_matches('/').to_owned();
    for name in path.names() {
        url.push('/');
        for &byte in spelling::bytes(name).unwrap_or_default().iter() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                url.push(char::from(byte));
            } else {
                // Writing to a text can't fail.
                let _infallible = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_one_by_one() {
        for (folder, path, url) in [
            ("http://h/files", "a b/späß?#.txt", "http://h/files/a%20b/sp%C3%A4%C3%9F%3F%23.txt"),
            ("http://h/files/", "%2e%2e", "http://h/files/%252e%252e"),
            ("https://h", "a:b@c", "https://h/a%3Ab%40c"),
            ("https://h", "caf\u{efe9}", "https://h/caf%E9"),
        ] {
            let (folder, path) = (MirrorUrl::parse(folder).unwrap(), SharePath::parse(path).unwrap());
            assert_eq!(file_url(&folder, &path), url);
        }
    }
}
