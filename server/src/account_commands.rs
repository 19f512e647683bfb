//! `wstp-server user` and `wstp-server token`. A running server follows what they change within a second.

use std::io::{self, BufRead, IsTerminal, Write};
use std::num::NonZeroU64;
use std::process::ExitCode;

use wstp_server::accounts::changes::{self, DAY, LONGEST_PASSWORD, Wrong};
use wstp_server::accounts::{Accounts, Book, BookError, PasswordHash, Role, Token, TokenId, User, UserName, now};
use wstp_server::args::{AccountArgs, TokenCommand, UserCommand, default_state_dir};
use wstp_server::secret::Secret;
use wstp_server::settings::Settings;

use crate::{FAILED, fail};

/// Why a command fails, in words.
struct Failed(String);

/// `wstp-server user`. Returns the exit status.
pub fn user(args: AccountArgs<UserCommand>) -> ExitCode {
    finish(book(&args).and_then(|book| match args.command {
        UserCommand::Add { name, role, only, rate } => {
            let role = Role::from(role);
            if role == Role::Limited && only.is_empty() {
                return Err(Failed("a limited user may read nothing without --only PATH".to_owned()));
            }
            if book.accounts().users.contains_key(&name) {
                return Err(Wrong::Taken(name).into());
            }
            let password = new_password(&name)?;
            let rate = rate.map(|kib| kib.saturating_mul(NonZeroU64::new(1024).expect("1024 is not 0")));
            let user = User { role, password, only, rate };
            let is_first = book.update(|accounts: &mut Accounts| accounts.add_user(name.clone(), user))?;
            let note = if is_first { "From now on everybody has to log in, except for public shares.\n" } else { "" };
            Ok(format!("{name} may log in now.\n{note}"))
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
            Ok(format!("{name} is removed, with all tokens.\n{note}"))
        }
        UserCommand::List => {
            let line = |(name, user): (&UserName, &User)| {
                let only: Vec<_> = user.only.iter().map(|path| path.as_str()).collect();
                let rate = user.rate.map(|rate| format!("\t{} KiB/s", rate.get() / 1024)).unwrap_or_default();
                format!(
                    "{name}\t{}\t{}{rate}\n",
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
        TokenCommand::Add { user, only, days } => {
            let (id, secret) = book.update(|accounts| accounts.add_token(user, only, days))?;
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
                let left = match token.expires {
                    Some(expires) if expires <= now => "over".to_owned(),
                    Some(expires) => format!("{} days left", (expires - now).div_ceil(DAY)),
                    None => "-".to_owned(),
                };
                let kind = if token.login { "login" } else { "token" };
                format!("{}\t{kind}\t{user}\t{only}\t{left}\n", id.as_str())
            };
            Ok(book.accounts().tokens.iter().map(line).collect())
        }
    }))
}

fn book<C: clap::Subcommand>(args: &AccountArgs<C>) -> Result<Book, Failed> {
    let configured = match (&args.state_dir, &args.config) {
        (Some(folder), _) => Some(folder.clone()),
        (None, Some(file)) => Settings::read(file).map_err(|error| Failed(error.to_string()))?.state_dir,
        (None, None) => None,
    };
    let folder = configured.or_else(default_state_dir).ok_or(BookError::NoFolder)?;
    Ok(Book::open(&folder)?)
}

/// The hash of a new password. Asks twice at a terminal. Otherwise takes the first line of the standard input.
fn new_password(name: &UserName) -> Result<PasswordHash, Failed> {
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
            Wrong::Length => "; nothing was changed".to_owned(),
            _ => String::new(),
        };
        Self(format!("{wrong}{hint}"))
    }
}
