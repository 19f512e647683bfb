//! `wstp-server user`, `wstp-server token` and `wstp-server link`. A running server follows what they change within a second.

use std::io::{self, BufRead, IsTerminal, Write};
use std::num::NonZeroU64;
use std::process::ExitCode;

use wstp_protocol::LINK_PATH;
use wstp_server::accounts::changes::{self, DAY, LONGEST_PASSWORD, Wrong};
use wstp_server::accounts::{
    Accounts, Book, BookError, Downloads, Link, NewLink, PasswordHash, Role, Token, TokenId, User, UserName, now,
};
use wstp_server::args::{AccountArgs, LinkCommand, Switch, TokenCommand, UserCommand};
use wstp_server::secret::Secret;
use wstp_text::units;

use crate::{FAILED, fail};

/// Why a command fails, in words.
struct Failed(String);

/// `wstp-server user`. Returns the exit status.
pub fn user(args: AccountArgs<UserCommand>) -> ExitCode {
    finish(book(&args).and_then(|book| match args.command {
        UserCommand::Add { name, role, only, rate, volume, links } => {
            let role = Role::from(role);
            if role == Role::Limited && only.is_empty() {
                return Err(Failed("a limited user may read nothing without --only PATH".to_owned()));
            }
            if book.accounts().users.contains_key(&name) {
                return Err(Wrong::Taken(name).into());
            }
            let password = new_password(&name)?;
            let rate = rate.map(|kib| kib.saturating_mul(NonZeroU64::new(1024).expect("1024 is not 0")));
            let volume = volume.map(|mib| mib.saturating_mul(NonZeroU64::new(1 << 20).expect("2^20 is not 0")));
            let user = User { role, password, only, rate, volume, links };
            let is_first = book.update(|accounts: &mut Accounts| accounts.add_user(name.clone(), user))?;
            let note = if is_first { "From now on everybody has to log in, except for public shares.\n" } else { "" };
            Ok(format!("{name} may log in now.\n{note}"))
        }
        UserCommand::Links { name, may } => {
            let may = may == Switch::On;
            book.update(|accounts| accounts.allow_links(&name, may))?;
            Ok(match may {
                true => format!("{name} may make share links now.\n"),
                false => format!("{name} may make no share links any more, and those that {name} made end.\n"),
            })
        }
        UserCommand::Passwd { name } => {
            if !book.accounts().users.contains_key(&name) {
                return Err(Wrong::Nobody(name).into());
            }
            let password = new_password(&name)?;
            book.update(|accounts| accounts.set_password(&name, password))?;
            Ok(format!("{name} has another password now, and is logged out everywhere.\n"))
        }
        UserCommand::Rm { name } => {
            let is_one_left = book.update(|accounts| accounts.remove_user(&name))?;
            let note = if is_one_left {
                ""
            } else {
                "No user is left. A server that runs shows only public shares until it is started again.\n"
            };
            Ok(format!("{name} is removed, with all tokens and links.\n{note}"))
        }
        UserCommand::List => {
            let line = |(name, user): (&UserName, &User)| {
                let only: Vec<_> = user.only.iter().map(|path| path.as_str()).collect();
                let rate = user.rate.map(|rate| format!("\t{}", units::rate(rate.get() as f64))).unwrap_or_default();
                let volume =
                    user.volume.map(|volume| format!("\t{} a day", units::bytes(volume.get()))).unwrap_or_default();
                let links = if user.links { "\tlinks" } else { "" };
                format!(
                    "{name}\t{}\t{}{rate}{volume}{links}\n",
                    user.role,
                    if only.is_empty() { "-".to_owned() } else { only.join(",") }
                )
            };
            Ok(book.accounts().users.iter().map(line).collect())
        }
    }))
}

/// `wstp-server token`. Returns the exit status.
pub fn token(args: AccountArgs<TokenCommand>) -> ExitCode {
    finish(book(&args).and_then(|book| match args.command {
        TokenCommand::Add { user, only, days, downloads } => {
            let (id, secret) = book.update(|accounts| accounts.add_token(user, only, days, downloads))?;
            eprintln!("Token {} for {days} days. It is shown this once:", id.as_str());
            Ok(format!("{}\n", secret.expose()))
        }
        TokenCommand::Rm { id } => {
            book.update(|accounts| accounts.revoke_token(&id))?;
            Ok(format!("Token {} is revoked.\n", id.as_str()))
        }
        TokenCommand::List => {
            let now = now();
            let line = |(id, token): (&TokenId, &Token)| {
                let user = token.user.as_ref().map_or("-", |user| user.as_str());
                let only: Vec<_> = token.only.iter().map(|path| path.as_str()).collect();
                let only = if only.is_empty() { "-".to_owned() } else { only.join(",") };
                let left = token.expires.map_or_else(|| "-".to_owned(), |expires| time_left(expires, now));
                let kind = if token.login { "login" } else { "token" };
                format!("{}\t{kind}\t{user}\t{only}\t{left}{}\n", id.as_str(), downloads_left(token.downloads))
            };
            Ok(book.accounts().tokens.iter().map(line).collect())
        }
    }))
}

/// `wstp-server link`. Returns the exit status.
pub fn link(args: AccountArgs<LinkCommand>) -> ExitCode {
    finish(book(&args).and_then(|book| match args.command {
        LinkCommand::Add { path, user, days, downloads, password, server } => {
            let password = password.then(|| new_password("the link")).transpose()?;
            let wanted = NewLink { user, path, password, days, downloads };
            let (id, code) = book.update(|accounts| accounts.add_link(wanted))?;
            eprintln!("Link {} for {days} days. It is shown this once:", id.as_str());
            Ok(format!("{}{LINK_PATH}{}\n", server.trim_end_matches('/'), code.expose()))
        }
        LinkCommand::Rm { id } => {
            book.update(|accounts| accounts.remove_link(&id, None))?;
            Ok(format!("Link {} is removed.\n", id.as_str()))
        }
        LinkCommand::List => {
            let now = now();
            let line = |(id, link): (&TokenId, &Link)| {
                let user = link.user.as_ref().map_or("-", |user| user.as_str());
                let left = time_left(link.expires, now);
                let password = if link.password.is_some() { "\tpassword" } else { "" };
                let downloads = downloads_left(link.downloads);
                format!("{}\t{user}\t{}\t{left}{downloads}{password}\n", id.as_str(), link.path)
            };
            Ok(book.accounts().links.iter().map(line).collect())
        }
    }))
}

fn time_left(expires: u64, now: u64) -> String {
    match expires.saturating_sub(now) {
        0 => "over".to_owned(),
        left => format!("{} days left", left.div_ceil(DAY)),
    }
}

fn downloads_left(downloads: Option<Downloads>) -> String {
    downloads.map_or_else(String::new, |downloads| format!("\t{} downloads left", downloads.left()))
}

fn book<C: clap::Subcommand>(args: &AccountArgs<C>) -> Result<Book, Failed> {
    let folder = args.state.folder().map_err(|error| Failed(error.to_string()))?.ok_or(BookError::NoFolder)?;
    Ok(Book::open(&folder)?)
}

/// The hash of a new password. Asks twice at a terminal. Otherwise takes the first line of the standard input.
fn new_password(name: impl std::fmt::Display) -> Result<PasswordHash, Failed> {
    let password = if io::stdin().is_terminal() {
        let ask = |words: String| rpassword::prompt_password(words).map(Secret::new);
        let password = ask(format!("Password for {name}: "))?;
        if ask("The same again: ".to_owned())? != password {
            return Err(Failed("the two differ; nothing was changed".to_owned()));
        }
        password
    } else {
        let mut line = zeroize::Zeroizing::new(String::new());
        io::Read::take(io::stdin().lock(), LONGEST_PASSWORD as u64 + 3).read_line(&mut line)?;
        Secret::new(line.trim_end_matches(['\r', '\n']))
    };
    Ok(changes::new_password(&password)?)
}

fn finish(result: Result<String, Failed>) -> ExitCode {
    let printed = result.and_then(|words| Ok(io::stdout().write_all(words.as_bytes())?));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(words)) => fail(FAILED, &words),
    }
}

impl From<BookError> for Failed {
    fn from(error: BookError) -> Self {
        Self(error.to_string())
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<Wrong> for Failed {
    fn from(wrong: Wrong) -> Self {
        let hint = match &wrong {
            Wrong::Taken(name) => format!("; change the password with `wstp-server user passwd {name}`"),
            Wrong::Nobody(_) => "; `wstp-server user list` shows all".to_owned(),
            Wrong::NoToken(_) => "; `wstp-server token list` shows all".to_owned(),
            Wrong::MayNotLink(name) => format!("; `wstp-server user links {name} on` lets the user"),
            Wrong::NoLink(_) => "; `wstp-server link list` shows all".to_owned(),
            Wrong::Length => "; nothing was changed".to_owned(),
            _ => String::new(),
        };
        Self(format!("{wrong}{hint}"))
    }
}
