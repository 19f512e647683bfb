//! Does what an administrator asks for, and notes it as an event.

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use wstp_admin_messages::{Action, AddLink, AddToken, AddUser, Done};
use wstp_protocol::{LINK_PATH, SharePath};
use wstp_text::units;

use super::share_file::{self, Change, Limited, NotChanged};
use super::{Denied, sentence};
use crate::access::Caller;
use crate::accounts::changes::{self, Wrong};
use crate::accounts::{NewLink, Role, TokenId, User, UserName};
use crate::config::Config;
use crate::secret::Secret;
use crate::server::Server;
use http::StatusCode;

/// Most days until a token ends.
const MAX_DAYS: u32 = 36_500;

/// Does one thing.
pub(super) async fn perform(server: &Arc<Server>, caller: &Caller, action: Action) -> Result<Done, Denied> {
    let sessions = server.control.sessions();
    let mut done = Done::default();
    let event = match action {
        Action::Disconnect { connection } => {
            found(sessions.end(connection))?;
            format!("ended connection {connection}")
        }
        Action::Limit { connection, rate } => {
            found(sessions.limit(connection, rate.and_then(NonZeroU64::new)))?;
            format!("limited connection {connection} to {}", shown(rate))
        }
        Action::LimitCallers { rate } => {
            limit(server, Limited::Callers, rate).await?;
            format!("limited each caller to {}", shown(rate))
        }
        Action::LimitAll { rate } => {
            limit(server, Limited::All, rate).await?;
            format!("limited all callers together to {}", shown(rate))
        }
        Action::LimitShare { name, rate } => {
            limit(server, Limited::Share(name.clone()), rate).await?;
            format!("limited {name} to {}", shown(rate))
        }
        Action::PutShare(share) => {
            let event = format!("shares {:?} as {}", share.path, share.name);
            change_file(server, Change::Put(share)).await?;
            event
        }
        Action::SwitchShare { name, on } => {
            change_file(server, Change::Switch(name.clone(), on)).await?;
            if on { format!("shares {name} again") } else { format!("stopped sharing {name}") }
        }
        Action::RemoveShare { name } => {
            change_file(server, Change::Remove(name.clone())).await?;
            format!("removed the share {name}")
        }
        Action::AddUser(wanted) => {
            let name: UserName = wanted.name.parse().map_err(Denied::wrong)?;
            let event = format!("added the user {name}");
            change_accounts(server, move |server| add_user(server, name, wanted)).await?;
            event
        }
        Action::SetPassword { name, password } => {
            let name: UserName = name.parse().map_err(Denied::wrong)?;
            let event = format!("changed the password of {name}");
            let password = Secret::new(password);
            change_accounts(server, move |server| {
                let hash = changes::new_password(&password)?;
                server.control.callers().book().update(|accounts| accounts.set_password(&name, hash))
            })
            .await?;
            event
        }
        Action::AllowLinks { name, may } => {
            let name: UserName = name.parse().map_err(Denied::wrong)?;
            let event = format!("{} {name} make share links", if may { "lets" } else { "no longer lets" });
            change_accounts(server, move |server| {
                server.control.callers().book().update(|accounts| accounts.allow_links(&name, may))
            })
            .await?;
            event
        }
        Action::RemoveUser { name } => {
            let name: UserName = name.parse().map_err(Denied::wrong)?;
            let event = format!("removed the user {name}");
            change_accounts(server, move |server| {
                server.control.callers().book().update(|accounts| {
                    accounts.keep_an_admin(&name)?;
                    accounts.remove_user(&name).map(drop)
                })
            })
            .await?;
            event
        }
        Action::AddToken(AddToken { user, only, days, downloads }) => {
            let user: Option<UserName> = user.map(|name| name.parse()).transpose().map_err(Denied::wrong)?;
            let only = places(&only)?;
            let days = days.clamp(1, MAX_DAYS);
            let add = move |server: &Server| {
                server
                    .control
                    .callers()
                    .book()
                    .update(|accounts| accounts.add_token(user, only, days, downloads.filter(|most| *most > 0)))
            };
            let (id, secret) = change_accounts(server, add).await?;
            done.token = Some(secret.expose().to_owned());
            format!("made token {} for {days} days", id.as_str())
        }
        Action::RevokeToken { id } => {
            let id: TokenId = id.parse().map_err(Denied::wrong)?;
            let event = format!("revoked token {}", id.as_str());
            change_accounts(server, move |server| {
                server.control.callers().book().update(|accounts| accounts.revoke_token(&id))
            })
            .await?;
            event
        }
        Action::AddLink(wanted) => {
            let maker = server.control.callers().user(caller).map(|(name, _)| name);
            let event = format!("made a link to {} for {} days", wanted.path, wanted.days.clamp(1, MAX_DAYS));
            let (id, code) = change_accounts(server, move |server| add_link(server, maker, wanted)).await?;
            done.link = Some(format!("{}{}", &LINK_PATH[1..], code.expose()));
            format!("{event}: {}", id.as_str())
        }
        Action::RemoveLink { id } => {
            let id: TokenId = id.parse().map_err(Denied::wrong)?;
            let event = format!("removed link {}", id.as_str());
            let by = server.control.callers().user(caller).map(|(name, _)| name).ok_or_else(Denied::logged_out)?;
            change_accounts(server, move |server| {
                server.control.callers().book().update(|accounts| accounts.remove_link(&id, Some(&by)))
            })
            .await?;
            event
        }
    };
    let who = server.control.callers().user(caller).map_or_else(|| "somebody".to_owned(), |(name, _)| name.to_string());
    server.control.events().note(format!("{who} {event}"));
    tracing::info!(administrator = who, "{event}");
    Ok(done)
}

/// Blocking.
fn add_user(server: &Server, name: UserName, wanted: AddUser) -> Result<(), Wrong> {
    let role = match &wanted.role[..] {
        "admin" => Role::Admin,
        "upload" => Role::Upload,
        "limited" => Role::Limited,
        _ => Role::Normal,
    };
    let only = wanted.only.iter().map(|text| changes::place(text)).collect::<Result<_, _>>().map_err(Wrong::Place)?;
    let password = changes::new_password(&Secret::new(wanted.password))?;
    let (rate, volume) = (wanted.rate.and_then(NonZeroU64::new), wanted.volume.and_then(NonZeroU64::new));
    let user = User { role, password, only, rate, volume, links: wanted.links };
    server.control.callers().book().update(|accounts| accounts.add_user(name, user).map(drop))
}

/// Blocking.
fn add_link(server: &Server, user: Option<UserName>, wanted: AddLink) -> Result<(TokenId, Secret), Wrong> {
    let path = changes::place(&wanted.path).map_err(Wrong::Place)?;
    let password = wanted.password.filter(|password| !password.is_empty());
    let password = password.map(|password| changes::new_password(&Secret::new(password))).transpose()?;
    let (days, downloads) = (wanted.days.clamp(1, MAX_DAYS), wanted.downloads.filter(|most| *most > 0));
    let wanted = NewLink { user, path, password, days, downloads };
    server.control.callers().book().update(|accounts| accounts.add_link(wanted))
}

/// Changes users, tokens or links, and ends what is not allowed any more.
async fn change_accounts<T: Send + 'static>(
    server: &Arc<Server>,
    change: impl FnOnce(&Server) -> Result<T, Wrong> + Send + 'static,
) -> Result<T, Denied> {
    let server = server.clone();
    let changed = tokio::task::spawn_blocking(move || {
        let done = change(&server)?;
        server.control.review();
        Ok::<_, Wrong>(done)
    });
    match changed.await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(wrong)) => Err(Denied::wrong(wrong)),
        Err(_) => Err(Denied::not_kept()),
    }
}

/// Limits at once, and in the configuration file, if there is one. Without it the limit ends with the server.
async fn limit(server: &Arc<Server>, limited: Limited, rate: Option<u64>) -> Result<(), Denied> {
    let rate = rate.and_then(NonZeroU64::new);
    if server.config().file.is_some() {
        change_file(server, Change::Limit(limited.clone(), rate)).await?;
    }
    let mut config = Config::clone(&server.config());
    match (limited, rate) {
        (Limited::All, rate) => config.rate = rate,
        (Limited::Callers, rate) => config.per_caller.rate = rate,
        (Limited::Share(name), Some(rate)) => drop(config.share_rates.insert(name, rate)),
        (Limited::Share(name), None) => drop(config.share_rates.remove(&name)),
    }
    server.control.replace(config);
    Ok(())
}

async fn change_file(server: &Arc<Server>, change: Change) -> Result<(), Denied> {
    let Some(file) = server.config().file.clone() else {
        const WORDS: &str = "This server was started without a configuration file, so its shares can't be changed here. \
                             `wstp-server config init` writes one, and `wstp-server --config FILE` uses it.";
        return Err(Denied::new(StatusCode::CONFLICT, WORDS));
    };
    let changed = tokio::task::spawn_blocking(move || share_file::change(Path::new(&file), &change));
    match changed.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error @ NotChanged::Io(_))) => {
            Err(Denied::new(StatusCode::INTERNAL_SERVER_ERROR, sentence(&error.to_string())))
        }
        Ok(Err(wrong)) => Err(Denied::wrong(wrong)),
        Err(_) => Err(Denied::not_kept()),
    }
}

fn places(texts: &[String]) -> Result<Vec<SharePath>, Denied> {
    texts.iter().map(|text| changes::place(text)).collect::<Result<_, _>>().map_err(Denied::wrong)
}

fn found(is_there: bool) -> Result<(), Denied> {
    is_there.then_some(()).ok_or_else(|| Denied::new(StatusCode::NOT_FOUND, "This client is gone already."))
}

fn shown(rate: Option<u64>) -> String {
    rate.map_or_else(|| "no limit".to_owned(), |rate| units::rate(rate as f64))
}
