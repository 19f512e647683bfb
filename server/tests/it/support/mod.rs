//! The real server as a child process, and a small native client.

mod client;
pub mod plain;
mod server;

pub use client::{Client, greeting, hello, seat_comes_free};
pub use server::{Embedded, Options, Server};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wstp_protocol::SharePath;
use wstp_server::accounts::{Accounts, Book, PasswordHash, Role, Token, TokenHash, User};
use wstp_server::{Config, Control};

/// A folder that is removed at the end, readable by everyone.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// An empty folder.
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file, and the folders around it.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A file of `size` zeros that takes no space.
    pub fn sparse(&self, name: &str, size: u64) -> PathBuf {
        let path = self.path().join(name);
        std::fs::File::create(&path).unwrap().set_len(size).unwrap();
        path
    }
}

/// The hold on a server that lets these tokens read everything, and nobody else anything.
pub fn with_tokens(tokens: &[&str]) -> Arc<Control> {
    let mut accounts = Accounts::default();
    for (number, token) in tokens.iter().enumerate() {
        let (hash, only) = (TokenHash::of(token), vec![SharePath::root()]);
        let token = Token { hash, user: None, only, created: 0, expires: None, login: false, downloads: None };
        accounts.tokens.insert(format!("{number:08x}").parse().unwrap(), token);
    }
    let nobody = User::new(Role::Normal, PasswordHash::none());
    accounts.users.insert("nobody".parse().unwrap(), nobody);
    Arc::new(Control::with_accounts(Config::new("nowhere"), Arc::new(Book::in_memory(accounts))))
}

/// Bytes in which every block differs.
pub fn sample(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&size.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Sends a request as it is and reads until the server closes the connection.
pub async fn http(address: &str, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    String::from_utf8(reply).unwrap()
}
