//! The state that the page shows.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use wstp_admin_messages::{
    ClientState, Event, LinkState, ServerState, ShareState, State, TokenState, TransferState, UserState,
};
use wstp_protocol::SharePath;

use crate::AGENT;
use crate::accounts::{self, Accounts, Downloads, Link, Token, TokenId, User, UserName};
use crate::config::Share;
use crate::registry::{BUCKETS, SessionView};
use crate::server::Server;

/// Events that are told.
const EVENTS: usize = 200;
/// Open files of a client that are told.
const TRANSFERS: usize = 3;

/// The state now.
pub async fn now(server: &Arc<Server>) -> State {
    let config = server.config();
    let shares = config.shares.clone();
    // A disk that is away may keep its caller waiting.
    let rates = config.share_rates.clone();
    let shares = move || shares.iter().map(|shared| share(shared, &rates)).collect();
    let shares = tokio::task::spawn_blocking(shares).await.unwrap_or_default();
    let accounts = server.control.callers().book().accounts();
    let (rate, sent, history) = server.admin.history.shown();
    State {
        server: ServerState {
            agent: AGENT.to_owned(),
            started: server.started,
            tls: server.tls.is_some(),
            config_file: config.file.as_ref().map(|file| file.to_string_lossy().into_owned()),
        },
        rate,
        sent,
        history,
        hashing: server.files.hashing().unfinished(),
        load: load(),
        whole_rate: config.rate.map(NonZeroU64::get),
        caller_rate: server.control.callers().common().rate.map(NonZeroU64::get),
        clients: server.control.sessions().list().into_iter().map(client).collect(),
        shares,
        users: users(&accounts),
        tokens: accounts.tokens.iter().map(token).collect(),
        links: links(&accounts),
        events: server.control.events().newest(EVENTS).into_iter().map(event).collect(),
        events_kept: server.control.events().are_kept(),
    }
}

fn client(view: SessionView) -> ClientState {
    ClientState {
        connection: view.connection,
        caller: view.caller.to_string(),
        address: view.address.to_string(),
        since: view.since,
        transfers: view.transfers.iter().take(TRANSFERS).map(transfer).collect(),
        others: view.transfers.len().saturating_sub(TRANSFERS),
        sent: view.bytes,
        rate: view.rate,
        limit: view.limit.map(NonZeroU64::get),
    }
}

fn transfer((path, levels): &(SharePath, [u8; BUCKETS])) -> TransferState {
    let sent = levels.iter().filter_map(|level| char::from_digit(u32::from(*level), 10)).collect();
    TransferState { path: path.as_str().to_owned(), sent }
}

/// Blocking.
fn share(share: &Share, rates: &BTreeMap<String, NonZeroU64>) -> ShareState {
    ShareState {
        limit: share.name.as_ref().and_then(|name| rates.get(name)).map(|rate| rate.get()),
        name: share.name.clone().unwrap_or_default(),
        path: share.path.to_string_lossy().into_owned(),
        public: share.public,
        on: share.on,
        disk: disk(&share.path),
    }
}

/// Bytes free and in all on the disk of a folder.
fn disk(path: &Path) -> Option<(u64, u64)> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}

/// The load of the last minute.
fn load() -> f32 {
    // The system counts it in parts of 65,536 (sysinfo(2)).
    rustix::system::sysinfo().loads[0] as f32 / 65_536.0
}

fn users(accounts: &Accounts) -> Vec<UserState> {
    let user = |(name, user): (&UserName, &User)| UserState {
        name: name.as_str().to_owned(),
        role: user.role.to_string(),
        only: places(&user.only),
        rate: user.rate.map(NonZeroU64::get),
        volume: user.volume.map(NonZeroU64::get),
        links: accounts.may_link(name),
    };
    accounts.users.iter().map(user).collect()
}

fn token((id, token): (&TokenId, &Token)) -> TokenState {
    TokenState {
        id: id.as_str().to_owned(),
        user: token.user.as_ref().map(|name| name.as_str().to_owned()),
        only: places(&token.only),
        expires: token.expires,
        login: token.login,
        downloads: token.downloads.map(Downloads::left),
    }
}

fn links(accounts: &Accounts) -> Vec<LinkState> {
    let now = accounts::now();
    let link = |(id, link): (&TokenId, &Link)| LinkState {
        id: id.as_str().to_owned(),
        user: link.user.as_ref().map(|name| name.as_str().to_owned()),
        path: link.path.as_str().to_owned(),
        expires: link.expires,
        downloads: link.downloads.map(Downloads::left),
        has_password: link.password.is_some(),
        works: accounts.link_rights(id, now).is_some(),
    };
    accounts.links.iter().map(link).collect()
}

fn places(paths: &[SharePath]) -> Vec<String> {
    paths.iter().map(|path| path.as_str().to_owned()).collect()
}

/// An event as the page is told it.
pub(super) fn event(event: crate::events::Event) -> Event {
    Event { id: event.id, at: event.at, text: event.text }
}
